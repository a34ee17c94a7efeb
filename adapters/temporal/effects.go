package temporal

import (
	"errors"
	"slices"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/lifecycle"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// carry carries an effect out. What takes time is an activity, and its answer comes as
// an event.
func (o *operation) carry(f lifecycle.Effect) {
	switch f := f.(type) {
	case lifecycle.Save:
		o.save(f)
	case lifecycle.Load:
		o.queue = append(o.queue, lifecycle.Loaded{Name: f.Name}) // nobody else writes it
	case lifecycle.Claim:
		o.claim(f)
	case lifecycle.StartJob:
		o.send(f, f.Window)
	case lifecycle.Respond:
		o.send(f, f.Window)
	case lifecycle.Post:
		o.send(f, f.Window)
	case lifecycle.StopJob:
		o.send(f, f.Window)
	case lifecycle.StageFiles, lifecycle.Locate, lifecycle.CheckRules, lifecycle.Collect:
		o.exchange(o.ctx, f, o.beating(10*time.Minute))
	case lifecycle.Watch:
		o.watching = f.Job
		o.watch(0)
	case lifecycle.Unwatch:
		o.watching = ""
		o.endRead()
	case lifecycle.ReadNow:
		if o.watching != "" {
			o.watch(f.Since)
		}
	case lifecycle.Wake:
		o.wake(f.At)
	case lifecycle.AskPolicy:
		o.ask(f)
	case lifecycle.EndAsk:
		o.endAsk(f.Turn)
	default:
		o.answer(f)
	}
}

// answer carries out the effects that tell callers, deciders or the observer.
func (o *operation) answer(f lifecycle.Effect) {
	switch f := f.(type) {
	case lifecycle.Interim:
		o.release1(f.Callers, answer{Kind: answerInterim})
		return
	case lifecycle.Finish:
		o.release1(f.Callers, answer{Kind: answerResult})
	case lifecycle.EndCalls:
		o.release1(nil, answer{Kind: answerEnded, Effect: effect{f}})
	case lifecycle.Release:
		o.release1(f.Callers, answer{Kind: answerRefused, Effect: effect{f}})
	case lifecycle.TellReply:
		if _, asked := o.fates[f.Reply]; asked {
			o.fates[f.Reply] = f.Fate
		}
		return
	}
	o.tells = append(o.tells, effect{f})
}

// release1 answers callers: those with the given numbers, or all.
func (o *operation) release1(numbers []int, a answer) {
	v := o.view()
	a.State, a.Notes = v.State, v.Notes
	for _, c := range o.callers {
		if c.Answer == nil && (numbers == nil || slices.Contains(numbers, c.Number)) {
			own := a
			own.First = c.Number == 1
			c.Answer = &own
		}
	}
}

// save answers that the record is kept, which it is: the history has it before
// anything that comes after is begun. What the audit is to be told is written first.
func (o *operation) save(f lifecycle.Save) {
	revision := f.Revision + 1
	if f.LinesOnly {
		revision = f.Revision
	}
	saved := lifecycle.Saved{Name: f.Name, Revision: revision}
	begins := o.in.Audit && !f.LinesOnly && engine.Begins(&o.s.Record)
	bar, barred := o.barred()
	held := slices.Contains(o.claims, bar)
	if (!o.in.Audit || len(f.Lines) == 0 && !begins) && barred == held {
		o.queue = append(o.queue, saved)
		return
	}
	ord := o.order(nil)
	ord.Lines, ord.Begins = f.Lines[min(o.written, len(f.Lines)):], begins
	workflow.Go(o.ctx, func(ctx workflow.Context) {
		if barred && !held {
			o.claims = append(slices.Clone(o.claims), bar)
		}
		ord.Claims = o.claims
		var got reply
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, o.beating(5*time.Minute)), writeActivity, ord).Get(ctx, &got)
		if err == nil && !barred && held {
			err = o.release(ctx, []string{bar})
			o.claims = slices.DeleteFunc(slices.Clone(o.claims), func(c string) bool { return c == bar })
		}
		o.written += got.Written
		if err != nil || got.Failed {
			o.take(got, lifecycle.SaveFailed{Name: f.Name})
			return
		}
		o.written = 0
		o.take(got, saved)
	})
}

// order is what an activity is asked to do in the present state.
func (o *operation) order(f lifecycle.Effect) order {
	return order{State: o.view().State, Effect: effect{f}, Epoch: o.epoch}
}

