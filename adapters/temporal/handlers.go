package temporal

import (
	"errors"
	"slices"

	"github.com/duvotool/duvotool/internal/lifecycle"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// handle sets the handlers of the workflow.
func (o *operation) handle() error {
	return errors.Join(
		workflow.SetQueryHandler(o.ctx, viewQuery, func() (view, error) { return o.view(), nil }),
		workflow.SetUpdateHandler(o.ctx, callUpdate, o.call),
		workflow.SetUpdateHandler(o.ctx, leaveUpdate, o.leave),
		workflow.SetUpdateHandler(o.ctx, budgetUpdate, o.budget),
		workflow.SetUpdateHandlerWithOptions(o.ctx, decideUpdate, o.decide, workflow.UpdateHandlerOptions{Validator: o.decidable}),
		workflow.SetUpdateHandler(o.ctx, stopUpdate, o.stop),
		workflow.SetUpdateHandler(o.ctx, reconcileUpdate, o.reconcile),
	)
}

func (o *operation) caller(id string) *caller {
	if i := slices.IndexFunc(o.callers, func(c *caller) bool { return c.ID == id }); i >= 0 {
		return o.callers[i]
	}
	return nil
}

func (o *operation) forget(c *caller) {
	o.callers = slices.DeleteFunc(o.callers, func(other *caller) bool { return other == c })
}

// call waits for what the operation comes to, as far as its caller is told. A caller
// that comes back finds its answer, or waits on.
func (o *operation) call(ctx workflow.Context, in call) (answer, error) {
	if o.again {
		return answer{Kind: answerAgain}, nil
	}
	c := o.caller(in.ID)
	if slices.Contains(o.gone, in.ID) {
		return answer{Kind: answerLeft}, nil
	}
	if c == nil {
		o.last++
		c = &caller{ID: in.ID, Number: o.last}
		o.callers = append(o.callers, c)
		order := in.Order
		if order == nil {
			order = o.s.Record.Order
		}
		o.feed(lifecycle.Called{Caller: c.Number, Order: order})
	}
	if err := workflow.Await(ctx, func() bool { return c.Answer != nil || o.again }); err != nil {
		return answer{}, err
	}
	if c.Answer == nil {
		return answer{Kind: answerAgain}, nil
	}
	o.forget(c)
	return *c.Answer, nil
}

// leave takes out a caller whose context has ended. From now on nothing is begun for it.
func (o *operation) leave(_ workflow.Context, in call) (view, error) {
	if c := o.caller(in.ID); c != nil && c.Answer == nil {
		c.Answer = &answer{Kind: answerLeft}
		o.feed(lifecycle.Left{Caller: c.Number})
		o.forget(c)
	} else if c == nil {
		o.gone = append(o.gone[max(0, len(o.gone)-99):], in.ID) // its call may be on its way yet
	}
	return o.view(), nil
}

// budget answers a caller that has waited long enough with what is known.
func (o *operation) budget(_ workflow.Context, in call) error {
	if c := o.caller(in.ID); c != nil && c.Answer == nil {
		o.feed(lifecycle.BudgetOver{Caller: c.Number})
	}
	return nil
}

// The types of the errors with which a decision is refused.
const (
	notPendingError = "not pending"
	changedError    = "changed"
	decidedError    = "decided"
)

// decidable refuses a decision that cannot count: about another text than the one that
// waits, or about what somebody has decided. What it refuses leaves nothing behind.
func (o *operation) decidable(_ workflow.Context, d lifecycle.Decide) error {
	refuse := func(kind string) error {
		return temporal.NewNonRetryableApplicationError("the decision does not count", kind, nil)
	}
	p := o.s.Record.Request(d.Request)
	if p == nil || p.Gone || !o.s.Live.Running || d.Decision == nil || d.Reply == "" {
		return refuse(notPendingError)
	}
	a, _ := o.s.Live.Ask(p.ID)
	switch {
	case p.Decision != nil || a.Answer != nil:
		return refuse(decidedError)
	case a.Ticket == nil || p.Stage != lifecycle.Unasked:
		return refuse(notPendingError)
	case p.Digest != d.Digest || a.Ticket.Digest != d.Digest:
		return refuse(changedError)
	}
	return nil
}

// decide takes in a decision from outside, and tells what became of it.
func (o *operation) decide(ctx workflow.Context, d lifecycle.Decide) (view, error) {
	o.fates[d.Reply] = ""
	o.attended++
	defer func() { delete(o.fates, d.Reply); o.attended-- }()
	o.feed(d)
	if err := workflow.Await(ctx, func() bool { return o.fates[d.Reply] != "" || !o.s.Live.Running }); err != nil {
		return view{}, err
	}
	v := o.view()
	if v.Fate = o.fates[d.Reply]; v.Fate == "" {
		v.Fate = lifecycle.FateNotPending // the run is over
	}
	return v, nil
}

// stop asks for the Job to be stopped, and waits for what comes of it.
func (o *operation) stop(ctx workflow.Context, by string) (view, error) {
	o.attended++
	defer func() { o.attended-- }()
	if !o.s.Live.Running && o.s.Record.Result == nil {
		o.feed(lifecycle.Resumed{})
	}
	o.feed(lifecycle.StopAsked{By: by})
	err := workflow.Await(ctx, func() bool {
		return !o.s.Live.Running || o.s.Record.Stop().Done && o.s.Record.Stage == lifecycle.Watching
	})
	return o.view(), err
}

// reconcile takes in what a person has found.
func (o *operation) reconcile(ctx workflow.Context, e lifecycle.Reconciled) (view, error) {
	o.attended++
	defer func() { o.attended-- }()
	o.feed(e)
	err := workflow.Await(ctx, func() bool { return o.s.Live.Reconciling == nil && !(o.s.Live.Running && o.s.Live.Dirty) })
	return o.view(), err
}
