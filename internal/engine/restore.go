package engine

import (
	"encoding/json"
	"fmt"

	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/journal"
)

// recordOf opens the record of an operation.
func (eng *Engine) recordOf(rec journal.Record) (*lifecycle.Record, error) {
	var raw json.RawMessage
	if err := eng.ledger.open(rec, &raw); err != nil {
		return nil, err
	}
	var form struct {
		Order json.RawMessage `json:"order"`
	}
	bad := &unusable{fmt.Errorf("%w: the record %s makes no sense", journal.ErrFailed, rec.Key)}
	if json.Unmarshal(raw, &form) != nil {
		return nil, bad
	}
	if form.Order == nil {
		var e entry // as earlier versions wrote it
		if json.Unmarshal(raw, &e) != nil {
			return nil, bad
		}
		return e.record(rec.Key)
	}
	r := &lifecycle.Record{}
	if json.Unmarshal(raw, r) != nil || r.Order == nil || r.Order.Key == "" || r.Order.Assignment == nil || r.Order.Assignment.ID == "" {
		return nil, bad
	}
	return r, nil
}

// restore makes an operation of what the journal holds.
func (eng *Engine) restore(rec journal.Record) (*operation, error) {
	r, err := eng.recordOf(rec)
	if err != nil {
		return nil, err
	}
	w, err := eng.catalog.WorkFor(*r.Order.Assignment, r.Order.Folder)
	if err != nil {
		return nil, err
	}
	o := r.Order
	op := &operation{eng: eng, work: w, order: o, record: rec.Key}
	recover := lifecycle.Recover
	if eng.replicas != nil {
		recover = lifecycle.Mirror // until this replica owns it
	}
	s := recover(r, rec.Revision, eng.optionsOf(w), eng.replica, eng.credential(), eng.clock())
	op.state, op.ended = &s, rec.At.UnixNano()
	return op, nil
}

// recordOf opens the record of this operation.
func (op *operation) recordOf(rec journal.Record) (*lifecycle.Record, error) {
	r, err := op.eng.recordOf(rec)
	if err == nil && (r.Order.Key != op.order.Key || r.Order.Caller.Tenant != op.order.Caller.Tenant) {
		err = &unusable{fmt.Errorf("%w: the record %s is of another operation", journal.ErrFailed, rec.Key)}
	}
	return r, err
}
