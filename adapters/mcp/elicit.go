package mcp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Elicit asks the user of the MCP host from which a Job was started, through a
// [Server]: an approval as a form with yes and no, questions as a form with
// their options.
//
// Nobody vouches for who fills in that form: a host may let its model do it. So
// what comes back is recorded with [hitl.SourceUnauthenticated], which is no
// vote in a quorum, and an approval is asked for only where one of the rules
// would allow it, by AutoApprove's reading. Without rules, the host's user
// answers questions and approves nothing.
//
// Everything else is the fallback's: a request that no rule allows, and one about
// which nobody answered, because the host has no elicitation, its user declined or
// closed the form, it was not filled in as asked, or no MCP host started the Job.
// Where nobody answered and the fallback has no opinion, as [hitl.AlwaysDeny]
// has none here, the decision is [hitl.Nobody] with the reason. After the user
// has declined, only a person whom the fallback asks can still approve. A nil
// fallback has no opinion, and denies what no rule allows.
//
// A form that cannot show all of a long text takes more than a yes: a word that
// the form names has to be typed, once the whole has been read in Duvo.
//
// It waits as long as the request does; bound it with hitl.Timeout.
func Elicit(fallback hitl.Policy, allowed ...hitl.Rule) hitl.Policy {
	if fallback == nil {
		fallback = noOpinion
	}
	e := elicit{fallback: fallback}
	if len(allowed) > 0 {
		e.allowed = hitl.AutoApprove(allowed...)
	}
	return e
}

// noOpinion, as a fallback, only stands for there being none.
var noOpinion = hitl.AlwaysDeny()

type elicit struct {
	fallback hitl.Policy
	allowed  hitl.Policy // nil: nothing
	desk     *Desk       // nil: none
}

func (elicit) String() string { return "Elicit" }

func (e elicit) Validate() error {
	for _, p := range []hitl.Policy{e.fallback, e.allowed} {
		if v, ok := p.(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				return fmt.Errorf("Elicit: %w", err)
			}
		}
	}
	return nil
}

// CheckNames asks the rules and the fallback.
func (e elicit) CheckNames(n hitl.Names) error {
	var errs []error
	for _, p := range []hitl.Policy{e.allowed, e.fallback} {
		if err := hitl.CheckNames(p, n); err != nil {
			errs = append(errs, fmt.Errorf("Elicit: %w", err))
		}
	}
	return errors.Join(errs...)
}

func (e elicit) Decide(ctx context.Context, req hitl.Request) (hitl.Decision, error) {
	if i, d, err := hitl.Veto(ctx, req, e.held()...); i >= 0 {
		if e.allowed != nil && i == 0 {
			return d.Via("Elicit(rules)"), err
		}
		return d.Via("Elicit(fallback)"), err
	}
	var asks chan *ask
	if t, _ := ctx.Value(threadKey{}).(*thread); t != nil {
		asks = t.asks
	} else {
		asks = e.desk.of(req.Caller.User)
	}
	if req.Kind == duvo.Approval {
		if e.allowed == nil {
			return e.unallowed(ctx, req)
		}
		d, err := e.allowed.Decide(ctx, req)
		switch {
		case err != nil || d.Verdict == hitl.Denied:
			return d.Via("Elicit(rules)"), err
		case d.Verdict != hitl.Approved:
			return e.unallowed(ctx, req)
		}
	}
	switch {
	case asks == nil:
		return e.instead(ctx, req, formAnswer{why: noHost})
	case formOf(req, true) == nil:
		why := noForm
		if err := req.CheckAnswerable(); err != nil {
			why = "no answer fits: " + hitl.SafeLine(err.Error(), 500)
		}
		return e.instead(ctx, req, formAnswer{why: why})
	}
	for {
		a := &ask{ctx: ctx, req: req, reply: make(chan formAnswer, 1)}
		select {
		case asks <- a:
		case <-ctx.Done():
			return hitl.Decision{}, context.Cause(ctx)
		}
		select {
		case answer := <-a.reply:
			switch {
			case ctx.Err() != nil:
				return hitl.Decision{}, context.Cause(ctx)
			case answer.left:
				continue // that is no answer: the next call about the Job asks again
			}
			if !a.take() { // its call has left, and another one's policy has it
				return hitl.Decision{}, context.Cause(ctx)
			}
			return e.take(ctx, req, a.form, answer)
		case <-ctx.Done():
			return hitl.Decision{}, context.Cause(ctx)
		}
	}
}

// Vetoes asks the rules and the fallback.
func (e elicit) Vetoes(req hitl.Request) bool {
	return slices.ContainsFunc(e.held(), func(p hitl.Policy) bool { return hitl.Vetoes(p, req) })
}

// CheckDecision asks the rules and the fallback.
func (e elicit) CheckDecision(ctx context.Context, req hitl.Request, d hitl.Decision) error {
	return hitl.CheckDecisions(ctx, req, d, e.held()...)
}

