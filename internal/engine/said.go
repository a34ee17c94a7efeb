package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// said is what all operations together have said to a Job since its start. It is
// written before a message is posted, by compare-and-set, so that each operation on
// the Job, whichever of them asks its policy next, tells it of the message: a Job
// that its starter still watches, or takes up again, may wait because of what
// another call has said to it. A message that was not sent in the end may be among
// them, none that was sent is missing.
type said struct {
	Added string    `json:"added"` // as followUp.Added of the latest
	Turns []turn    `json:"turns"`
	Open  *openTurn `json:"open,omitempty"` // the latest; nil: none, or no journal
	at    time.Time // when it was put, where there is no journal
}

// A turn is one message and the operation that says it.
type turn struct {
	Operation string `json:"operation"` // its name
	Message   string `json:"message"`
}

// has reports whether an operation's message is in it.
func (s *said) has(operation string) bool {
	return slices.ContainsFunc(s.Turns, func(t turn) bool { return t.Operation == operation })
}

// includes reports whether all of part is in the whole, both made of messages with
// turnBreak between them.
func includes(whole, part string) bool {
	return strings.Contains(turnBreak+whole+turnBreak, turnBreak+part+turnBreak)
}

// with returns what an operation's own knowledge and the common one come to.
func (s *said) with(own string) string {
	switch {
	case own == "" || includes(s.Added, own):
		return s.Added
	case s.Added == "" || includes(own, s.Added):
		return own
	}
	return s.Added + turnBreak + own
}

// said returns what was said to a Job; the zero value if nothing is known.
func (o *operations) said(jobID string) (s said, rec journal.Record, err error) {
	id := strings.ToLower(jobID)
	l := o.eng.ledger
	if l == nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		if now := o.saidTo[id]; now != nil {
			s = *now
		}
		return s, journal.Record{}, nil
	}
	rec, found, err := l.find(context.Background(), saidRecord, id)
	if err == nil && found {
		err = l.open(rec, &s)
	}
	if !found {
		rec = journal.Record{Key: l.names(saidRecord, id)[0], Done: true}
	}
	return s, rec, err
}

// say notes what an operation is about to say to a Job. change gets what was said
// up to then and returns what it comes to; an error ends it.
func (o *operations) say(jobID string, change func(said) (said, error)) error {
	l := o.eng.ledger
	if l == nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		id := strings.ToLower(jobID)
		now := said{}
		if s := o.saidTo[id]; s != nil {
			now = *s
		}
		now, err := change(now)
		if err != nil {
			return err
		}
		if o.saidTo == nil {
			o.saidTo = map[string]*said{}
		}
		now.at = time.Now()
		o.saidTo[id] = &now
		return nil
	}
	for range 5 { // others may talk to it at once
		s, rec, err := o.said(jobID)
		if err != nil {
			return err
		}
		if s, err = change(s); err != nil {
			return err
		}
		if rec.Data, err = l.close(s); err == nil {
			_, err = l.put(rec)
		}
		if !errors.Is(err, journal.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("%w: what was said to a Job changes all the time", journal.ErrFailed)
}

// forgetSaid forgets what was said to Jobs that no operation here is about, long
// ago. Called with mu held.
func (o *operations) forgetSaid() {
	if len(o.saidTo) == 0 {
		return
	}
	about := map[string]bool{}
	for _, op := range o.byKey {
		op.mu.Lock()
		about[strings.ToLower(op.jobID)] = true
		op.mu.Unlock()
	}
	for id, s := range o.saidTo {
		if !about[id] && time.Since(s.at) > o.retention {
			delete(o.saidTo, id)
		}
	}
}

// say notes the message of a follow-up before it is posted, and takes in what
// others have said meanwhile. It returns false if the run has ended, because with
// the message it would be more than anybody can check, or because that cannot be
// noted.
func (op *operation) say() bool {
	f := op.job.followUp
	var added string
	err := op.eng.ops.say(op.job.id, func(s said) (said, error) {
		added = f.Added
		if s.has(op.name()) {
			added = s.with(f.Added)
			s.Added = added
			return s, nil
		}
		if others := f.others(s); others != "" {
			added = others + turnBreak + f.Message
		}
		if limit := op.work.Settings.MaxInput; len(added) > limit {
			return said{}, &outcome.InputError{Tool: op.work.Name, Problem: fmt.Sprintf("with this message %d bytes would have been added to Job %s since its start, and at most %d are allowed; start a new Job",
				len(added), hitl.SafeLine(op.job.id, 64), limit)}
		}
		s.Added, s.Turns = added, append(slices.Clone(s.Turns), turn{op.name(), f.Message})
		return s, nil
	})
	var tooMuch *outcome.InputError
	switch {
	case errors.As(err, &tooMuch):
		op.failAs(err)
		return false
	case err != nil:
		op.fail(err)
		return false
	}
	f.Added = added
	op.addedNow(added)
	return true
}

// others returns what others have said, with what the Job does not tell of yet, or
// never will.
func (f *followUp) others(s said) string {
	all := strings.TrimSuffix(strings.TrimSuffix(f.Added, f.Message), turnBreak)
	told := turnBreak + all + turnBreak
	for _, t := range s.Turns {
		one := turnBreak + t.Message + turnBreak
		if strings.Contains(told, one) {
			told = strings.Replace(told, one, turnBreak, 1) // it stands for one message, not for two alike
			continue
		}
		all = strings.TrimPrefix(all+turnBreak+t.Message, turnBreak)
	}
	return all
}

// hear takes in what was said to the Job up to now, by whichever operation, before
// its policy is asked about the request with this ID. It returns false if the run
// has ended because that cannot be known.
func (op *operation) hear(requestID string) bool {
	s := &op.job
	if p := s.requests[requestID]; s.heardFor == requestID && p != nil && !p.gone && p.stage != stageNew {
		return true // a message is posted to no Job that waits
	}
	all, _, err := op.eng.ops.said(s.id)
	if err != nil {
		op.fail(fmt.Errorf("what was said to the Job since its start is not known, so nothing is decided about it: %w", err))
		return false
	}
	s.heardFor = requestID
	op.addedNow(all.with(s.followUp.added()))
	return true
}

// addedNow notes what messages have added to the Job.
func (op *operation) addedNow(added string) {
	op.job.added = added
	op.mu.Lock()
	defer op.mu.Unlock()
	op.added = added
}

// addedSoFar returns what messages have added to the Job, as far as it is known.
func (s *jobState) addedSoFar() string {
	if s.heardFor == "" && s.added == "" {
		return s.followUp.added()
	}
	return s.added
}
