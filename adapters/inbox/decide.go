package inbox

import (
	"context"
	"errors"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// An order is what a person wants to be done about one request.
type order struct {
	Ref     string            `json:"ref"`
	Display string            `json:"display"`           // that came with the request
	Verdict string            `json:"verdict"`           // approve, deny, answer or leave
	Reason  string            `json:"reason,omitempty"`  // of a denial the agent reads it
	Answers map[string]string `json:"answers,omitempty"` // from each question's text to its answer
	Proof   *given            `json:"proof,omitempty"`   // where the policy demands one
}

// An ending is what came of an order.
type ending string

// The endings. A failure says first whether something was sent.
const (
	sent      ending = "sent"      // the decision counts
	unknown   ending = "unknown"   // the decision was taken; whether it reached Duvo is not known yet
	unsent    ending = "unsent"    // nothing was sent, because of another order that came with it
	stale     ending = "stale"     // nothing was sent: the text changed since it was shown
	elsewhere ending = "elsewhere" // nothing was sent: somebody else has decided
	gone      ending = "gone"      // nothing was sent: it waits no more
	forbidden ending = "forbidden" // nothing was sent: this person may not decide it
	unread    ending = "unread"    // nothing was sent: it was not shown, or not whole
	invalid   ending = "invalid"   // nothing was sent: the order fits no request like this
	held      ending = "held"      // nothing was sent: somebody holds all approvals
	unproved  ending = "unproved"  // nothing was sent: the proof that it takes is missing, or not good
	failed    ending = "failed"    // nothing was sent: Duvo or the registry refused
)

// An answer tells what came of an order.
type answer struct {
	Ending ending              `json:"ending"`
	Text   string              `json:"text"`         // for a person
	By     string              `json:"by,omitempty"` // who has decided, where it was somebody else
	item   *item               // as it waits now; nil: it does not
	seen   string              // the digest of what the person was shown
	took   hitl.Decision       // what was taken
	entry  *hitl.DecisionEntry // of somebody else
}

// checked is an order that may be carried out.
type checked struct {
	order
	item     *item
	decision hitl.Decision
}

const maxReason = 2000 // characters

// check tells why an order cannot be carried out; an ending of sent: it can be. It
// decides nothing, and takes the proof that comes with the order.
func (d *Desk) check(ctx context.Context, p Person, w *waiting, o order) (checked, answer) {
	c, a := d.fits(ctx, p, w, o)
	if a.Ending != sent {
		return c, a
	}
	no := func(e ending, text string) (checked, answer) {
		return checked{}, answer{Ending: e, Text: text, item: c.item, seen: c.item.digest}
	}
	if o.Proof != nil {
		if problem := d.prove(ctx, p, c.item, &c.decision, o.Proof); problem != "" {
			return no(unproved, problem)
		}
	}
	if e, text := against(ctx, c.item, c.decision); e != sent {
		return no(e, text)
	}
	return c, a
}

// fits is check without what a policy has against the decision.
func (d *Desk) fits(ctx context.Context, p Person, w *waiting, o order) (checked, answer) {
	i := w.find(ctx, d, p, o.Ref)
	if i == nil {
		return checked{}, d.absent(o.Ref)
	}
	shown, ok := d.shown(p, o.Ref, o.Display)
	no := func(e ending, text string) (checked, answer) {
		return checked{}, answer{Ending: e, Text: text, item: i, seen: shown.Digest}
	}
	switch {
	case i.access != Decide && d.own(p, i.req):
		return no(forbidden, words["notOwn"])
	case i.access != Decide:
		return no(forbidden, words["notYours"])
	case !ok:
		return no(unread, words["notShown"])
	case shown.Digest != i.digest:
		return no(stale, words["changed"])
	case o.Verdict != "deny" && o.Verdict != "leave" && !shown.Whole:
		return no(unread, words["notWhole"])
	case len([]rune(o.Reason)) > maxReason:
		return no(invalid, words["longReason"])
	}
	decision, ok := decisionOf(p, i.req, o)
	if !ok {
		return no(invalid, words["noVerdict"])
	}
	if err := decision.Check(i.req); err != nil {
		return no(invalid, hitl.SafeLine(err.Error(), 500))
	}
	return checked{o, i, decision}, answer{Ending: sent}
}

// decisionOf makes a decision of an order; false where it is none.
func decisionOf(p Person, r hitl.Request, o order) (hitl.Decision, bool) {
	var d hitl.Decision
	switch {
	case o.Verdict == "approve" && r.Kind == duvo.Approval:
		d = hitl.Approve(p.Login, o.Reason)
	case o.Verdict == "deny" && r.Kind == duvo.Approval:
		d = hitl.Deny(p.Login, o.Reason)
	case o.Verdict == "answer" && r.Kind == duvo.Question:
		d = hitl.Answer(p.Login, o.Answers)
		d.Reason = o.Reason
	case o.Verdict == "leave":
		d = hitl.Leave()
		d.By, d.Reason = p.Login, o.Reason
	default:
		return d, false
	}
	d.Source = hitl.SourcePerson
	return d.Via("Desk"), true
}

// decideFor bounds how long a person waits for a decision to reach Duvo.
const decideFor = 30 * time.Second

// take carries out an order that was checked.
func (d *Desk) take(ctx context.Context, c checked) answer {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), decideFor) // closing the page takes nothing back
	defer cancel()
	end := d.memory.begin(c.item.ref)
	defer end()
	err := c.item.reg.Decide(ctx, c.item.req, c.decision)
	d.queue.stale()
	d.live.wake()
	a := answer{item: c.item, seen: c.item.digest, took: c.decision}
	var before *outcome.DecidedError
	e, text, refused := refusal(err)
	switch {
	case err == nil:
		a.Ending, a.Text = sent, words["sent"]
	case errors.As(err, &before):
		a.Ending, a.By, a.entry = elsewhere, before.Entry.By, &before.Entry
		a.Text = say("elsewhere", before.Entry.Summary())
		d.memory.keepDecided(c.item.ref, decided{req: c.item.req, decision: before.Entry.Decision, at: before.Entry.DecidedAt})
		return a
	case errors.Is(err, hitl.ErrRequestChanged):
		a.Ending, a.Text = stale, words["changed"]
		a.item = d.queue.now().byRef[c.item.ref]
		return a
	case errors.Is(err, outcome.ErrNotPending):
		end()
		was := d.absent(c.item.ref)
		a.Ending, a.Text, a.By = was.Ending, was.Text, was.By
		return a
	case refused:
		a.Ending, a.Text = e, text
		return a
	case errors.Is(err, outcome.ErrClosed), errors.Is(err, hitl.ErrInvalidDecision):
		a.Ending, a.Text = failed, say("failed", hitl.SafeLine(err.Error(), 300))
		return a
	default:
		d.cfg.Log.Warn("inbox: a decision may not have reached Duvo", "request", c.item.req.ID, "job", c.item.req.JobID, "error", hitl.SafeLine(err.Error(), 500))
		a.Ending, a.Text = unknown, say("unknown", hitl.SafeLine(err.Error(), 300))
	}
	open := ""
	if a.Ending == unknown {
		open = a.Text
	}
	d.memory.keepDecided(c.item.ref, decided{req: c.item.req, decision: c.decision, at: time.Now(), open: open})
	return a
}

// absent tells of a request that does not wait, or that the person may not see.
func (d *Desk) absent(ref string) answer {
	d.memory.awaitTaken(ref)
	if was, ok := d.memory.decidedAs(ref); ok {
		return answer{Ending: elsewhere, By: was.decision.By, Text: say("elsewhere", was.decision.Summary())}
	}
	return answer{Ending: gone, Text: words["gone"]}
}

// decideAll carries out several orders: all of them are checked before the first is
// taken, and if one cannot be, none is. What happens after that is told of each.
func (d *Desk) decideAll(ctx context.Context, p Person, orders []order) (answers []answer, all bool) {
	d.queue.stale()
	w := d.queue.now()
	var ready []checked
	seen := map[string]bool{}
	for _, o := range orders {
		c, a := d.check(ctx, p, w, o)
		if seen[o.Ref] {
			a = answer{Ending: invalid, Text: words["twice"]}
		}
		seen[o.Ref] = true
		if a.Ending == sent {
			ready = append(ready, c)
		}
		answers = append(answers, a)
	}
	if len(ready) < len(orders) {
		return answers, false
	}
	for k, c := range ready {
		answers[k] = d.take(ctx, c)
	}
	return answers, true
}
