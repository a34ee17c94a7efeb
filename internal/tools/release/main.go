// Release makes the tags of a release: one for each module of the workspace but those
// under trials/, all on one commit.
//
//	GOWORK=off go -C internal/tools run ./release v0.1.0           # tries it in a clone, and changes nothing
//	GOWORK=off go -C internal/tools run ./release -write v0.1.0    # and puts the tags into this repository
//
// In the working tree the modules stand beside each other: their go.mod files require
// one another at no real version, and replace that by a folder. The go command installs
// nothing from a go.mod with a replace line, so the commit of a release, which is a
// child of HEAD on no branch, has none: there each module requires the others at the
// release's version, and its go.sum has their checksums. What main holds never names a
// version that no proxy has yet, before the first release as after the last.
//
// It refuses a tree that is not clean, a version that is not newer than the last one,
// tags that exist, a CHANGELOG.md without the version, and replace lines that would be
// left. Before anything is written every program is installed from a module proxy on
// this machine, as go install PROGRAM@VERSION does it, and run. Nothing is pushed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program: 2 for flags that make no sense, 1 when there is no release.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("release", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, "Usage: release [flags] VERSION\n\nMakes the tags of a release, such as v0.1.0.\n\n")
		fs.PrintDefaults()
	}
	repository := fs.String("C", "", "the `folder` of the repository (default: the one that this is started in)")
	write := fs.Bool("write", false, "put the commit and the tags into the repository; else it is only tried")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if fs.NArg() != 1 {
		fs.Usage()
		return 2
	}
	if err := release(ctx, *repository, fs.Arg(0), *write, stdout); err != nil {
		fmt.Fprintln(stderr, "release:", err)
		return 1
	}
	return 0
}

func release(ctx context.Context, folder, version string, write bool, out io.Writer) (err error) {
	top, err := git(ctx, folder, "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	c, err := begin(ctx, top, work, version)
	if err != nil {
		return err
	}
	if err := c.commit(ctx); err != nil {
		return err
	}
	if err := c.prove(ctx, out); err != nil {
		return err
	}
	for _, m := range c.modules {
		fmt.Fprintln(out, "tag", m.tag(version))
	}
	if !write {
		fmt.Fprintln(out, "This was a trial, and nothing has changed; -write makes these tags.")
		return nil
	}
	if err := c.handOver(ctx, top); err != nil {
		return err
	}
	fmt.Fprintf(out, "The tags are made, and not pushed. Next:\n\n  git push --atomic origin%s\n", c.tags(" "))
	fmt.Fprintf(out, "  git merge -s ours %s    # main keeps its tree, and what follows counts as newer than %[1]s\n", version)
	return nil
}
