// Apicheck compares the API of this tree with that of the last release, and fails for
// what would break a program that uses it:
//
//	GOWORK=off go -C internal/tools run ./apicheck ../..
//
// It looks at the packages of the modules that are released, but for internal ones,
// programs and examples. Before 1.0 a minor version may break: a break that is meant is
// accepted by its line, as it is printed here, in .ci/api-breaks.txt, and told in
// CHANGELOG.md. The lines go with the release that has the break; one that is not, or no
// longer, true is an error too.
package main

import (
	"errors"
	"fmt"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/exp/apidiff"
	"golang.org/x/mod/semver"
	"golang.org/x/tools/go/packages"
)

// accepted is the file of the breaks that are meant: lines, and comments with #.
const accepted = ".ci/api-breaks.txt"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: apicheck FOLDER")
		os.Exit(2)
	}
	if err := check(os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "apicheck:", err)
		os.Exit(1)
	}
}

func check(folder string, out io.Writer) (err error) {
	tag, err := lastRelease(folder)
	if err != nil {
		return err
	}
	allowed, err := acceptedBreaks(folder)
	if err != nil {
		return err
	}
	var broken []string
	if tag != "" {
		if broken, err = breaksSince(folder, tag); err != nil {
			return err
		}
	}
	var wrong []error
	for _, line := range broken {
		if !slices.Contains(allowed, line) {
			wrong = append(wrong, fmt.Errorf("breaks what %s has: %s", tag, line))
		}
	}
	for _, line := range allowed {
		if !slices.Contains(broken, line) {
			wrong = append(wrong, fmt.Errorf("%s accepts what is no break: %s", accepted, line))
		}
	}
	switch {
	case len(wrong) > 0:
		return errors.Join(wrong...)
	case tag == "":
		fmt.Fprintln(out, "there is no release yet, so nothing to compare")
	default:
		fmt.Fprintf(out, "nothing breaks what %s has, but for %d accepted\n", tag, len(broken))
	}
	return nil
}

// lastRelease is the newest tag of the root module, "" if there is none. What comes
// before a release, such as v0.2.0-rc.1, promises nothing.
func lastRelease(folder string) (string, error) {
	out, err := run(folder, "git", "tag", "--list", "v*")
	if err != nil {
		return "", err
	}
	last := ""
	for _, t := range strings.Fields(out) {
		if semver.Canonical(t) == t && semver.Prerelease(t) == "" && semver.Compare(t, last) > 0 {
			last = t
		}
	}
	return last, nil
}

func acceptedBreaks(folder string) (lines []string, err error) {
	text, err := os.ReadFile(filepath.Join(folder, accepted))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines, err
}

// breaksSince lists what programs that were built with the release could not be built
// with now, a line each.
func breaksSince(folder, tag string) (lines []string, err error) {
	work, err := os.MkdirTemp("", "apicheck")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	top, err := run(folder, "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	then := filepath.Join(work, "then")
	if _, err := run(work, "git", "clone", "-q", "--no-checkout", top, then); err != nil {
		return nil, err
	}
	if _, err := run(then, "git", "checkout", "-q", tag); err != nil {
		return nil, err
	}
	before, err := load(then)
	if err != nil {
		return nil, err
	}
	after, err := load(folder)
	if err != nil {
		return nil, err
	}
	for path, old := range before {
		now := after[path]
		if now == nil {
			lines = append(lines, path+": package removed")
			continue
		}
		for _, c := range apidiff.Changes(old, now).Changes {
			if !c.Compatible {
				lines = append(lines, path+": "+c.Message)
			}
		}
	}
	slices.Sort(lines)
	return lines, nil
}

// load reads the public packages of a workspace.
func load(folder string) (map[string]*types.Package, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	// With -trimpath what is compiled does not depend on the folder, so both trees share
	// what has not changed between them.
	c := &packages.Config{Dir: folder, Env: append(os.Environ(), "GOWORK="), BuildFlags: []string{"-trimpath"},
		Mode: packages.NeedName | packages.NeedTypes | packages.NeedImports | packages.NeedModule}
	all, err := packages.Load(c, "work")
	if err != nil {
		return nil, err
	}
	out := map[string]*types.Package{}
	for _, p := range all {
		if len(p.Errors) > 0 {
			return nil, fmt.Errorf("%s: %w", p.PkgPath, p.Errors[0])
		}
		inside, err := filepath.Rel(folder, p.Module.Dir)
		if err != nil {
			return nil, err
		}
		inside = filepath.ToSlash(inside) + "/" + strings.TrimPrefix(p.PkgPath, p.Module.Path) + "/"
		if p.Name == "main" || strings.Contains(inside, "/internal/") || strings.HasPrefix(inside, "trials/") || strings.HasPrefix(inside, "examples/") {
			continue
		}
		out[p.PkgPath] = p.Types
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s has no packages", folder)
	}
	return out, nil
}

func run(dir, name string, args ...string) (string, error) {
	c := exec.Command(name, args...)
	c.Dir, c.Stderr = dir, os.Stderr
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(c.Args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
