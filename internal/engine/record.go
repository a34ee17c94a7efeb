package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/journal"
)

// How much the journal keeps of an operation that has ended.
const (
	maxKept   = 1 << 20 // bytes of a Result's messages
	maxRecord = 4 << 20 // bytes of the record: what journals must take, see journal.Record
)

// save writes the lines of the audit, and then puts the record into the journal.
func (op *operation) save(r *run, s *lifecycle.State, f lifecycle.Save) {
	put := f.Revision + 1 // where there is no journal
	if f.LinesOnly {
		put = f.Revision
	}
	fresh := begins(f.Record)
	if op.eng.ledger == nil && len(f.Lines) == 0 && !fresh {
		op.post(lifecycle.Saved{Name: f.Name, Revision: put}) // it takes no time
		return
	}
	failed := func(err error) lifecycle.Event {
		r.note(lifecycle.CauseJournal, err)
		op.logger(f.Record.Job).Error("duvotool: writing to the journal", "error", hitl.SafeLine(err.Error(), 500))
		var lost *unusable
		return lifecycle.SaveFailed{Name: f.Name, Lost: errors.As(err, &lost)}
	}
	op.do(func() lifecycle.Event {
		for _, line := range f.Lines[min(int(r.written), len(f.Lines)):] {
			if err := op.audit(r, s, line, ""); err != nil && line.Kind.Binding() {
				return failed(err)
			}
			r.written++
		}
		if fresh && op.eng.cfg.Audit != nil {
			if err := op.eng.auditable(r.Context()); err != nil {
				return failed(err)
			}
		}
		if f.LinesOnly || op.eng.ledger == nil {
			r.written = 0
			return lifecycle.Saved{Name: f.Name, Revision: put}
		}
		revision, err := op.put(f)
		switch {
		case err == nil:
			r.written = 0
			return lifecycle.Saved{Name: f.Name, Revision: revision}
		case errors.Is(err, journal.ErrFenced):
			r.written = 0
			return lifecycle.SaveFailed{Name: f.Name, Fenced: true}
		case errors.Is(err, journal.ErrConflict):
			e, err := op.conflict(f)
			if err != nil {
				return failed(err)
			}
			r.written = 0
			return e
		}
		return failed(err)
	}, failed)
}

// put puts a record, with what follows from it.
func (op *operation) put(f lifecycle.Save) (revision uint64, err error) {
	rec := *f.Record
	barred := rec.Barred()
	if barred {
		if err := op.eng.ops.bar(op, true); err != nil {
			return 0, err
		}
	}
	if rec.Result != nil && rec.StartedAt != 0 {
		op.keepBelongings(&rec)
	}
	revision, err = op.putRecord(f.Revision, &rec)
	if errors.Is(err, journal.ErrTooLarge) && withoutText(&rec) {
		op.logger(rec.Job).Warn("duvotool: the outcome is larger than the journal takes, and is kept without its text")
		revision, err = op.putRecord(f.Revision, &rec)
	}
	if err != nil {
		return 0, err
	}
	if !barred && op.eng.ops.bars(op) {
		err = op.eng.ops.bar(op, false)
	}
	return revision, err
}

func (op *operation) putRecord(before uint64, r *lifecycle.Record) (revision uint64, err error) {
	out := journal.Record{Key: op.record, Revision: before, Done: r.Done(), Term: r.Term}
	out.Stage, out.Since = stageOf(r)
	if out.Data, err = op.eng.ledger.closeOutcome(r); err != nil {
		return 0, err
	}
	if revision, err = op.eng.ledger.put(out); err == nil && op.eng.replicas != nil && !r.Announces() {
		op.eng.replicas.put(op.record, revision)
	}
	return revision, err
}