// held are the policies that it asks.
func (e elicit) held() []hitl.Policy {
	if e.allowed == nil {
		return []hitl.Policy{e.fallback}
	}
	return []hitl.Policy{e.allowed, e.fallback}
}

// take turns what the host answered into a decision.
func (e elicit) take(ctx context.Context, req hitl.Request, f *form, a formAnswer) (hitl.Decision, error) {
	if a.why != "" {
		return e.instead(ctx, req, a)
	}
	d, ok := f.decision(req, a)
	if ok && d.Verdict == hitl.Answered {
		if err := req.CheckAnswers(d.Answers); err != nil {
			return e.instead(ctx, req, formAnswer{why: notAsAsked + ": " + hitl.SafeLine(err.Error(), 500)})
		}
	}
	switch {
	case !ok || d.Check(req) != nil:
		return e.instead(ctx, req, formAnswer{why: notAsAsked})
	case d.Verdict != hitl.Denied && !f.readAll(a):
		return e.instead(ctx, req, formAnswer{why: notReadAll})
	}
	d.Source = hitl.SourceUnauthenticated
	return d.Via("Elicit"), nil
}

// unallowed is for approvals that the host's user is not asked for.
func (e elicit) unallowed(ctx context.Context, req hitl.Request) (hitl.Decision, error) {
	if e.fallback == noOpinion {
		d, err := hitl.AlwaysDeny("no rule lets the user of the MCP host approve this").Decide(ctx, req)
		return d.Via("Elicit(rules)"), err
	}
	return e.other(ctx, req)
}

// instead asks the fallback because nobody answered. What a rule of it decides is
// the rule's; where it has no opinion it stays that nobody answered.
func (e elicit) instead(ctx context.Context, req hitl.Request, a formAnswer) (hitl.Decision, error) {
	nobody := hitl.Nobody(a.why).Via("Elicit")
	if e.fallback == noOpinion {
		return nobody, nil
	}
	d, err := e.other(ctx, req)
	switch {
	case err != nil:
	case d.Verdict == hitl.Passed, d.Verdict == hitl.Denied && d.Source == hitl.SourceNobody && d.Reason == "":
		return nobody, nil
	case d.Verdict == hitl.Approved && a.declined && d.Source != hitl.SourcePerson:
		return nobody, nil
	case d.Verdict == hitl.Denied && (d.Source == "" || d.Source == hitl.SourcePolicy):
		d.Reason = strings.TrimSuffix(a.why+"; "+d.Reason, "; ")
	}
	return d, err
}

// other asks the fallback.
func (e elicit) other(ctx context.Context, req hitl.Request) (hitl.Decision, error) {
	d, err := e.fallback.Decide(ctx, req)
	if d.Path == "" {
		if s, ok := e.fallback.(fmt.Stringer); ok {
			d.Path = s.String()
		}
	}
	return d.Via("Elicit(fallback)"), err
}

// A formAnswer is what became of a form.
type formAnswer struct {
	content  map[string]any // of one that was filled in
	by       string         // who says so, as far as is known
	why      string         // there is no answer; empty: there is one
	declined bool           // because the user did not want to
	left     bool           // the host ended its call while the form was open: it is to be shown again
}

// failed reports whether the host could not ask: the next call may find one that can.
func (a formAnswer) failed() bool { return a.why == askingFailed }

// Why nobody answered, as the model and the audit are told.
const (
	noHost       = "no MCP host that could ask its user started this Job, or none is there any more"
	noForms      = "the MCP host shows no forms, so its user could not be asked"
	noForm       = "there is no form for such a request, so the user of the MCP host could not be asked"
	askingFailed = "asking the user of the MCP host failed"
	declined     = "the user of the MCP host declined to answer"
	closedForm   = "the user of the MCP host closed the form without an answer"
	noAnswer     = "the MCP host came back without an answer of its user"
	notAsAsked   = "the form came back from the MCP host and was not filled in as asked"
	notReadAll   = "the form could not show all of the text, and the word that confirms that all of it was read was not typed"
)

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

// whoAnswers names the host's user, as far as is known.
func whoAnswers(req *sdk.CallToolRequest) string {
	name := "an MCP host"
	if info := req.ClientInfo(); info != nil && strings.TrimSpace(info.Name) != "" {
		name = "the MCP host " + hitl.SafeLine(info.Name, 80)
	}
	by := "a user of " + name + ", not authenticated"
	if user := userOf(req); user != "" {
		by += ", with the token of " + hitl.SafeLine(user, 80)
	}
	return by
}

func userOf(req *sdk.CallToolRequest) string {
	if req.Extra != nil && req.Extra.TokenInfo != nil {
		return req.Extra.TokenInfo.UserID
	}
	return ""
}
