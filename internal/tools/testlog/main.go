// Testlog reads what go test -json writes and prints what go test prints without
// it. It adds the tests that were not run, with the reason they told, to the file
// that it is given:
//
//	go test -json work | testlog skipped.txt
//
// It ends with 1 if a test failed, or nothing came to be read.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// An event is one line of go test -json; see go doc test2json.
type event struct {
	Action  string
	Package string
	Test    string // empty: the package
	Output  string
	Elapsed float64 // seconds
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go test -json ... | testlog FILE")
		os.Exit(2)
	}
	skipped, ok, err := read(os.Stdin, os.Stdout)
	if err == nil {
		err = add(os.Args[1], skipped)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testlog:", err)
		ok = false
	}
	if !ok {
		os.Exit(1)
	}
}

// read prints the events and returns the tests that were skipped, a line each.
func read(in io.Reader, out io.Writer) (skipped []string, ok bool, err error) {
	texts := map[string]*strings.Builder{} // what packages and their tests print
	ended := 0
	ok = true
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Fprintln(out, lines.Text())
			continue
		}
		of := e.Package + " " + e.Test
		if texts[of] == nil {
			texts[of] = &strings.Builder{}
		}
		switch e.Action {
		case "output":
			texts[of].WriteString(e.Output)
			continue
		case "build-output":
			fmt.Fprint(out, e.Output)
			continue
		case "build-fail":
			ok = false
			continue
		case "pass", "fail", "skip":
		default:
			continue
		}
		text := texts[of].String()
		delete(texts, of)
		switch {
		case e.Action == "fail":
			ok = false
			fmt.Fprint(out, text)
		case e.Test == "":
			fmt.Fprint(out, lastLine(text))
		case e.Action == "skip":
			skipped = append(skipped, fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason(text)))
		}
		if e.Test == "" {
			ended++
		}
	}
	return skipped, ok && ended > 0, lines.Err()
}

// lastLine is what go test tells of a package that passed.
func lastLine(text string) string {
	text = strings.TrimSuffix(text, "\n")
	return text[strings.LastIndexByte(text, '\n')+1:] + "\n"
}

// reason is what a test said before it was skipped.
func reason(text string) string {
	for line := range strings.Lines(text) {
		if _, place, found := strings.Cut(line, ".go:"); found {
			_, why, _ := strings.Cut(place, ": ")
			return strings.TrimSpace(why)
		}
	}
	return "no reason told"
}

func add(file string, lines []string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	for _, l := range lines {
		if _, err := fmt.Fprintln(f, l); err != nil {
			return err
		}
	}
	return f.Close()
}
