package engine

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/journal"
)

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
	o.unblock(op)
	o.enter(now)
	if now.isUnknown() {
		o.block(now)
	}
	return now, nil
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
	o.formers.forget(o.retention)
	if l := o.eng.ledger; l != nil && o.eng.life.Enter() {
		before, slack := o.swept.Add(-o.retention), o.retention/10
		go func() {
			defer o.eng.life.Leave()
			l.forget(before, slack, o.eng.recordOf, o.eng.log)
		}()
	}
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

// forgetSaid forgets what was said to Jobs that no operation here is about, long
// ago. Called with mu held.
func (o *operations) forgetSaid() {
	if len(o.saidTo) == 0 && len(o.followUps) == 0 {
		return
	}
	about := map[string]bool{}
	for _, op := range o.byKey {
		about[strings.ToLower(op.known().Job)] = true
	}
	for id, s := range o.saidTo {
		if !about[id] && time.Since(s.at) > o.retention {
			delete(o.saidTo, id)
		}
	}
	for id := range o.followUps { // what was on its way at the end of its run
		if !about[id] {
			delete(o.followUps, id)
		}
	}
}
