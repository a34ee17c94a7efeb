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
	lines := []string{req.Title, req.Assignment.Name, req.Assignment.ID, req.BuildID, req.JobID}
	for i, q := range req.Questions {
		lines = append(lines, q.Question)
		for j, o := range q.Options {
			lines = append(lines, o.Label, o.Description)
			if hitl.SafeLine(o.Label, maxFormLabel) != hitl.SafeLine(o.Label, 0) || i >= len(labels) || j >= len(labels[i]) {
				return false
			}
		}
	}
	message = flush(message)
	for _, line := range lines {
		if !strings.Contains(message, hitl.SafeLine(line, 0)) {
			return false
		}
	}
	for _, text := range []string{req.Description, req.Input, req.FollowUp} {
		if !strings.Contains(message, flush(hitl.SafeText(text, 0))) {
			return false
		}
	}
	return true
}

// flush takes indents away.
func flush(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimLeft(lines[i], " |\t")
	}
	return strings.Join(lines, "\n")
}
