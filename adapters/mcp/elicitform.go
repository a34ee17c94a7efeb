package mcp

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// A formAnswer is what became of a form.
type formAnswer struct {
	content  map[string]any // of one that was filled in
	by       string         // who says so, as far as is known
	why      string         // there is no answer; empty: there is one
	declined bool           // because the user did not want to
	left     bool           // the host ended its call while the form was open: it is to be shown again
}

// filledIn reads what a host says became of a form.
func filledIn(req *sdk.CallToolRequest, res *sdk.ElicitResult) formAnswer {
	switch res.Action {
	case "accept":
		return formAnswer{content: res.Content, by: whoAnswers(req)}
	case "decline":
		return formAnswer{why: declined, declined: true}
	case "cancel":
		return formAnswer{why: closedForm}
	}
	return formAnswer{why: noAnswer}
}

// A form is a request as the host's user sees it.
type form struct {
	params *sdk.ElicitParams
	labels [][]string // for each question, what its options are called in the form
	word   string     // to be typed, because the form does not show all; empty: it does
}

// formOf makes the form of a request; nil where it has none.
func formOf(req hitl.Request) *form {
	f := &form{}
	properties := map[string]any{}
	var required []string
	switch {
	case req.Kind == duvo.Approval:
		properties["approve"] = map[string]any{"type": "boolean", "title": "Approve", "description": "Yes approves what the Job asks for; no denies it."}
		properties["reason"] = map[string]any{"type": "string", "title": "Reason", "description": "Why; it is kept with the decision. It may be empty."}
		required = []string{"approve"}
	case req.Kind == duvo.Question && len(req.Questions) > 0 && len(req.Questions) <= maxFormQuestions:
		if req.CheckAnswerable() != nil {
			return nil
		}
		titles := make([]string, len(req.Questions))
		for i, q := range req.Questions {
			titles[i] = hitl.SafeLine(q.Question, maxFormLabel)
		}
		titles = apart(titles)
		for i, q := range req.Questions {
			if len(q.Options) > maxFormOptions {
				return nil
			}
			labels := optionLabels(q)
			f.labels = append(f.labels, labels)
			p := map[string]any{"type": "string", "title": titles[i]}
			switch {
			case len(labels) > 0 && q.MultiSelect:
				p = map[string]any{"type": "array", "title": p["title"], "minItems": 1, "items": map[string]any{"type": "string", "enum": labels}}
			case len(labels) > 0:
				p["enum"] = labels
			}
			properties[questionField(i)] = p
			required = append(required, questionField(i))
		}
	default:
		return nil
	}
	message := "A Duvo Job waits for a person.\n" + req.String()
	if !showsAll(message, f.labels, req) {
		f.word = req.Digest()[:8]
		how := fmt.Sprintf("This form does not show all of the text. Read the whole in Duvo, Job %s; then type %s here.", hitl.SafeLine(req.JobID, 64), f.word)
		message += "\n" + how
		properties[wholeField] = map[string]any{"type": "string", "title": "I have read all of it", "description": how}
		if req.Kind == duvo.Question {
			required = append(required, wholeField)
		}
	}
	raw, err := json.Marshal(map[string]any{"type": "object", "properties": properties, "required": required})
	if err != nil {
		return nil
	}
	f.params = &sdk.ElicitParams{Mode: "form", Message: message, RequestedSchema: json.RawMessage(raw)}
	return f
}

func questionField(i int) string { return fmt.Sprintf("q%02d", i+1) }

// optionLabels are the options' labels, safe to show and different from each
// other.
func optionLabels(q duvo.QuestionItem) []string {
	var out []string
	for _, c := range q.Options {
		out = append(out, hitl.SafeLine(c.Label, maxFormLabel))
	}
	return apart(out)
}

// apart numbers texts of which one is empty, or two are the same once they are made
// safe to show: all of them, so that none looks like another with its number.
func apart(texts []string) []string {
	seen := map[string]bool{"": true}
	same := false
	for _, t := range texts {
		same = same || seen[t]
		seen[t] = true
	}
	if !same {
		return texts
	}
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = fmt.Sprintf("[%d] %s", i+1, t)
	}
	return out
}

const maxReason = 1000

// decision reads a form that was filled in; false if it was not as asked.
func (f *form) decision(req hitl.Request, a formAnswer) (hitl.Decision, bool) {
	if req.Kind == duvo.Approval {
		reason, _ := a.content["reason"].(string)
		reason = hitl.SafeLine(reason, maxReason)
		switch approve, ok := a.content["approve"].(bool); {
		case !ok:
			return hitl.Decision{}, false
		case approve:
			return hitl.Approve(a.by, reason), true
		default:
			return hitl.Deny(a.by, reason), true
		}
	}
	answers := map[string]string{}
	for i, q := range req.Questions {
		var chosen []string
		switch v := a.content[questionField(i)].(type) {
		case string:
			chosen = []string{v}
		case []any:
			for _, item := range v {
				s, ok := item.(string)
				if !ok {
					return hitl.Decision{}, false
				}
				chosen = append(chosen, s)
			}
		default:
			return hitl.Decision{}, false
		}
		for k, label := range chosen {
			if len(f.labels[i]) == 0 {
				continue // free text
			}
			n := slices.Index(f.labels[i], label)
			if n < 0 || slices.Contains(chosen[:k], q.Options[n].Label) {
				return hitl.Decision{}, false
			}
			chosen[k] = q.Options[n].Label
		}
		if len(chosen) != 1 && !q.MultiSelect {
			return hitl.Decision{}, false
		}
		answers[q.Question] = hitl.JoinChoices(chosen...)
	}
	return hitl.Answer(a.by, answers), true
}
