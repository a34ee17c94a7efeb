package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Elicit asks the user of the MCP host from which a Job was started, through a
// [Server]: an approval as a form with yes and no, questions as a form with
// their options.
//
// Nobody vouches for who fills in that form: a host may let its model do it. So
// what comes back is recorded with [duvotool.SourceUnauthenticated], which is no
// vote in a quorum, and an approval is asked for only where one of the rules
// would allow it, by AutoApprove's reading. Without rules, the host's user
// answers questions and approves nothing.
//
// Everything else is the fallback's: a request that no rule allows, a host that
// has no elicitation, a user who declines or closes the form, a form that is not
// filled in as asked, and a Job that no MCP host started. After the user has
// declined, only a person whom the fallback asks can still approve. A nil
// fallback denies.
//
// It waits as long as the request does; bound it with policy.Timeout.
func Elicit(fallback duvotool.Policy, allowed ...duvotool.Rule) duvotool.Policy {
	if fallback == nil {
		fallback = duvotool.AlwaysDeny()
	}
	e := elicit{fallback: fallback}
	if len(allowed) > 0 {
		e.allowed = duvotool.AutoApprove(allowed...)
	}
	return e
}

type elicit struct {
	fallback duvotool.Policy
	allowed  duvotool.Policy // nil: nothing
}

func (elicit) String() string { return "Elicit" }

func (e elicit) Validate() error {
	for _, p := range []duvotool.Policy{e.fallback, e.allowed} {
		if v, ok := p.(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				return fmt.Errorf("Elicit: %w", err)
			}
		}
	}
	return nil
}

// CheckNames asks the rules and the fallback.
func (e elicit) CheckNames(n duvotool.Names) error {
	var errs []error
	for _, p := range []duvotool.Policy{e.allowed, e.fallback} {
		if err := duvotool.CheckNames(p, n); err != nil {
			errs = append(errs, fmt.Errorf("Elicit: %w", err))
		}
	}
	return errors.Join(errs...)
}

func (e elicit) Decide(ctx context.Context, req duvotool.Request) (duvotool.Decision, error) {
	t, _ := ctx.Value(threadKey{}).(*thread)
	form := formOf(req)
	switch {
	case t == nil || form == nil:
		return e.instead(ctx, req, formAnswer{})
	case req.Kind == duvo.Approval && e.allowed == nil:
		return e.instead(ctx, req, formAnswer{})
	case req.Kind == duvo.Approval:
		d, err := e.allowed.Decide(ctx, req)
		switch {
		case err != nil || d.Verdict == duvotool.Denied:
			return d.Via("Elicit(rules)"), err
		case d.Verdict != duvotool.Approved:
			return e.instead(ctx, req, formAnswer{})
		}
	}
	for {
		a := &ask{ctx: ctx, req: req, form: form, reply: make(chan formAnswer, 1)}
		select {
		case t.asks <- a:
		case <-ctx.Done():
			return duvotool.Decision{}, context.Cause(ctx)
		}
		select {
		case answer := <-a.reply:
			switch {
			case ctx.Err() != nil:
				return duvotool.Decision{}, context.Cause(ctx)
			case answer.action == hostLeft:
				continue // that is no answer: the next call about the Job asks again
			}
			return e.take(ctx, req, form, answer)
		case <-ctx.Done():
			return duvotool.Decision{}, context.Cause(ctx)
		}
	}
}

// Vetoes asks the rules and the fallback.
func (e elicit) Vetoes(req duvotool.Request) bool {
	return e.allowed != nil && duvotool.Vetoes(e.allowed, req) || duvotool.Vetoes(e.fallback, req)
}

// take turns what the host answered into a decision.
func (e elicit) take(ctx context.Context, req duvotool.Request, f *form, a formAnswer) (duvotool.Decision, error) {
	if a.action != "accept" {
		return e.instead(ctx, req, a)
	}
	d, ok := f.decision(req, a)
	if !ok || d.Check(req) != nil {
		return e.instead(ctx, req, formAnswer{})
	}
	d.Source = duvotool.SourceUnauthenticated
	return d.Via("Elicit"), nil
}

// instead asks the fallback.
func (e elicit) instead(ctx context.Context, req duvotool.Request, a formAnswer) (duvotool.Decision, error) {
	d, err := e.fallback.Decide(ctx, req)
	if d.Path == "" {
		if s, ok := e.fallback.(fmt.Stringer); ok {
			d.Path = s.String()
		}
	}
	if err == nil && a.action == "decline" && d.Verdict == duvotool.Approved && d.Source != duvotool.SourcePerson {
		d = duvotool.Deny(a.by, "the user of the MCP host declined to answer")
		d.Source = duvotool.SourceUnauthenticated
	}
	return d.Via("Elicit(fallback)"), err
}