// take takes in what an activity has come to.
func (o *operation) take(got reply, e lifecycle.Event) {
	for c, n := range got.Notes {
		o.notes[c] = n
	}
	if got.Print != "" && got.Print != o.s.Live.Print {
		o.feed(lifecycle.Renewed{Print: got.Print})
	}
	o.feed(e)
}

// exchange has an exchange carried out. It is tried once: what comes next is decided
// by its answer.
func (o *operation) exchange(ctx workflow.Context, f lifecycle.Effect, opts workflow.ActivityOptions) {
	opts.RetryPolicy = once
	ord := o.order(f)
	future := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), carryActivity, ord)
	workflow.Go(o.ctx, func(ctx workflow.Context) {
		var got reply
		err := future.Get(ctx, &got)
		e := got.Event.Event
		if err != nil || e == nil {
			e = o.unanswered(f, err)
		}
		if job := jobOf(e); job != "" && o.s.Record.Order.After == nil {
			o.claims = append(slices.Clone(o.claims), jobClaim(job))
		}
		if isSend(f) {
			o.cancelSend = nil
		}
		o.take(got, e)
	})
}

func isSend(f lifecycle.Effect) bool {
	switch f.(type) {
	case lifecycle.StartJob, lifecycle.Respond, lifecycle.Post:
		return true
	}
	return false
}

func jobOf(e lifecycle.Event) string {
	switch e := e.(type) {
	case lifecycle.Sent:
		return e.Job
	case lifecycle.Located:
		return e.Job
	}
	return ""
}

// send has something sent. The task waits for a worker no longer than the send may
// begin; once nobody wants it, it is taken back, as far as it has not begun.
func (o *operation) send(f lifecycle.Effect, w lifecycle.Window) {
	now := o.now()
	left := max(min(w.To.Mono-now.Mono, time.Duration(w.To.Wall-now.Wall)), 0) + time.Second
	post := time.Duration(o.in.Setup.PostSeconds) * time.Second
	ctx := o.ctx
	if isSend(f) {
		ctx, o.cancelSend = workflow.WithCancel(o.ctx)
	}
	o.exchange(ctx, f, workflow.ActivityOptions{ScheduleToStartTimeout: left, StartToCloseTimeout: post + left + sendSlack, WaitForCancellation: true})
}

// sendSlack is how much longer than its request a send may take.
const sendSlack = 20 * time.Second

// unanswered is what it means that nobody told what came of an exchange: of a send that
// was not begun, that it was too late; of one that may have been, doubt.
func (o *operation) unanswered(f lifecycle.Effect, err error) lifecycle.Event {
	const why = "no answer came from the worker"
	sent := func(name uint64) lifecycle.Event {
		e := lifecycle.Sent{Name: name, Reply: lifecycle.Doubt, Local: true, Text: why}
		if notBegun(err) {
			e.Reply, e.Text = lifecycle.TooLate, "no worker began to send it in time"
			o.notes[lifecycle.CauseTooLate] = tooLate(e.Text)[lifecycle.CauseTooLate]
		}
		return e
	}
	switch f := f.(type) {
	case lifecycle.StartJob:
		return sent(f.Name)
	case lifecycle.Respond:
		return sent(f.Name)
	case lifecycle.Post:
		return sent(f.Name)
	case lifecycle.StopJob:
		return sent(f.Name)
	case lifecycle.StageFiles:
		return lifecycle.Staged{Name: f.Name, Failed: lifecycle.Nothing}
	case lifecycle.Locate:
		return lifecycle.Located{Name: f.Name, Failed: true}
	case lifecycle.CheckRules:
		return lifecycle.Checked{Name: f.Name, Unclear: true}
	case lifecycle.Collect:
		return lifecycle.Collected{Name: f.Name, Failed: lifecycle.Down}
	}
	return nil
}

// notBegun reports whether an error proves that an activity was not begun, or ended
// before it sent anything.
func notBegun(err error) bool {
	var late *temporal.TimeoutError
	if errors.As(err, &late) {
		return late.TimeoutType() == enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START
	}
	var app *temporal.ApplicationError
	return errors.As(err, &app) && app.Type() == closingError
}

