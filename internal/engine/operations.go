package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/digest"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/internal/runscope"
	"github.com/duvotool/duvotool/journal"
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
	saidTo   map[string]*said        // Jobs, by ID in lower case, where there is no journal; nil until there is one
	swept    time.Time
}

func newOperations(e *Engine) *operations {
	return &operations{eng: e, retention: e.cfg.Retention, byKey: map[slot]*operation{}, unknown: map[string][]*operation{}}
}

// A callKey is the operation key of a call.
type callKey struct {
	key   string
	exact bool   // it stands for this very input
	fresh bool   // nobody has called with it before
	known bool   // it is good for an operation that is there, and begins none
	own   string // the caller's, where the operation has that of its scope; empty: none
	scope string // of the operation, where it is begun
	stale bool   // an alias of long ago led to it
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
	if repeated && (other || key.exact && saidBy(op.known()) != input) {
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
	if op.fresh && op.run == nil && op.state.Record.Result == nil && op.ended != 0 {
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

// onceInScope reports whether the operation is the one of its Assignment in its
// scope, whatever the input.
func (op *operation) onceInScope() bool {
	id := op.work.Assignment.ID
	return op.order.Scope != "" && (op.order.Key == onceKey(op.order.Scope, strings.ToLower(id)) || op.order.Key == onceKey(op.order.Scope, id))
}

func onceKey(scope, assignment string) string {
	return scopePrefix + digest.Of("once", scope, assignment)
}

// startedNothing reports whether nothing was started, nor may have been.
func startedNothing(r *lifecycle.Record) bool {
	return r.Job == "" && !r.Start.Open && !r.Start.Earlier
}

// startInput is what the Job of a call was, or is to be, started with.
func startInput(ctx context.Context, input string, follow *lifecycle.FollowUp) string {
	if follow == nil {
		return input
	}
	start, _ := ctx.Value(startKey{}).(string)
	return start
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

func slotOf(tenant, key string) string { return strconv.Itoa(len(tenant)) + ":" + tenant + key }

// A slot is where an operation is found.
type slot struct{ tenant, key string }

func (op *operation) slot() slot { return slot{op.order.Caller.Tenant, op.order.Key} }

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

// lookUp finds an operation by its key, here or in the journal; nil if there is
// none.
func (o *operations) lookUp(ctx context.Context, tenant, key string) (*operation, error) {
	o.mu.Lock()
	o.sweep()
	op := o.byKey[slot{tenant, key}]
	o.mu.Unlock()
	l := o.eng.ledger
	switch {
	case l == nil:
		return op, nil
	case op != nil:
		return o.reread(ctx, op)
	}
	rec, found, err := l.find(ctx, opRecord, tenant, key)
	if err != nil || !found {
		return nil, err
	}
	if op, err = o.eng.restore(rec); err != nil {
		return nil, err
	}
	if op.slot() != (slot{tenant, key}) {
		return nil, fmt.Errorf("%w: the record %s is of another operation", journal.ErrFailed, rec.Key)
	}
	return o.keep(op), nil
}

// keep inserts an operation that was restored, unless it needs nothing more: then
// the journal keeps it.
func (o *operations) keep(op *operation) *operation {
	if r := op.known().Result; r != nil && r.Outcome != lifecycle.Unknown {
		return op
	}
	op, _ = o.insert(op)
	return op
}

// reread returns an operation as it is now, where another process may have
// reconciled what is unknown here.
func (o *operations) reread(ctx context.Context, op *operation) (*operation, error) {
	if !op.isUnknown() {
		return op, nil
	}
	rec, found, err := o.eng.ledger.get(ctx, op.record)
	if err != nil || !found {
		return op, err
	}
	now, err := o.eng.restore(rec)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	same := !op.isUnknown() || op.latest().Live.Revision >= rec.Revision
	switch other := o.byKey[op.slot()]; {
	case same:
		return op, nil
	case other != op && other != nil:
		return other, nil
	}
	o.drop(op)
	o.letIn(op)
	o.enter(now)
	if now.isUnknown() {
		o.keepOut(now)
	}
	return now, nil
}

// hasUnknown reports whether the outcome of an operation is unknown.
func (op *operation) hasUnknown() bool {
	r := op.known().Result
	return r != nil && r.Outcome == lifecycle.Unknown
}

// A barrier is what the journal holds of an Assignment that unknown outcomes bar
// from a scope.
type barrier struct {
	Tenant string   `json:"tenant,omitempty"`
	Key    string   `json:"key"`              // of the operation
	Others []string `json:"others,omitempty"` // further ones
}

func (b barrier) keys() []string {
	if b.Key == "" {
		return nil
	}
	return append([]string{b.Key}, b.Others...)
}

// barred finds the operation that bars an Assignment from a scope; nil if none
// does.
func (o *operations) barred(ctx context.Context, tenant, scope, assignment string) (*operation, error) {
	o.mu.Lock()
	here := slices.Clone(o.unknown[unknownSlot(tenant, scope, assignment)])
	o.mu.Unlock()
	l := o.eng.ledger
	for _, op := range here {
		if l == nil {
			return op, nil
		}
		op, err := o.reread(ctx, op)
		if err != nil {
			return nil, err
		}
		if op.hasUnknown() {
			return op, nil
		}
	}
	if l == nil {
		return nil, nil
	}
	op, err := o.barredBy(ctx, tenant, scope, strings.ToLower(assignment))
	if op == nil && err == nil && assignment != strings.ToLower(assignment) { // as earlier versions wrote it
		op, err = o.barredBy(ctx, tenant, scope, assignment)
	}
	return op, err
}

// barredBy is barred by what the journal holds under a spelling of the Assignment's
// ID.
func (o *operations) barredBy(ctx context.Context, tenant, scope, assignment string) (*operation, error) {
	l := o.eng.ledger
	rec, found, err := l.find(ctx, barrierRecord, tenant, scope, assignment)
	if err != nil || !found {
		return nil, err
	}
	var b barrier
	if err := l.open(rec, &b); err != nil || rec.Done { // that it is done is believed of a record that opens
		return nil, err
	}
	for _, key := range b.keys() {
		op, err := o.lookUp(ctx, b.Tenant, key)
		if err != nil {
			return nil, err
		}
		if op == nil {
			continue
		}
		if op.hasUnknown() {
			return op, nil
		}
	}
	return nil, nil // reconciled since, or it never came so far
}

// bar lets an operation keep its Assignment out of its scope, in the journal, or
// no longer.
func (o *operations) bar(op *operation, on bool) (err error) {
	for range 5 { // others of the scope may do so at once
		if err = o.barOnce(op, on); !errors.Is(err, journal.ErrConflict) {
			return err
		}
	}
	return err
}

func (o *operations) barOnce(op *operation, on bool) error {
	l := o.eng.ledger
	if l == nil || op.order.Scope == "" {
		return nil
	}
	rec, found, err := l.find(context.Background(), barrierRecord, op.order.Caller.Tenant, op.order.Scope, strings.ToLower(op.work.Assignment.ID))
	switch {
	case err != nil:
		return err
	case !found && !on:
		return nil
	case !found:
		rec = journal.Record{Key: l.names(barrierRecord, op.order.Caller.Tenant, op.order.Scope, strings.ToLower(op.work.Assignment.ID))[0]}
	}
	b := barrier{Tenant: op.order.Caller.Tenant}
	if found {
		if err := l.open(rec, &b); err != nil {
			return err
		}
		if rec.Done {
			b = barrier{Tenant: op.order.Caller.Tenant}
		}
	}
	keys := slices.DeleteFunc(b.keys(), func(k string) bool { return k == op.order.Key })
	if on {
		keys = append(keys, op.order.Key)
	}
	rec.Done = len(keys) == 0
	b.Key, b.Others = op.order.Key, nil
	if len(keys) > 0 {
		b.Key, b.Others = keys[0], keys[1:]
	}
	if rec.Data, err = l.close(b); err != nil {
		return err
	}
	_, err = l.put(rec)
	return err
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
	}
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
	left := r.Result == nil && op.ended != 0 && (r.Unkeyed || op.fresh && startedNothing(r))
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
		if id := strings.ToLower(op.known().Job); id != "" && (out[id] == nil || op.busy()) {
			out[id] = op
		}
	})
	return out
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

// keyFor makes the operation key of a call.
func keyFor(ctx context.Context, w *Work, input string, follow *lifecycle.FollowUp) (callKey, error) {
	refuse := func(err error) (callKey, error) {
		return callKey{}, &outcome.JobError{Phase: outcome.PhaseNew, Assignment: w.Assignment.Name, Err: err}
	}
	if scope, _ := ctx.Value(scopeKey{}).(string); !utf8.ValidString(callerOf(ctx).Tenant) || !utf8.ValidString(scope) {
		return refuse(fmt.Errorf("%w: the tenant or the operation scope is not valid UTF-8", duvo.ErrInvalid))
	}
	own := ""
	if v := ctx.Value(opKey{}); v != nil {
		if own = v.(string); own == "" || len(own) > maxKey || !utf8.ValidString(own) {
			return refuse(fmt.Errorf("%w: the operation key has %d bytes; 1 to %d of UTF-8 are allowed", duvo.ErrInvalid, len(own), maxKey))
		}
	}
	switch once, v := w.Settings.OncePerScope && follow == nil, ctx.Value(scopeKey{}); {
	case own != "" && !once:
		return callKey{key: own, exact: true}, nil
	case own != "" && v == nil:
		return callKey{key: own, own: own, known: true, exact: true}, nil
	case v != nil:
		scope := v.(string)
		if scope == "" || len(scope) > maxKey {
			return refuse(fmt.Errorf("%w: the operation scope has %d bytes; 1 to %d are allowed", duvo.ErrInvalid, len(scope), maxKey))
		}
		switch {
		case follow != nil:
			return callKey{key: scopePrefix + digest.Of("follow-up", scope, follow.Job, follow.Turn, input), exact: true}, nil
		case w.Settings.OncePerScope:
			return callKey{key: onceKey(scope, w.Assignment.ID), own: own}, nil
		}
		return callKey{key: scopePrefix + digest.Of("call", scope, w.Assignment.ID, input), exact: true}, nil
	}
	if w.Settings.OncePerScope && follow == nil {
		return refuse(outcome.ErrNoScope)
	}
	if run := runscope.Of(ctx); run != "" {
		if follow != nil {
			return callKey{key: scopePrefix + digest.Of("run's follow-up", run, follow.Job, follow.Turn, input), exact: true}, nil
		}
		return callKey{key: scopePrefix + digest.Of("run", run, w.Assignment.ID, input), exact: true}, nil
	}
	return callKey{key: freshPrefix + rand.Text(), exact: true, fresh: true}, nil
}
