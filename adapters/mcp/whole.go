package mcp

import (
	"strings"

	"github.com/duvotool/duvotool/hitl"
)

// wholeField is the field of the word that confirms that a text was read which the
// form does not show to its end.
const wholeField = "read_all"

// readAll reports whether that word was typed, where one is asked for.
func (f *form) readAll(a formAnswer) bool {
	word, _ := a.content[wholeField].(string)
	return f.word == "" || strings.TrimSpace(word) == f.word
}

// showsAll reports whether each text of a request stands whole in the message of
// its form, and each option whole among those to choose from.
func showsAll(message string, labels [][]string, req hitl.Request) bool {
	for i, q := range req.Questions {
		for j, o := range q.Options {
			if hitl.SafeLine(o.Label, maxFormLabel) != hitl.SafeLine(o.Label, 0) || i >= len(labels) || j >= len(labels[i]) {
				return false
			}
		}
	}
	return req.ShownWhole(message)
}
