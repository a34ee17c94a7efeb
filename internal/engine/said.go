package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

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

// say notes the message of a follow-up before it is posted, and takes in what
// others have said meanwhile. It fails if with the message it would be more than
// anybody can check.
func (op *operation) say(rec *lifecycle.Record) error {
	if op.hosted != nil {
		return nil // it has the turn of the Job, and has just counted what was said to it
	}
	f, own := rec.Order.After, rec.Message().Added
	if err := op.followsRecorded(f); err != nil {
		return err
	}
	return op.eng.ops.say(rec.Job, func(s said) (said, error) {
		if s.has(op.name()) {
			s.Added = s.with(own)
			return s, nil
		}
		added := own
		if others := othersSaid(own, f.Text, s); others != "" {
			added = others + turnBreak + f.Text
		}
		if limit := op.work.Settings.MaxInput; len(added) > limit {
			return said{}, &outcome.InputError{Tool: op.work.Name, Problem: tooMuchSaid(rec.Job, len(added), limit)}
		}
		s.Added, s.Turns = added, append(slices.Clone(s.Turns), turn{op.name(), f.Text})
		return s, nil
	})
}

// followsRecorded returns nil unless the outcome of the operation that is followed was
// told to somebody and is not recorded: whoever takes that operation up would read what
// the Job does about our message, and tell it as that outcome.
func (op *operation) followsRecorded(f *lifecycle.FollowUp) error {
	o, l := op.eng.ops, op.eng.ledger
	if l == nil {
		return nil
	}
	o.mu.Lock()
	before := o.byKey[slot{op.order.Caller.Tenant, f.Turn}]
	o.mu.Unlock()
	told, recorded := f.HasResult, false
	if before != nil {
		s := before.latest()
		told, recorded = told || s.Record.Result != nil, s.Record.Result != nil && !s.Live.Dirty
	}
	if !told || recorded {
		return nil
	}
	rec, found, err := l.find(context.Background(), opRecord, op.order.Caller.Tenant, f.Turn)
	if err != nil || !found { // it was forgotten since, or was never in the journal
		return err
	}
	r, err := op.eng.recordOf(rec)
	if err != nil {
		return err
	}
	if r.Result == nil {
		return fmt.Errorf("what Job %s came to is not recorded yet, so nothing was said to it", hitl.SafeLine(f.Job, 64))
	}
	return nil
}

// othersSaid returns what others have said, with what the Job does not tell of yet,
// or never will. added is what the Job told, and the own message at its end.
func othersSaid(added, own string, s said) string {
	all := strings.TrimSuffix(strings.TrimSuffix(added, own), turnBreak)
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

// saidBefore returns what was said to the Job up to a request, if that need not be looked
// up: it is recorded and reads as it did, it is asked about already, or there is no
// journal. What others have noted since they have not said: no message is posted to a Job
// that waits.
func (op *operation) saidBefore(r *run, q duvo.HumanRequest) (added string, known bool) {
	s, request := op.latest(), q.ID
	if op.hosted != nil {
		return s.Record.Message().Added, true
	}
	if p := s.Record.Request(request); p != nil && !p.Gone {
		q.ID = p.ID // in whatever case it is told now
		if hitl.Digest(s.Record.Job, p.Added, q) == p.Digest {
			return p.Added, true
		}
	}
	if op.eng.ledger == nil {
		all, _, _ := op.eng.ops.said(s.Record.Job) // it takes no time
		return all.with(s.Record.Message().Added), true
	}
	p := s.Record.Request(request)
	if p == nil || p.Gone {
		return "", false
	}
	a, _ := s.Live.Ask(p.ID)
	if p.Stage == lifecycle.Unasked && a.Turn == 0 && !a.Suspended {
		return "", false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	added, known = r.extrasLocked().saidBefore[strings.ToLower(request)]
	return added, known // a message is posted to no Job that waits
}

// lookUpSaid looks up what was said to the Job up to now, by whichever operation.
func (op *operation) lookUpSaid(r *run, request string) (string, error) {
	rec := op.known()
	all, _, err := op.eng.ops.said(rec.Job)
	if err != nil {
		return "", err
	}
	added := all.with(rec.Message().Added)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moreLocked().saidBefore = map[string]string{strings.ToLower(request): added}
	return added, nil
}
