package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/errtext"
)

// Decision is the decision that a record tells of, as it was made; false where it is of
// another event.
func (r Record) Decision() (d hitl.Decision, ok bool) {
	if r.Event != Decided || d.Verdict.UnmarshalText([]byte(r.Verdict)) != nil {
		return hitl.Decision{}, false
	}
	d.By, d.Reason, d.Source, d.Path = r.By, r.Reason, r.Source, r.Path
	d.Answers, d.People, d.Proofs = r.Answers, r.People, r.Proofs
	return d.Clone(), true
}

// VerifyProofs tells whether the record of a decision shows that those whom it names
// decided so about the request of its digests, and, where it holds the request, that
// this is the one. See [hitl.RequireProof]; what wraps [hitl.ErrCannotVerify] says that
// this cannot be told now.
func (r Record) VerifyProofs(ctx context.Context, verify hitl.Verifier) error {
	d, ok := r.Decision()
	if !ok {
		return errors.New("it is no decision")
	}
	if err := r.sameRequest(); err != nil {
		return err
	}
	return d.CheckProofs(ctx, r.Digest, r.Content, verify)
}

// sameRequest tells where the request that a record holds is another than the record's.
func (r Record) sameRequest() error {
	q := r.Request
	if q == nil {
		return nil
	}
	for _, c := range []struct{ what, have, want string }{
		{"text", q.Digest(), r.Digest}, {"content", q.ContentDigest(), r.Content}, {"title", q.Title, r.Title}, {"kind", string(q.Kind), string(r.Kind)},
		{"Job", q.JobID, r.JobID}, {"ID", q.ID, r.RequestID}, {"Assignment", q.Assignment.ID, r.AssignmentID},
	} {
		if c.have != c.want && !(c.what == "Assignment" && strings.EqualFold(c.have, c.want)) {
			return fmt.Errorf("the %s of the request in the record is not the one that was decided about", c.what)
		}
	}
	return nil
}

// VerifyProofs reads an audit file as [Read] does, and verifies each decision that has
// proofs, and each approval and answer of which needed tells that it should; nil: no
// other. It returns how many were good, and what is wrong with each of the others, by
// their lines; where a line does not follow the one before it ends there. That nothing is missing at the end
// shows by [Verify], with a head that was kept elsewhere.
//
// A proof shows that its person decided so about the text of the record's digest. What
// else the record holds, such as when, only the lines' order guards.
func VerifyProofs(ctx context.Context, r io.Reader, verify hitl.Verifier, needed func(Record) bool) (good int, err error) {
	var errs []error
	for e, err := range Read(r) {
		if err != nil {
			errs = append(errs, err)
			break
		}
		if e.Erased && needed != nil && e.grants() && needed(e.Record) {
			errs = append(errs, errtext.Errorf("duvotool: the audit file: line %d: %w: its proofs were erased with its texts", e.Line, hitl.ErrCannotVerify))
			continue
		}
		if len(e.Proofs) == 0 && (needed == nil || !e.grants() || !needed(e.Record)) {
			continue
		}
		if err := e.VerifyProofs(ctx, verify); err != nil {
			if errs = append(errs, errtext.Errorf("duvotool: the audit file: line %d: %w", e.Line, err)); len(errs) >= maxTold {
				break
			}
			continue
		}
		good++
	}
	return good, errors.Join(errs...)
}

// grants reports whether a decision let its Job go on.
func (r Record) grants() bool {
	d, ok := r.Decision()
	return ok && (d.Verdict == hitl.Approved || d.Verdict == hitl.Answered)
}

// maxTold bounds how many bad proofs are told.
const maxTold = 100

// Switches records who puts approvals on hold and ends it: for [hitl.NewHold].
func Switches(l Log) func(context.Context, hitl.HoldState) error {
	return func(ctx context.Context, s hitl.HoldState) error {
		r := Record{Event: Released, At: s.At, By: s.By, Reason: s.Reason, Source: hitl.SourcePerson}
		if s.On {
			r.Event = Held
		}
		return l.Record(ctx, r)
	}
}
