package slack

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	api "github.com/slack-go/slack"
)

const maxQuestions = 90 // of a form's blocks: 100 in all

// A slip goes through Slack with a form: what it is about, and where the message is.
type slip struct {
	target
	Channel string `json:"channel"`
	TS      string `json:"ts"`
}

// form makes the inputs of a request's questions; nil where they do not fit, whole,
// into a form of Slack's.
func form(r hitl.Request) []api.Block {
	if len(r.Questions) == 0 || len(r.Questions) > maxQuestions {
		return nil
	}
	var out []api.Block
	for i, q := range r.Questions {
		label := fmt.Sprintf("%d. %s", i+1, hitl.SafeLine(q.Question, 0))
		if q.Header != "" {
			label += " (" + hitl.SafeLine(q.Header, 0) + ")"
		}
		input := inputOf(i, q)
		if input == nil || units(label) > maxLabel {
			return nil
		}
		out = append(out, api.NewInputBlock(blockOf(i), plain(label), nil, input))
	}
	return out
}

func blockOf(i int) string  { return "question-" + strconv.Itoa(i) }
func actionOf(i int) string { return "answer-" + strconv.Itoa(i) }

func inputOf(i int, q duvo.QuestionItem) api.BlockElement {
	if len(q.Options) == 0 {
		e := api.NewPlainTextInputBlockElement(nil, actionOf(i))
		e.Multiline, e.MaxLength = true, maxTyped
		return e
	}
	if len(q.Options) > maxOptions {
		return nil
	}
	var options []*api.OptionBlockObject
	for j, c := range q.Options {
		label := hitl.SafeLine(c.Label, 0)
		if strings.TrimSpace(label) == "" || units(label) > maxOption {
			return nil
		}
		options = append(options, api.NewOptionBlockObject(strconv.Itoa(j), plain(label), nil))
	}
	if q.MultiSelect {
		return api.NewOptionsMultiSelectBlockElement(api.MultiOptTypeStatic, nil, actionOf(i), options...)
	}
	return api.NewOptionsSelectBlockElement(api.OptTypeStatic, nil, actionOf(i), options...)
}

// answersOf reads what was filled in.
func answersOf(r hitl.Request, state *api.ViewState) map[string]string {
	out := map[string]string{}
	if state == nil {
		return out
	}
	for i, q := range r.Questions {
		given := state.Values[blockOf(i)][actionOf(i)]
		switch {
		case len(q.Options) == 0:
			out[q.Question] = given.Value
		case q.MultiSelect:
			var labels []string
			for _, o := range given.SelectedOptions {
				labels = append(labels, labelOf(q, o.Value))
			}
			out[q.Question] = hitl.JoinChoices(labels...)
		default:
			out[q.Question] = labelOf(q, given.SelectedOption.Value)
		}
	}
	return out
}

func labelOf(q duvo.QuestionItem, value string) string {
	j, err := strconv.Atoi(value)
	if err != nil || j < 0 || j >= len(q.Options) {
		return ""
	}
	return q.Options[j].Label
}

// view makes a form; nil where it does not fit.
func view(kind string, p *Post) *api.ModalViewRequest {
	raw, err := json.Marshal(slip{targetOf(p.Request), p.Channel, p.TS})
	if err != nil || len(raw) > 2900 {
		return nil
	}
	v := &api.ModalViewRequest{Type: api.VTModal, CallbackID: kind, PrivateMetadata: string(raw), Close: plain("Cancel")}
	about := page{}
	about.sections(hitl.SafeLine(p.Request.Title, 1000) + " ")
	switch kind {
	case viewAnswer:
		inputs := form(p.Request)
		if inputs == nil {
			return nil
		}
		v.Title, v.Submit = plain("Answer"), plain("Send the answer")
		v.Blocks.BlockSet = append(about.blocks, inputs...)
	case viewDeny:
		reason := api.NewPlainTextInputBlockElement(nil, "reason")
		reason.Multiline, reason.MaxLength = true, maxReason
		input := api.NewInputBlock("reason", plain("Reason"), plain("The agent reads it."), reason).WithOptional(true)
		v.Title, v.Submit = plain("Deny"), plain("Deny")
		v.Blocks.BlockSet = append(about.blocks, input)
	}
	return v
}

// told is a form in which somebody is told what came of it.
func told(text, desk string) *api.ModalViewRequest {
	blocks := []api.Block{note(text)}
	if b := link(desk); b != nil {
		blocks = append(blocks, api.NewActionBlock("", b))
	}
	return &api.ModalViewRequest{Type: api.VTModal, Title: plain("Decision"), Close: plain("Close"), Blocks: api.Blocks{BlockSet: blocks}}
}
