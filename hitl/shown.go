package hitl

import (
	"fmt"
	"strings"
)

// A Text is one of the texts of a request, whole and safe to print.
type Text struct{ Name, Text string }

// Texts are all that a request says, whole and with their names: for a reader who
// was shown a part. Empty ones are among them.
func (r Request) Texts() []Text {
	out := []Text{{"Title", SafeLine(r.Title, 0)}, {"Description", SafeText(r.Description, 0)}}
	for i, q := range r.Questions {
		name := fmt.Sprintf("Question %d", i+1)
		out = append(out, Text{name, SafeLine(q.Question, 0)}, Text{name + ", its header", SafeLine(q.Header, 0)})
		for j, o := range q.Options {
			name := fmt.Sprintf("Option %d of question %d", j+1, i+1)
			out = append(out, Text{name, SafeLine(o.Label, 0)}, Text{name + ", its description", SafeLine(o.Description, 0)})
		}
	}
	return append(out,
		Text{"Assignment", SafeLine(r.Assignment.Name, 0)},
		Text{"Assignment's ID", SafeLine(r.Assignment.ID, 0)},
		Text{"Build", SafeLine(r.BuildID, 0)},
		Text{"Job", SafeLine(r.JobID, 0)},
		Text{"The Job was started with", SafeText(r.Input, 0)},
		Text{"Added since, in the model's own words", SafeText(r.FollowUp, 0)})
}

// ShownWhole reports whether each of the request's texts stands whole in what is
// shown of it, as [Request.String] or otherwise, indented or not. Approving what
// was cut should take more than a plain yes.
func (r Request) ShownWhole(shown string) bool {
	shown = withoutIndents(shown)
	for _, t := range r.Texts() {
		if !strings.Contains(shown, withoutIndents(t.Text)) {
			return false
		}
	}
	return true
}

func withoutIndents(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimLeft(lines[i], " |\t")
	}
	return strings.Join(lines, "\n")
}
