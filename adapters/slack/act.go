package slack

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	api "github.com/slack-go/slack"
)

// decideFor bounds how long a person waits for a decision to reach Duvo.
const decideFor = 30 * time.Second

// An item is a request that waits, and the registry to decide it at.
type item struct {
	reg Registry
	req hitl.Request
}

// find returns what waits of a target; else why it cannot be decided.
func (a *App) find(t target, channel, ts string) (*item, string) {
	p := a.post(t.id())
	if p != nil && (p.Channel != channel || p.TS != ts) {
		return nil, words["unknownPost"]
	}
	changed := false
	for _, reg := range a.regs() {
		for _, r := range reg.Pending() {
			if !strings.EqualFold(r.JobID, t.Job) || !strings.EqualFold(r.ID, t.Request) {
				continue
			}
			if r.Digest() != t.Digest {
				changed = true
				continue
			}
			if p == nil { // it waits, and this message is not known
				return nil, words["unknownPost"]
			}
			return &item{reg, r}, ""
		}
	}
	switch {
	case changed:
		return nil, words["changed"]
	case p != nil && p.Ending != "":
		return nil, words["elsewhere"] + p.Ending
	case a.ended.decidedAs(t.id()) != "":
		return nil, words["elsewhere"] + a.ended.decidedAs(t.id())
	case p != nil: // as after a restart, until its Job is read
		return nil, words["unread"]
	}
	return nil, words["gone"]
}

// postedFor bounds how long a click waits for Slack's answer to the post of its message:
// somebody may be faster, and a form must be opened within three seconds.
const postedFor = 2 * time.Second

