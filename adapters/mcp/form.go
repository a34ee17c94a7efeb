package mcp

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// A form is a request as the host's user sees it.
type form struct {
	params *sdk.ElicitParams
	lists  bool       // a field can have several values; else each option of a question with several answers is a field
	labels [][]string // for each question, what its options are called in the form
	word   string     // to be typed, because the form does not show all; empty: it does
}

const (
	maxFormQuestions = 50
	maxFormOptions   = 100
	maxFormLabel     = 200
)

// formOf makes the form of a request; nil where it has none. lists tells whether a
// field can have several values: up to revision 2025-06-18 it cannot.
func formOf(req hitl.Request, lists bool) *form {
	f := &form{lists: lists}
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
			f.labels = append(f.labels, optionLabels(q))
			if f.ask(properties, i, q, titles[i]) {
				required = append(required, questionField(i))
			}
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
	schema := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	raw, err := json.Marshal(schema)
	if err != nil {
		return nil
	}
	f.params = &sdk.ElicitParams{Mode: "form", Message: message, RequestedSchema: json.RawMessage(raw)}
	return f
}

// ask adds the fields of a question to a form, and tells whether it is one that has
// to be filled in.
func (f *form) ask(properties map[string]any, i int, q duvo.QuestionItem, title string) bool {
	labels := f.labels[i]
	field := map[string]any{"type": "string", "title": title}
	switch {
	case len(labels) > 0 && q.MultiSelect && !f.lists:
		for k, label := range labels {
			properties[optionField(i, k)] = map[string]any{"type": "boolean", "title": label, "description": title, "default": false}
		}
		return false
	case len(labels) > 0 && q.MultiSelect:
		field = map[string]any{"type": "array", "title": title, "minItems": 1, "items": map[string]any{"type": "string", "enum": labels}}
	case len(labels) > 0:
		field["enum"] = labels
	}
	properties[questionField(i)] = field
	return true
}

func questionField(i int) string { return fmt.Sprintf("q%02d", i+1) }

// optionField names the field of one option of a question.
func optionField(i, k int) string { return fmt.Sprintf("%s_%02d", questionField(i), k+1) }

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
		chosen, ok := f.chosen(i, q, a)
		if !ok {
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

// chosen reads what was filled in for a question; false if it was not as asked.
func (f *form) chosen(i int, q duvo.QuestionItem, a formAnswer) (chosen []string, ok bool) {
	if q.MultiSelect && len(f.labels[i]) > 0 && !f.lists {
		for k, label := range f.labels[i] {
			switch yes, isBool := a.content[optionField(i, k)].(bool); {
			case yes:
				chosen = append(chosen, label)
			case !isBool && a.content[optionField(i, k)] != nil:
				return nil, false
			}
		}
		return chosen, len(chosen) > 0
	}
	switch v := a.content[questionField(i)].(type) {
	case string:
		return []string{v}, true
	case []any:
		for _, item := range v {
			s, ok := item.(string)
			if !ok {
				return nil, false
			}
			chosen = append(chosen, s)
		}
		return chosen, true
	}
	return nil, false
}