// stageOf is what the journal can tell of a record without its data.
func stageOf(r *lifecycle.Record) (s journal.Stage, since time.Time) {
	switch {
	case r.Result != nil:
		return journal.Ended, since
	case r.Parked():
		return journal.Parked, since
	}
	s = journal.Running
	for i := range r.Requests {
		if p := &r.Requests[i]; r.Waits(p) {
			if first := timeOf(p.FirstSeen); s != journal.Waiting || first.Before(since) {
				since = first
			}
			s = journal.Waiting
		}
	}
	return s, since
}

// withoutText leaves out of a record what the Job said. It returns false where the
// record has no outcome, or one without text.
func withoutText(r *lifecycle.Record) bool {
	if r.Result == nil || r.Result.Output == "" && r.Result.Data == nil && r.Result.Messages.IsZero() {
		return false
	}
	res := *r.Result
	res.Output, res.Data, res.Messages = "", nil, lifecycle.Transcript{}
	r.Result, r.Note = &res, joinNotes(r.Note, "what the Job said was more than the journal takes, so it is not kept")
	return true
}

// closeOutcome is close, and leaves out what the journal does not keep of an outcome:
// many messages, and an output that would make the record larger than journals take.
// What cannot be put would be taken up again at every start.
func (l *ledger) closeOutcome(rec *lifecycle.Record) ([]byte, error) {
	r := *rec
	if r.Result == nil {
		return l.close(&r)
	}
	res := *r.Result
	r.Result = &res
	var messages lifecycle.Transcript
	var err error
	if res.Messages.Least() <= maxKept { // else writing them, for each attempt, is for nothing
		messages, err = res.Messages.Written()
	}
	switch {
	case err != nil: // a backend of the program's own has made what JSON cannot tell
		messages = lifecycle.Transcript{}
		r.Note = joinNotes(r.Note, "its messages could not be written, so the journal does not keep them: "+hitl.SafeLine(err.Error(), 300))
	case messages.Size() > maxKept:
		messages = lifecycle.Transcript{}
	}
	res.Messages = messages
	data, err := l.close(&r)
	if err == nil && len(data) > maxRecord && !res.Messages.IsZero() {
		res.Messages = lifecycle.Transcript{}
		data, err = l.close(&r)
	}
	if err == nil && len(data) > maxRecord {
		n := len(res.Output)
		res.Output, res.Data = "", nil
		r.Note = joinNotes(r.Note, fmt.Sprintf("its output of %d bytes is more than the journal keeps; Duvo has it", n))
		data, err = l.close(&r)
	}
	return data, err
}

// conflict reads what somebody else has put.
func (op *operation) conflict(f lifecycle.Save) (lifecycle.Event, error) {
	rec, found, err := op.eng.ledger.get(context.Background(), op.record)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return lifecycle.Conflict{Name: f.Name}, nil
	}
	theirs, err := op.recordOf(rec)
	if err != nil {
		return nil, err
	}
	op.logger(theirs.Job).Debug("duvotool: an operation was recorded by another process; going on from there")
	return lifecycle.Conflict{Name: f.Name, Record: theirs, Revision: rec.Revision}, nil
}

// load reads the record of the operation.
func (op *operation) load(f lifecycle.Load) lifecycle.Event {
	e := lifecycle.Loaded{Name: f.Name}
	if op.eng.ledger == nil {
		return e
	}
	rec, found, err := op.eng.ledger.get(context.Background(), op.record)
	if err != nil || !found {
		return e
	}
	if e.Record, err = op.recordOf(rec); err != nil {
		return lifecycle.Loaded{Name: f.Name}
	}
	e.Revision = rec.Revision
	return e
}

// keepBelongings keeps what belongs to an operation that ends now for as long as
// its outcome. It is there already, and new enough, unless the Job took long.
func (op *operation) keepBelongings(r *lifecycle.Record) {
	slack := op.eng.cfg.Retention / 10
	if time.Since(timeOf(r.StartedAt)) < slack {
		return
	}
	if err := op.eng.ledger.keep(context.Background(), r, time.Now().Add(-slack)); err != nil {
		op.logger(r.Job).Error("duvotool: writing to the journal", "error", hitl.SafeLine(err.Error(), 500))
	}
}
