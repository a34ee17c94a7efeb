// Vulns looks for known vulnerabilities in what this repository is built with, without
// a network: it runs govulncheck on the reports that the module golang.org/x/vulndb holds.
//
//	GOWORK=off go -C internal/tools run ./vulns ../..
//	GOWORK=off go -C internal/tools run ./vulns -reports latest ../..
//
// A module with a vulnerable package that is imported is an error. What is found in Go's
// own library is only told, since whoever builds a program chooses its Go. GOVULNDB, if
// set, is the database instead. Where no reports can be had nothing is looked for: that
// is told, and with -skipped FILE noted there, but is no error.
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
)

// pinned is the version of the reports, so that a change lands or not for what is in it.
// It is moved on by hand; a workflow looks at the latest reports every week.
const pinned = "v0.0.0-20261105234957-e22db6528018"

func main() {
	version := flag.String("reports", pinned, "the `version` of golang.org/x/vulndb")
	skipped := flag.String("skipped", "", "a `file` to which a line is added if nothing could be looked for")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: vulns [flags] FOLDER")
		os.Exit(2)
	}
	if err := look(flag.Arg(0), *version, *skipped); err != nil {
		fmt.Fprintln(os.Stderr, "vulns:", err)
		os.Exit(1)
	}
}

func look(folder, version, skipped string) error {
	work, err := os.MkdirTemp("", "vulns")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	database := os.Getenv("GOVULNDB")
	if database == "" {
		reports, err := download(work, version)
		if err != nil {
			return skip(err, skipped)
		}
		database = filepath.Join(work, "db")
		if _, err := write(reports, database); err != nil {
			return err
		}
		database = "file://" + filepath.ToSlash(database)
	}
	program := filepath.Join(work, "govulncheck")
	if err := build(program); err != nil {
		return err
	}
	return check(program, database, folder, os.Stdout)
}

// download returns the folder of the reports of a version.
func download(work, version string) (string, error) {
	c := exec.Command("go", "mod", "download", "-json", "golang.org/x/vulndb@"+version)
	c.Dir = work
	c.Env = append(os.Environ(), "GOWORK=off")
	out, err := c.Output()
	var module struct{ Dir, Error string }
	if json.Unmarshal(out, &module) == nil && module.Error != "" {
		return "", errors.New(module.Error)
	}
	if err != nil {
		return "", err
	}
	return filepath.Join(module.Dir, "data", "osv"), nil
}

func skip(why error, file string) error {
	line := "govulncheck: the reports could not be fetched: " + strings.Join(strings.Fields(why.Error()), " ")
	fmt.Println(line)
	if file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, line)
	return errors.Join(err, f.Close())
}

// build makes the govulncheck that go.mod pins. It is run from the folder of this module,
// where the go command finds that.
func build(program string) error {
	c := exec.Command("go", "build", "-o", program, "golang.org/x/vuln/cmd/govulncheck")
	c.Env = append(os.Environ(), "GOWORK=off")
	c.Stderr = os.Stderr
	return c.Run()
}

// A message is one of govulncheck's.
type message struct {
	Config *struct {
		DB string `json:"db"`
	} `json:"config"`
	Finding *struct {
		OSV   string `json:"osv"`
		Fixed string `json:"fixed_version"`
		Trace []struct {
			Module  string `json:"module"`
			Version string `json:"version"`
			Package string `json:"package"`
		} `json:"trace"`
	} `json:"finding"`
}

// check runs govulncheck over a workspace or a module, and tells what it found.
func check(program, database, folder string, out io.Writer) error {
	pattern, workspace := "./...", "off"
	if _, err := os.Stat(filepath.Join(folder, "go.work")); err == nil {
		pattern, workspace = "work", ""
	}
	c := exec.Command(program, "-db", database, "-format", "json", "-scan", "package", pattern)
	c.Dir, c.Env, c.Stderr = folder, append(os.Environ(), "GOWORK="+workspace), os.Stderr
	text, err := c.Output()
	if err != nil {
		return err
	}
	var wrong, told []string
	looked := false
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var m message
		if err := d.Decode(&m); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		looked = looked || m.Config != nil
		if m.Finding == nil {
			continue
		}
		at := m.Finding.Trace[0]
		line := fmt.Sprintf("%s: %s %s %s", m.Finding.OSV, at.Module, at.Version, at.Package)
		if m.Finding.Fixed != "" {
			line += ", fixed in " + m.Finding.Fixed
		}
		switch {
		case at.Package == "": // of a module of which this package is not used
		case at.Module == "stdlib" || at.Module == "toolchain":
			told = append(told, line)
		default:
			wrong = append(wrong, line)
		}
	}
	if !looked {
		return errors.New("govulncheck did not say what it looked at")
	}
	for _, line := range compact(told) {
		fmt.Fprintln(out, "of the Go that builds:", line)
	}
	if len(wrong) > 0 {
		return errors.New("packages with known vulnerabilities are used:\n" + strings.Join(compact(wrong), "\n"))
	}
	fmt.Fprintln(out, "no package of a module that is used has a known vulnerability")
	return nil
}

func compact(lines []string) []string {
	slices.Sort(lines)
	return slices.Compact(lines)
}
