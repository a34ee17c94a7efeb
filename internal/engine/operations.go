package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/outcome"
)

// operations holds the operations of a registry by key. There is one Job per
// operation, however many calls share it. With a journal, those that need
// nothing more are left to it and come back from it.
type operations struct {
	eng       *Engine
	retention time.Duration

	mu       sync.Mutex
	byKey    map[slot]*operation     // by tenant and key
	byHandle map[string]grant        // those that check_job knows; nil until there is one
	talks    map[string]*operation   // follow-ups that are under way, by Job ID in lower case; nil until there is one
	unknown  map[string][]*operation // those with an unknown outcome, by tenant, scope and Assignment
	aliases  map[slot]alias          // of callers' keys, by tenant and key, where there is no journal; nil until there is one
	holders  map[string]*operation   // those that started the Jobs with these IDs, in lower case; nil until there is one
	claims   map[string]claim        // of requests, where there is no journal; nil until there is one
	claimed  map[*operation][]string // whose they are
	texts    texts                   // of operations that nobody works on
	saidTo   map[string]*said        // Jobs, by ID in lower case, where there is no journal; nil until there is one
	swept    time.Time
}

func newOperations(e *Engine) *operations {
	return &operations{eng: e, retention: e.cfg.Retention, byKey: map[slot]*operation{}, unknown: map[string][]*operation{}}
}

// open finds or makes the operation of a call. repeated tells that it was
// there before.
func (o *operations) open(ctx context.Context, w *Work, input string, follow *lifecycle.FollowUp) (op *operation, repeated bool, err error) {
	key, err := keyFor(ctx, w.folded(), input, follow)
	if err != nil {
		return nil, false, err
	}
	caller := callerOf(ctx)
	scope, _ := ctx.Value(scopeKey{}).(string)
	asked := key.key
	if !key.fresh {
		if op, key, err = o.seek(ctx, caller.Tenant, key, scope); err == nil {
			err = key.astray(op, asked, scope)
		}
		if op == nil && err == nil && key.key == asked {
			op, key, err = o.seekSpelled(ctx, w, input, follow, key)
		}
		if err != nil {
			return nil, false, o.failed(w, key.key, err)
		}
	}
	if op == nil && key.known {
		return nil, false, o.failed(w, "", outcome.ErrNoScope)
	}
	if op == nil && key.scope != "" && follow == nil {
		// An outcome that is unknown bars its Assignment from the rest of its
		// scope.
		if op, err = o.barred(ctx, caller.Tenant, key.scope, w.Assignment.ID); err != nil {
			return nil, false, o.failed(w, key.key, err)
		}
		if op != nil {
			return op, true, nil
		}
	}
	if op == nil && follow == nil && !o.eng.catalog.Offered(w.Assignment.ID) {
		return nil, false, &outcome.InputError{Tool: w.Name, Problem: "this Assignment is no longer offered; use another tool", Gone: true}
	}
	if op == nil && key.own != "" {
		if op, key, err = o.name(ctx, caller.Tenant, key, scope); err == nil {
			err = key.astray(op, asked, scope)
		}
		if err != nil {
			return nil, false, o.failed(w, key.own, err)
		}
	}
	if op == nil {
		op, repeated = o.insert(o.newOperation(ctx, w, key, startInput(ctx, input, follow), caller, follow))
	} else {
		op, repeated = o.keyed(op), true
	}
	if key.known && op.order.Key == asked {
		key.exact = !op.onceInScope()
	}
	if repeated && !key.exact {
		op.reword(input)
	}
	other := !strings.EqualFold(op.work.Assignment.ID, w.Assignment.ID) || !op.follows(follow)
	if repeated && (other || key.exact && !op.tells(input)) {
		return nil, false, &outcome.JobError{Phase: outcome.PhaseNew, Key: key.key, Assignment: w.Assignment.Name,
			Err: fmt.Errorf("%w: it stands for another input or Assignment (%q)", outcome.ErrKeyReused, hitl.SafeLine(op.work.Assignment.Name, 80))}
	}
	return op, repeated, nil
}

