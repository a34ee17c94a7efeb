package engine

import (
	"container/list"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/internal/lifecycle"
)

// enter lets an operation be found. Called with mu held.
func (o *operations) enter(op *operation) {
	o.byKey[op.slot()] = op
	o.eng.replicas.regard(op, nil, op.latest())
	if op.record != "" {
		if o.byRecord == nil {
			o.byRecord = map[string]*operation{}
		}
		o.byRecord[op.record] = op
	}
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

// drop forgets an operation. Called with mu held.
func (o *operations) drop(op *operation) {
	o.texts.forget(op)
	o.eng.replicas.disregard(op)
	if o.byKey[op.slot()] == op {
		delete(o.byKey, op.slot())
	}
	if o.byRecord[op.record] == op {
		delete(o.byRecord, op.record)
	}
	op.mu.Lock()
	id := strings.ToLower(op.state.Record.Job)
	for _, handle := range append(slices.Collect(maps.Values(op.extrasLocked().others)), op.ownHandleLocked()) {
		if o.byHandle[handle].op == op {
			delete(o.byHandle, handle)
		}
	}
	own, ended := op.state.Record.Order.Own, time.Unix(0, op.ended)
	op.mu.Unlock()
	if o.eng.ledger == nil && id != "" && time.Since(ended) < o.retention {
		o.formers.startedBy(id, op.name(), ended)
		for _, name := range o.claimed[op] {
			o.formers.requests.note(name, o.claims[name].brief(), ended)
		}
	}
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

// byRecordKey returns the operation whose record has a key; nil: it is not known here.
func (o *operations) byRecordKey(key string) *operation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.byRecord[key]
}

func (o *operations) each(f func(*operation)) {
	o.mu.Lock()
	all := make([]*operation, 0, len(o.byKey))
	for _, op := range o.byKey {
		all = append(all, op)
	}
	o.mu.Unlock()
	for _, op := range all {
		f(op)
	}
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

// A barrier is what the journal holds of an Assignment that unknown outcomes bar
// from a scope.
type barrier struct {
	Tenant string   `json:"tenant,omitempty"`
	Key    string   `json:"key"`              // of the operation
	Others []string `json:"others,omitempty"` // further ones
}

// find lets an operation be found by a handle. Called with mu held.
func (o *operations) find(handle string, g grant) {
	if o.byHandle == nil {
		o.byHandle = map[string]grant{}
	}
	o.byHandle[handle] = g
}

func (o *operations) holdLocked(op *operation, id string) {
	if o.holders == nil {
		o.holders = map[string]*operation{}
	}
	o.holders[id] = op
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

// startedNothing reports whether nothing was started or said, nor may have been.
func startedNothing(r *lifecycle.Record) bool {
	m := r.Message()
	return r.Job == "" && !r.Start.Open && !r.Start.Earlier && !m.Posted && !m.Attempt.Open && !m.Attempt.Earlier
}

// block lets an operation keep its Assignment out of its scope. Called with mu
// held.
func (o *operations) block(op *operation) {
	slot := unknownSlot(op.order.Caller.Tenant, op.order.Scope, op.work.Assignment.ID)
	if op.order.Scope != "" && !slices.Contains(o.unknown[slot], op) {
		o.unknown[slot] = append(o.unknown[slot], op)
	}
}

// unblock is the opposite of block. Called with mu held.
func (o *operations) unblock(op *operation) {
	slot := unknownSlot(op.order.Caller.Tenant, op.order.Scope, op.work.Assignment.ID)
	left := slices.DeleteFunc(o.unknown[slot], func(other *operation) bool { return other == op })
	if o.unknown[slot] = left; len(left) == 0 {
		delete(o.unknown, slot)
	}
}

func unknownSlot(tenant, scope, assignment string) string {
	return slotOf(tenant, slotOf(scope, strings.ToLower(assignment)))
}

// bars reports whether an operation keeps its Assignment out of its scope, as far
// as this process has noted.
func (o *operations) bars(op *operation) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Contains(o.unknown[unknownSlot(op.order.Caller.Tenant, op.order.Scope, op.work.Assignment.ID)], op)
}

type text struct {
	op    *operation
	bytes int64
}

func (m *texts) note(op *operation, n int64) {
	m.forget(op)
	if m.of == nil {
		m.of = map[*operation]*list.Element{}
	}
	m.of[op] = m.order.PushBack(text{op, n})
	m.total += n
}

func (m *texts) forget(op *operation) {
	if e := m.of[op]; e != nil {
		m.total -= e.Value.(text).bytes
		m.order.Remove(e)
		delete(m.of, op)
	}
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