// awaitPosted waits while the message of a request is being posted.
func (a *App) awaitPosted(ctx context.Context, id string) {
	for waited := time.Duration(0); waited < postedFor; waited += 20 * time.Millisecond {
		if p := a.post(id); p == nil || p.Stage != Posting {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// clicked does what a click on a button asks for.
func (a *App) clicked(ctx context.Context, c *api.InteractionCallback) {
	for _, action := range c.ActionCallback.BlockActions {
		if action.ActionID != actApprove && action.ActionID != actDeny && action.ActionID != actAnswer {
			continue
		}
		var t target
		if err := json.Unmarshal([]byte(action.Value), &t); err != nil {
			a.tell(ctx, &c.Container, c.User.ID, words["unknownPost"], "")
			continue
		}
		if why, desk := a.click(ctx, c, action.ActionID, t); why != "" {
			a.tell(ctx, &c.Container, c.User.ID, why, desk)
		}
		a.wake()
	}
}

// click does one. It returns what the person is to be told, if anything, and the
// address of the desk where that helps.
func (a *App) click(ctx context.Context, c *api.InteractionCallback, action string, t target) (why, desk string) {
	login, why := a.who(ctx, c)
	if why != "" {
		return why, ""
	}
	a.awaitPosted(ctx, t.id())
	i, why := a.find(t, c.Container.ChannelID, c.Container.MessageTs)
	if i == nil {
		return why, ""
	}
	if !a.may(ctx, login, i.req) {
		return words["notYours"], ""
	}
	desk = a.desk(i.req)
	if action != actDeny && !show(i.req, desk).whole {
		return words["notWhole"], desk
	}
	if action == actApprove {
		text, taken := a.carryOut(ctx, i, hitl.Approve(login, ""))
		if taken {
			return "", ""
		}
		return text, desk
	}
	kind := map[string]string{actDeny: viewDeny, actAnswer: viewAnswer}[action]
	v := view(kind, &Post{Request: i.req, Channel: c.Container.ChannelID, TS: c.Container.MessageTs})
	if v == nil {
		return words["formTooLarge"], desk
	}
	ctx, cancel := context.WithTimeout(ctx, callFor)
	defer cancel()
	if _, err := a.cfg.Client.OpenViewContext(ctx, c.TriggerID, *v); err != nil { // the trigger is good for three seconds, and once
		a.log.Warn("slack: a form could not be opened", "error", hitl.SafeLine(err.Error(), 300))
		return words["noForm"], desk
	}
	return "", ""
}

// submitted takes a form, and returns what is shown in its place at once. What comes
// of it is shown later.
func (a *App) submitted(c *api.InteractionCallback) (*api.ViewSubmissionResponse, bool) {
	if c.View.CallbackID != viewDeny && c.View.CallbackID != viewAnswer {
		return nil, true
	}
	var s slip
	if err := json.Unmarshal([]byte(c.View.PrivateMetadata), &s); err != nil {
		return api.NewUpdateViewSubmissionResponse(told(words["unknownPost"], "")), true
	}
	i, why := a.find(s.target, s.Channel, s.TS)
	if i == nil {
		a.wake()
		return api.NewUpdateViewSubmissionResponse(told(why, "")), true
	}
	var decide func(login string) hitl.Decision
	if c.View.CallbackID == viewAnswer {
		answers := answersOf(i.req, c.View.State)
		if err := i.req.CheckAnswers(answers); err != nil {
			return api.NewErrorsViewSubmissionResponse(map[string]string{blockOf(0): hitl.SafeLine(err.Error(), 1000)}), true
		}
		decide = func(login string) hitl.Decision { return hitl.Answer(login, answers) }
	} else {
		reason := ""
		if c.View.State != nil {
			reason = strings.TrimSpace(c.View.State.Values["reason"]["reason"].Value)
		}
		decide = func(login string) hitl.Decision { return hitl.Deny(login, reason) }
	}
	ok := a.act("a form", func(ctx context.Context) {
		text, desk := a.submit(ctx, c, i, decide)
		a.retry(ctx, "what came of a form could not be shown", func(ctx context.Context) error {
			_, err := a.cfg.Client.UpdateViewContext(ctx, *told(text, desk), "", "", c.View.ID)
			return err
		})
	})
	return api.NewUpdateViewSubmissionResponse(told(words["sending"], "")), ok
}

// submit carries out a form. It returns what the person is to be told.
func (a *App) submit(ctx context.Context, c *api.InteractionCallback, i *item, decide func(login string) hitl.Decision) (text, desk string) {
	defer a.wake()
	login, why := a.who(ctx, c)
	if why != "" {
		return why, ""
	}
	if !a.may(ctx, login, i.req) {
		return words["notYours"], ""
	}
	desk = a.desk(i.req)
	d := decide(login)
	if d.Verdict != hitl.Denied && !show(i.req, desk).whole {
		return words["notWhole"], desk
	}
	text, taken := a.carryOut(ctx, i, d)
	if taken {
		desk = ""
	}
	return text, desk
}

// carryOut has a decision taken. It returns what the person is to be told.
func (a *App) carryOut(ctx context.Context, i *item, d hitl.Decision) (text string, taken bool) {
	ctx, cancel := context.WithTimeout(ctx, decideFor)
	defer cancel()
	d.Source = hitl.SourcePerson
	d = d.Via("Slack")
	err := i.reg.Decide(ctx, i.req, d)
	id := idOf(i.req)
	var before *outcome.DecidedError
	switch {
	case err == nil:
		if i.reg != Registry(a.asks) { // else it is the registry's to take it
			a.ended.decide(id, endingOf(hitl.DecisionEntry{Decision: d, Kind: i.req.Kind}))
		}
		return words["sent"], true
	case errors.As(err, &before):
		a.ended.decide(id, endingOf(before.Entry))
		return words["elsewhere"] + endingOf(before.Entry), false
	case errors.Is(err, hitl.ErrRequestChanged):
		return words["changed"], false
	case errors.Is(err, outcome.ErrNotPending):
		return words["gone"], false
	}
	why := hitl.SafeLine(err.Error(), 500)
	a.log.Warn("slack: a decision was not taken, or it is not known whether it was", "request", i.req.ID, "job", i.req.JobID, "kind", string(i.req.Kind), "error", why)
	switch {
	case errors.Is(err, outcome.ErrClosed), errors.Is(err, hitl.ErrInvalidDecision):
		return words["failed"] + why, false
	case i.waits(): // so it was not taken: it may need more than a click
		return words["refused"] + why, false
	}
	return words["unsure"] + why, false
}

// waits reports whether it waits still, as it was.
func (i *item) waits() bool {
	digest := i.req.Digest()
	return slices.ContainsFunc(i.reg.Pending(), func(r hitl.Request) bool { return r.Digest() == digest })
}

// tell tells a person something that nobody else sees.
func (a *App) tell(ctx context.Context, in *api.Container, user, text, desk string) {
	blocks := []api.Block{note(text)}
	if b := link(desk); b != nil {
		blocks = append(blocks, api.NewActionBlock("", b))
	}
	options := quiet(summary("Decision", text), blocks)
	if in.ThreadTs != "" && in.ThreadTs != in.MessageTs { // where they look
		options = append(options, api.MsgOptionTS(in.ThreadTs))
	}
	a.retry(ctx, "somebody could not be told that "+text, func(ctx context.Context) error {
		_, err := a.cfg.Client.PostEphemeralContext(ctx, in.ChannelID, user, options...)
		return err
	})
}

// retry calls Slack until it has taken something, a few times.
func (a *App) retry(ctx context.Context, what string, f func(context.Context) error) {
	var err error
	for n := range 4 {
		one, cancel := context.WithTimeout(ctx, callFor)
		err = f(one)
		cancel()
		var limited *api.RateLimitedError
		pause := time.Second << n
		switch {
		case err == nil:
			return
		case errors.As(err, &limited):
			pause = min(max(limited.RetryAfter, time.Second), time.Minute)
		case surelyNot(err): // it would be refused again
			n = 4
		}
		if n == 4 {
			break
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
	a.log.Warn("slack: "+what, "error", hitl.SafeLine(err.Error(), 300))
}
