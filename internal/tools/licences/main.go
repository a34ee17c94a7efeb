// Licences checks that whatever the programs and libraries of this repository are built
// and tested with has a licence that allows what the MIT licence does:
//
//	GOWORK=off go -C internal/tools run ./licences ../..
//
// It reads the licence files of the modules that stand in the module cache. A module
// without one, and a licence that is not on the list, is an error. With -v it prints
// each module with its licences.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// allowed are the licences of what is built into programs, by their SPDX names.
// What only tests use may have those of inTests as well: it reaches nobody.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "Unlicense", "0BSD", "CC0-1.0"}

var inTests = []string{"MPL-2.0"}

// silent are modules that state no licence, with who needs them. They are told each time.
var silent = map[string]string{
	"github.com/nexus-rpc/nexus-proto-annotations": "go.temporal.io/api, which adapters/temporal is built with",
}

func main() {
	verbose := flag.Bool("v", false, "print each module with its licences")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: licences [-v] FOLDER")
		os.Exit(2)
	}
	out := io.Discard
	if *verbose {
		out = os.Stdout
	}
	n, err := check(flag.Arg(0), out)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%d modules, with licences that are allowed, but for those named above\n", n)
}

// check looks at all modules whose packages a workspace or module is built or tested
// with, but for its own, and returns how many there are.
func check(folder string, out io.Writer) (int, error) {
	built, err := modulesOf(folder)
	if err != nil {
		return 0, err
	}
	modules, err := modulesOf(folder, "-test")
	if err != nil {
		return 0, err
	}
	var wrong []error
	for _, m := range modules {
		found, err := licencesOf(m.Dir)
		if err != nil {
			return 0, err
		}
		fmt.Fprintln(out, m.Path, m.Version, strings.Join(found, " and "))
		if by, ok := silent[m.Path]; ok && len(found) == 0 {
			fmt.Fprintf(os.Stderr, "%s states no licence; it comes with %s\n", m.Path, by)
			continue
		}
		if len(found) == 0 {
			wrong = append(wrong, fmt.Errorf("%s has no file with a licence that is known", m.Path))
		}
		for _, l := range found {
			if !slices.Contains(allowed, l) && (!slices.Contains(inTests, l) || slices.ContainsFunc(built, func(b module) bool { return b.Path == m.Path })) {
				wrong = append(wrong, fmt.Errorf("%s has the licence %s, which is not allowed", m.Path, l))
			}
		}
	}
	if len(modules) == 0 {
		wrong = append(wrong, errors.New("no module was found"))
	}
	return len(modules), errors.Join(wrong...)
}

// A module as go list tells it.
type module struct {
	Path, Version, Dir string
	Main               bool
	Replace            *module
}

func modulesOf(folder string, flags ...string) (out []module, err error) {
	pattern, workspace := "./...", "off"
	if _, err := os.Stat(filepath.Join(folder, "go.work")); err == nil {
		pattern, workspace = "work", ""
	}
	c := exec.Command("go", slices.Concat([]string{"list", "-deps", "-json=Module"}, flags, []string{pattern})...)
	c.Dir, c.Env, c.Stderr = folder, append(os.Environ(), "GOWORK="+workspace), os.Stderr
	text, err := c.Output()
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var p struct{ Module *module }
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		if p.Module == nil || p.Module.Main || seen[p.Module.Path] {
			continue
		}
		seen[p.Module.Path] = true
		m := *p.Module
		if m.Replace != nil {
			m.Dir = m.Replace.Dir
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// licencesOf returns the SPDX names of what a module's licence files hold; "unknown"
// stands for one of which less than three quarters is a licence's text.
func licencesOf(dir string) (out []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "UNLICENSE"}, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		found := licensecheck.Scan(text)
		if found.Percent < 75 {
			out = append(out, "unknown")
		}
		for _, m := range found.Match {
			if !m.IsURL && !slices.Contains(out, m.ID) {
				out = append(out, m.ID)
			}
		}
	}
	return out, nil
}
