package engine

import (
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/internal/lifecycle"
)

// What is remembered of operations that nobody works on has a bound in bytes: their
// keys are needed, so that nothing is done twice, what was said is not.

const (
	maxRemembered = 64 << 20         // bytes of what was said by and to all of them
	justFound     = 10 * time.Second // in which a call that has found an operation takes it up
)

// remember takes in that nobody works on an operation, and makes room. Called with
// mu held.
func (o *operations) remember(op *operation) {
	o.texts.forget(op)
	if o.byKey[op.slot()] != op {
		return
	}
	if r := op.known(); r.Result == nil && !startedNothing(r) || r.Result != nil && r.Result.Outcome == lifecycle.Unknown {
		return // all of it is needed
	}
	o.texts.note(op, textOf(op.known()))
	for e := o.texts.order.Front(); e != nil && o.texts.total > maxRemembered; {
		next := e.Next()
		o.shed(e.Value.(text).op) // which takes out no other
		e = next
	}
}

// textOf counts the bytes of what was said by and to an operation.
func textOf(r *lifecycle.Record) int64 {
	n := len(r.Order.Input)
	if m := r.Latest; m != nil {
		n += len(m.Text) + len(m.Added)
	}
	for i := range r.Requests {
		n += len(r.Requests[i].Added)
	}
	if f := r.Order.After; f != nil {
		n += len(f.Text) + len(f.Known)
	}
	if res := r.Result; res != nil {
		n += len(res.Output) + len(res.Data) + res.Messages.Size()
	}
	return int64(n)
}

// shed forgets what was said by and to an operation, or all of it, where nothing was
// started or the journal has it. Called with mu held.
func (o *operations) shed(op *operation) {
	op.mu.Lock()
	s, busy, recent := op.state, op.busyLocked(), time.Since(time.Unix(0, op.ended)) < justFound
	op.mu.Unlock()
	recorded := op.record != "" && !s.Live.Dirty
	switch {
	case busy:
		o.texts.forget(op) // until it is settled again
	case recorded && recent, s.Record.Result == nil && (recent || op.record != "" && !recorded):
	case recorded, s.Record.Result == nil:
		o.drop(op)
	case op.record == "":
		o.texts.forget(op)
		o.withoutText(op)
	}
}

// withoutText puts in the place of an operation that has ended what keeps its key from
// starting another Job. Its handles lead nowhere from now on: who goes on with a Job
// must know what it was told. Called with mu held.
func (o *operations) withoutText(op *operation) {
	op.mu.Lock()
	s, ended := *op.state, op.ended
	for _, handle := range append(slices.Collect(maps.Values(op.extrasLocked().others)), op.ownHandleLocked()) {
		delete(o.byHandle, handle)
	}
	op.mu.Unlock()
	told := sha256.Sum256([]byte(saidBy(&s.Record)))
	left := &operation{eng: op.eng, work: op.work, order: bare(op.order), fresh: op.fresh, resumed: op.resumed, ended: ended, more: &extras{told: &told}}
	now := lifecycle.Make(s.Live.Options, s.Live.Replica, s.Live.Print)
	now.Record = s.Record
	r, res := &now.Record, *s.Record.Result
	if r.Latest != nil {
		m := *r.Latest
		m.Text, m.Added = "", ""
		r.Latest = &m
	}
	r.Requests = slices.Clone(r.Requests)
	for i := range r.Requests {
		r.Requests[i].Added, r.Requests[i].PutOff = "", nil
	}
	res.Output, res.Data, res.Messages = "", nil, lifecycle.Transcript{}
	r.Note = joinNotes(r.Note, "what it was told and what it said is no longer kept here, for want of room; Duvo has it")
	r.Order, r.Result = left.order, &res
	left.state = &now
	o.byKey[op.slot()] = left
	if id := strings.ToLower(r.Job); o.holders[id] == op {
		o.holders[id] = left
	}
	if names := o.claimed[op]; names != nil {
		o.claimed[left] = names
		delete(o.claimed, op)
	}
}

// bare is an order without what was said.
func bare(order *lifecycle.Order) *lifecycle.Order {
	o := *order
	o.Input = ""
	if o.After != nil {
		after := *o.After
		after.Text, after.Known = "", ""
		o.After = &after
	}
	return &o
}

// tells reports whether this is what the operation tells its Job.
func (op *operation) tells(said string) bool {
	op.mu.Lock()
	defer op.mu.Unlock()
	if told := op.extrasLocked().told; told != nil {
		return *told == sha256.Sum256([]byte(said))
	}
	return saidBy(&op.state.Record) == said
}

var errForgotten = errors.New("what the Job was told is no longer kept here, so nobody could check what is said to it; continue from its first Result, or start a new Job")

// textless reports whether what was said is no longer known.
func (op *operation) textless() bool {
	op.mu.Lock()
	defer op.mu.Unlock()
	return op.state.Record.Erased || op.extrasLocked().told != nil
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
		o.block(op)
	case r.Unkeyed && !findable, op.record != "" && !s.Live.Dirty:
		o.drop(op)
		return
	}
	o.remember(op)
}