// claim makes the Job or a request the operation's.
func (o *operation) claim(f lifecycle.Claim) {
	claims := []string{jobClaim(f.Job)}
	if o.s.Record.Order.After != nil {
		claims[0] = turnClaim(f.Job)
	}
	if f.Request != "" {
		claims = append(claims, requestClaim(f.Job, f.Request))
	}
	ord := o.order(f)
	ord.Claims = claims
	future := workflow.ExecuteActivity(workflow.WithActivityOptions(o.ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute, RetryPolicy: once}), claimActivity, ord)
	workflow.Go(o.ctx, func(ctx workflow.Context) {
		var got reply
		err := future.Get(ctx, &got)
		e, ok := got.Event.Event.(lifecycle.Claimed)
		if err != nil || !ok {
			e = lifecycle.Claimed{Name: f.Name, Failed: true}
		}
		if !e.Failed && e.TakenBy == "" {
			for _, c := range claims {
				if !slices.Contains(o.claims, c) {
					o.claims = append(slices.Clone(o.claims), c)
				}
			}
		}
		o.take(got, e)
	})
}

// wake sees to it that a Tick comes.
func (o *operation) wake(at time.Duration) {
	if o.cancelWake != nil {
		o.cancelWake()
		o.cancelWake = nil
	}
	if at == 0 {
		return
	}
	var ctx workflow.Context
	ctx, o.cancelWake = workflow.WithCancel(o.ctx)
	timer := workflow.NewTimer(ctx, max(at-o.now().Mono, time.Millisecond))
	workflow.Go(o.ctx, func(ctx workflow.Context) {
		if timer.Get(ctx, nil) == nil {
			o.feed(lifecycle.Tick{})
		}
	})
}

// beating are the options of what may take a while, at most so long. A task that is lost
// with its worker is noticed once its heartbeats stay away. Sends have none: before their
// windows are over nobody may take them for lost.
func (o *operation) beating(most time.Duration) workflow.ActivityOptions {
	return workflow.ActivityOptions{StartToCloseTimeout: most, HeartbeatTimeout: time.Duration(o.in.Setup.HeartbeatSeconds) * time.Second, RetryPolicy: once}
}

// lasting are the options of what waits for something that may take long: a worker
// that dies is replaced once its heartbeats stay away, with nothing in the history.
func (o *operation) lasting() workflow.ActivityOptions {
	return workflow.ActivityOptions{StartToCloseTimeout: 10 * 365 * 24 * time.Hour, HeartbeatTimeout: time.Duration(o.in.Setup.HeartbeatSeconds) * time.Second,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second}}
}

// watch has the Job read by the watcher of a worker, until that has news. since is
// when a read is wished for that somebody waits for; zero: none is.
func (o *operation) watch(since time.Duration) {
	o.endRead()
	var ctx workflow.Context
	ctx, o.cancelRead = workflow.WithCancel(o.ctx)
	ord := o.order(nil)
	ord.Since = int64(since)
	no := o.watchNo
	future := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, o.lasting()), watchActivity, ord)
	workflow.Go(o.ctx, func(ctx workflow.Context) {
		var got reply
		err := future.Get(ctx, &got)
		if no != o.watchNo {
			return // another is in its place
		}
		o.cancelRead = nil
		if err != nil {
			if workflow.Sleep(ctx, time.Second) != nil {
				return
			}
		} else if got.Event.Event != nil {
			o.take(got, got.Event.Event)
		}
		if no == o.watchNo && o.watching != "" {
			o.watch(o.s.Live.Wish)
		}
	})
}

// endRead ends the activity that watches.
func (o *operation) endRead() {
	o.watchNo++
	if o.cancelRead != nil {
		o.cancelRead()
		o.cancelRead = nil
	}
}

// ask has the policy asked.
func (o *operation) ask(f lifecycle.AskPolicy) {
	ctx, cancel := workflow.WithCancel(o.ctx)
	o.asks = append(o.asks, asking{f.Turn, cancel})
	future := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, o.lasting()), askActivity, o.order(f))
	workflow.Go(o.ctx, func(ctx workflow.Context) {
		var got reply
		err := future.Get(ctx, &got)
		o.asks = slices.DeleteFunc(o.asks, func(a asking) bool { return a.turn == f.Turn })
		e, ok := got.Event.Event.(lifecycle.Answered)
		if err != nil || !ok {
			e = lifecycle.Answered{Request: f.Ticket.ID, Digest: f.Ticket.Digest, Turn: f.Turn, Error: "the policy could not be asked"}
			if err != nil {
				e.Error += ": " + hitl.SafeLine(err.Error(), 300)
			}
		}
		o.take(got, e)
	})
}

func (o *operation) endAsk(turn uint64) {
	for _, a := range o.asks {
		if a.turn == turn {
			a.cancel()
		}
	}
}