// keyed notes that a caller has the key of an operation. Whatever was dropped at the
// same moment because nobody had it is found again; where another has the key by
// now, that one is returned.
func (o *operations) keyed(op *operation) *operation {
	if op.known().Unkeyed {
		op.tryPost(lifecycle.Named{})
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	op.mu.Lock()
	if op.run == nil && op.state.Record.Result == nil && op.ended != 0 && (op.fresh || startedNothing(&op.state.Record)) {
		op.ended = time.Now().UnixNano() // not forgotten while a call is about to take it up
	}
	op.mu.Unlock()
	if o.eng.ledger != nil {
		return op // the journal has what was dropped
	}
	if now := o.byKey[op.slot()]; now != nil {
		return now
	}
	o.enter(op)
	return op
}

// startedNothing reports whether nothing was started, nor may have been.
func startedNothing(r *lifecycle.Record) bool {
	return r.Job == "" && !r.Start.Open && !r.Start.Earlier
}

func (o *operations) failed(w *Work, key string, err error) error {
	return &outcome.JobError{Phase: outcome.PhaseNew, Key: key, Assignment: w.Assignment.Name, Err: err}
}

// reword gives an operation another input, if a run with the one it has has
// proved that it starts nothing.
func (op *operation) reword(input string) {
	op.mu.Lock()
	defer op.mu.Unlock()
	r := &op.state.Record
	if op.busyLocked() || r.Result != nil || !startedNothing(r) || r.Order.After != nil || op.ended == 0 || r.Order.Input == input {
		return
	}
	order := *r.Order
	order.Input = input
	op.moreLocked().next = &order
}

// insert adds an operation, unless there is one with its key by now: then that
// one is returned.
func (o *operations) insert(op *operation) (now *operation, there bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sweep()
	if now = o.byKey[op.slot()]; now != nil {
		return now, true
	}
	o.enter(op)
	return op, false
}

// enter lets an operation be found. Called with mu held.
func (o *operations) enter(op *operation) {
	o.byKey[op.slot()] = op
	op.mu.Lock()
	if handle := op.ownHandleLocked(); handle != "" && op.state.Live.Revision > 0 && op.record != "" { // it may have been given out
		o.find(handle, grant{op, bearer{op.order.Caller.User, op.order.Scope}})
	}
	id := strings.ToLower(op.state.Record.Job)
	op.mu.Unlock()
	if id != "" && op.continues() == "" && o.holders[id] == nil {
		o.holdLocked(op, id)
	}
}

// settled notes that a run of an operation is over. One that no key of a caller's
// stands for is dropped once it has ended, and so is one that the journal holds.
func (o *operations) settled(op *operation, detached bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := op.latest()
	r := &s.Record
	op.mu.Lock()
	findable := detached || op.record == "" && op.ownHandleLocked() != "" // it was given out
	op.mu.Unlock()
	switch {
	case op.busy():
	case r.Result == nil:
		// It may be taken up by its key, its Job or its handle for a while: see sweep.
	case r.Result.Outcome == lifecycle.Unknown:
		o.keepOut(op)
	case r.Unkeyed && !findable, op.record != "" && !s.Live.Dirty:
		o.drop(op)
		return
	}
	o.remember(op)
}

// keepOut lets an operation keep its Assignment out of its scope. Called with mu
// held.
func (o *operations) keepOut(op *operation) {
	slot := unknownSlot(op.order.Caller.Tenant, op.order.Scope, op.work.Assignment.ID)
	if op.order.Scope != "" && !slices.Contains(o.unknown[slot], op) {
		o.unknown[slot] = append(o.unknown[slot], op)
	}
}

// letIn is the opposite of keepOut. Called with mu held.
func (o *operations) letIn(op *operation) {
	slot := unknownSlot(op.order.Caller.Tenant, op.order.Scope, op.work.Assignment.ID)
	left := slices.DeleteFunc(o.unknown[slot], func(other *operation) bool { return other == op })
	if o.unknown[slot] = left; len(left) == 0 {
		delete(o.unknown, slot)
	}
}

// drop forgets an operation. Called with mu held.
func (o *operations) drop(op *operation) {
	o.texts.forget(op)
	if o.byKey[op.slot()] == op {
		delete(o.byKey, op.slot())
	}
	op.mu.Lock()
	id := strings.ToLower(op.state.Record.Job)
	for _, handle := range append(slices.Collect(maps.Values(op.extrasLocked().others)), op.ownHandleLocked()) {
		if o.byHandle[handle].op == op {
			delete(o.byHandle, handle)
		}
	}
	own := op.state.Record.Order.Own
	op.mu.Unlock()
	if o.holders[id] == op {
		delete(o.holders, id)
	}
	if a, there := o.aliases[slot{op.order.Caller.Tenant, own}]; there && a.Key == op.order.Key {
		delete(o.aliases, slot{op.order.Caller.Tenant, own})
	}
	for _, name := range o.claimed[op] {
		delete(o.claims, name)
	}
	delete(o.claimed, op)
}

// sweep forgets the operations that ended long ago. Called with mu held.
func (o *operations) sweep() {
	if time.Since(o.swept) < o.retention/10 {
		return
	}
	o.swept = time.Now()
	for _, op := range o.byKey {
		if op.isOld(o.retention) {
			o.drop(op)
		}
	}
	o.forgetSaid()
	if l := o.eng.ledger; l != nil && o.eng.life.Enter() {
		before, slack := o.swept.Add(-o.retention), o.retention/10
		go func() {
			defer o.eng.life.Leave()
			l.forget(before, slack, o.eng.recordOf, o.eng.log)
		}()
	}
}

// isOld reports whether an operation ended longer ago than d, and may be forgotten.
func (op *operation) isOld(d time.Duration) bool {
	op.mu.Lock()
	defer op.mu.Unlock()
	r := &op.state.Record
	done := r.Result != nil && r.Result.Outcome != lifecycle.Unknown
	left := r.Result == nil && op.ended != 0 && (r.Unkeyed || startedNothing(r))
	return !op.busyLocked() && (done || left) && time.Since(time.Unix(0, op.ended)) > d // else its run is about to begin
}

// converse notes that the Job of a follow-up is being talked to, or no longer.
// false means that another follow-up does so, or that what it said may be on its way.
func (o *operations) converse(op *operation, on bool) bool {
	id := strings.ToLower(op.continues())
	quiet := o.quiet(id, op) // not under the lock
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.talks[id]
	switch {
	case on && now != nil && now != op && now != quiet:
		return false
	case on && o.talks == nil:
		o.talks = map[string]*operation{id: op}
	case on:
		o.talks[id] = op
	case now == op && now == quiet:
		delete(o.talks, id)
	}
	return true
}

// quiet returns the follow-up that has talked to a Job, if nothing of it can come
// any more: it does not run, unless it is op itself, and nothing is on its way.
func (o *operations) quiet(id string, op *operation) *operation {
	o.mu.Lock()
	other := o.talks[id]
	o.mu.Unlock()
	if other == nil || other != op && other.busy() || o.onItsWay(other.known()) {
		return nil
	}
	return other
}

// onItsWay reports whether a message that was sent may still take effect unseen.
func (o *operations) onItsWay(r *lifecycle.Record) bool {
	m := r.Message().Attempt
	return r.Result == nil && (m.Open || m.Earlier) && time.Since(timeOf(m.Until)) < o.eng.cfg.PostTimeout+o.eng.cfg.Settle
}

// byJob returns the operations by the IDs of their Jobs, in lower case. It takes
// time.
func (o *operations) byJob() map[string]*operation {
	out := map[string]*operation{}
	o.each(func(op *operation) {
		if id := strings.ToLower(op.known().Job); id != "" && (out[id] == nil || op.rank() > out[id].rank()) {
			out[id] = op
		}
	})
	return out
}

// rank tells which of several operations on one Job is meant by it: one that is
// worked on, or else one that has not ended, or else the one that started it.
func (op *operation) rank() int {
	switch {
	case op.busy():
		return 3
	case op.known().Result == nil:
		return 2
	case op.order.After == nil:
		return 1
	}
	return 0
}

func (o *operations) each(f func(*operation)) {
	o.mu.Lock()
	all := slices.Collect(maps.Values(o.byKey))
	o.mu.Unlock()
	for _, op := range all {
		f(op)
	}
}

const (
	freshPrefix = "once-"  // keys that no context asked for; a caller's may begin so too
	scopePrefix = "scope-" // keys made of a scope and a call; a caller's may begin so too
	maxKey      = 1024     // bytes of a caller's key or scope
)
