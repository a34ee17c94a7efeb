// Package errtext keeps the words of errors readable that were wrapped more than
// once.
package errtext

import (
	"fmt"
	"strings"
)

// prefixes are what the packages of this repository begin their errors with.
var prefixes = []string{"duvotool: ", "duvo: ", "duvotest: ", "mcp: ", "langchaingo: ", "bolt: ", "postgres: "}

// Errorf is fmt.Errorf, with the text as [Once] has it.
func Errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if text := Once(err.Error()); text != err.Error() {
		return &worded{text, err}
	}
	return err
}

// Once leaves out a package's prefix wherever it is repeated: "duvo: a: duvo: b"
// is "duvo: a: b".
func Once(text string) string {
	for _, p := range prefixes {
		if strings.Count(text, p) < 2 {
			continue
		}
		first := strings.Index(text, p) + len(p)
		rest := text[first:]
		for strings.HasPrefix(rest, p) {
			rest = rest[len(p):]
		}
		for _, before := range []string{": ", "; ", " (", "\n"} {
			rest = strings.ReplaceAll(rest, before+p, before)
		}
		text = text[:first] + rest
	}
	return text
}

// A worded error has another text.
type worded struct {
	text string
	err  error
}

func (e *worded) Error() string { return e.text }
func (e *worded) Unwrap() error { return e.err }