// A formAnswer is what became of a form. Its zero value: nobody was asked.
type formAnswer struct {
	action  string // accept, decline or cancel, or hostLeft
	content map[string]any
	by      string // who says so, as far as is known
}

// A form is a request as the host's user sees it.
type form struct {
	params *sdk.ElicitParams
	labels [][]string // for each question, what its options are called in the form
}

// hostLeft is the action of a host that ended its call while the form was open.
const hostLeft = "left"

const (
	maxFormQuestions = 50
	maxFormOptions   = 100
	maxFormLabel     = 200
)

// formOf makes the form of a request; nil where it has none.
func formOf(req duvotool.Request) *form {
	f := &form{}
	properties := map[string]any{}
	var required []string
	switch {
	case req.Kind == duvo.Approval:
		properties["approve"] = map[string]any{"type": "boolean", "title": "Approve", "description": "Yes approves what the Job asks for; no denies it."}
		properties["reason"] = map[string]any{"type": "string", "title": "Reason", "description": "Why; it is kept with the decision. It may be empty."}
		required = []string{"approve"}
	case req.Kind == duvo.Question && len(req.Questions) > 0 && len(req.Questions) <= maxFormQuestions:
		for i, q := range req.Questions {
			if len(q.Options) > maxFormOptions {
				return nil
			}
			labels := optionLabels(q)
			f.labels = append(f.labels, labels)
			p := map[string]any{"type": "string", "title": duvotool.SafeLine(q.Question, maxFormLabel)}
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
	raw, err := json.Marshal(map[string]any{"type": "object", "properties": properties, "required": required})
	if err != nil {
		return nil
	}
	f.params = &sdk.ElicitParams{Mode: "form", Message: "A Duvo Job waits for a person.\n" + req.String(), RequestedSchema: json.RawMessage(raw)}
	return f
}

func questionField(i int) string { return fmt.Sprintf("q%02d", i+1) }

// optionLabels are the options' labels, safe to show and different from each
// other.
func optionLabels(q duvo.QuestionItem) []string {
	var out []string
	for i, c := range q.Options {
		label := duvotool.SafeLine(c.Label, maxFormLabel)
		if label == "" || slices.Contains(out, label) {
			label = fmt.Sprintf("%s (%d)", label, i+1)
		}
		out = append(out, label)
	}
	return out
}

const maxReason = 1000

// decision reads a form that was filled in; false if it was not as asked.
func (f *form) decision(req duvotool.Request, a formAnswer) (duvotool.Decision, bool) {
	if req.Kind == duvo.Approval {
		reason, _ := a.content["reason"].(string)
		reason = duvotool.SafeLine(reason, maxReason)
		switch approve, ok := a.content["approve"].(bool); {
		case !ok:
			return duvotool.Decision{}, false
		case approve:
			return duvotool.Approve(a.by, reason), true
		default:
			return duvotool.Deny(a.by, reason), true
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
					return duvotool.Decision{}, false
				}
				chosen = append(chosen, s)
			}
		default:
			return duvotool.Decision{}, false
		}
		for k, label := range chosen {
			if len(f.labels[i]) == 0 {
				continue // free text
			}
			n := slices.Index(f.labels[i], label)
			if n < 0 || slices.Contains(chosen[:k], q.Options[n].Label) {
				return duvotool.Decision{}, false
			}
			chosen[k] = q.Options[n].Label
		}
		if len(chosen) != 1 && !q.MultiSelect {
			return duvotool.Decision{}, false
		}
		answers[q.Question] = duvotool.JoinChoices(chosen...)
	}
	return duvotool.Answer(a.by, answers), true
}

// whoAnswers names the host's user, as far as is known.
func whoAnswers(req *sdk.CallToolRequest) string {
	name := "an MCP host"
	if info := req.ClientInfo(); info != nil && strings.TrimSpace(info.Name) != "" {
		name = "the MCP host " + duvotool.SafeLine(info.Name, 80)
	}
	by := "a user of " + name + ", not authenticated"
	if user := userOf(req); user != "" {
		by += ", with the token of " + duvotool.SafeLine(user, 80)
	}
	return by
}

func userOf(req *sdk.CallToolRequest) string {
	if req.Extra != nil && req.Extra.TokenInfo != nil {
		return req.Extra.TokenInfo.UserID
	}
	return ""
}
