package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// releases are those of the suite, by the name of their package here.
var releases = []string{"current", "next"}

// outcome is what a run of the suite came to.
type outcome struct {
	passed int
	failed map[string]string // by release, side, scenario and check: what was told
	ran    map[string]bool   // by release, side and scenario
}

func newOutcome() outcome { return outcome{failed: map[string]string{}, ran: map[string]bool{}} }

func (o *outcome) add(more outcome) {
	o.passed += more.passed
	for k, v := range more.failed {
		o.failed[k] = v
	}
	for k := range more.ran {
		o.ran[k] = true
	}
}

var stamp = regexp.MustCompile(`-\d{4}-\d\d-\d\dT[\d-]+Z$`)

// read takes in the files that a run of the suite has written, a folder a scenario.
func (o *outcome) read(dir, release, side string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*", "checks.json"))
	if nested, _ := filepath.Glob(filepath.Join(dir, "*", "*", "checks.json")); err == nil {
		files = append(files, nested...)
	}
	if err != nil || len(files) == 0 {
		return fmt.Errorf("the suite has written nothing into %s", dir)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var checks []struct{ ID, Status, ErrorMessage string }
		if err := json.Unmarshal(raw, &checks); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		rel, err := filepath.Rel(dir, filepath.Dir(file))
		if err != nil {
			return err
		}
		scenario := strings.Join([]string{release, side, stamp.ReplaceAllString(strings.TrimPrefix(filepath.ToSlash(rel), "server-"), "")}, " ")
		o.ran[scenario] = true
		for _, c := range checks {
			switch c.Status {
			case "SUCCESS":
				o.passed++
			case "FAILURE":
				o.failed[scenario+" "+c.ID] = c.ErrorMessage
			}
		}
	}
	return nil
}

// expectations are checks that fail, and why.
type expectations map[string]string

// readExpected reads lines of a release, a side, a scenario, a check, and, behind a
// bar, the reason.
func readExpected(file string) (expectations, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := expectations{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		check, reason, ok := strings.Cut(line, " | ")
		if !ok || len(strings.Fields(check)) != 4 || strings.TrimSpace(reason) == "" {
			return nil, fmt.Errorf("%s: %q is no check with a reason", file, line)
		}
		out[strings.Join(strings.Fields(check), " ")] = reason
	}
	return out, nil
}

// compare tells what fails and was not expected to, and what was and does not.
func (e expectations) compare(o outcome, short bool) error {
	var wrong []string
	for check, told := range o.failed {
		if e[check] == "" {
			wrong = append(wrong, fmt.Sprintf("fails: %s | %.200s", check, strings.ReplaceAll(told, "\n", " ")))
		}
	}
	for check := range e {
		fields := strings.Fields(check)
		if _, fails := o.failed[check]; !fails && (!short || fields[1] == "server") {
			wrong = append(wrong, "expected to fail, and does not: "+check)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	slices.Sort(wrong)
	return errors.New("not as expected:\n" + strings.Join(wrong, "\n"))
}
