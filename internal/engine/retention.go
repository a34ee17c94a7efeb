package engine

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/journal"
)

// forget deletes what the journal need not hold any more. What belongs to an
// operation that is not done is first put anew, also what would be old enough a
// while from now.
func (l *ledger) forget(before time.Time, slack time.Duration, open func(journal.Record) (*lifecycle.Record, error), log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	l.witness.forget(before)
	err := l.keepAll(ctx, before.Add(slack), open)
	if err == nil {
		err = l.safely(ctx, func() error {
			_, err := l.journal.Forget(ctx, before)
			return err
		})
	}
	if err != nil {
		log.Error("duvotool: forgetting old records of the journal", "error", hitl.SafeLine(err.Error(), 500))
	}
}

// keepAll keeps what belongs to operations that are not done from being forgotten
// before them.
func (l *ledger) keepAll(ctx context.Context, before time.Time, open func(journal.Record) (*lifecycle.Record, error)) error {
	for rec, err := range l.unfinished(ctx) {
		if err != nil {
			return err
		}
		r, err := open(rec)
		if err == nil {
			err = l.keep(ctx, r, before)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keep puts anew what belongs to an operation, where it was put before a time.
func (l *ledger) keep(ctx context.Context, r *lifecycle.Record, before time.Time) error {
	touch := func(kind string, parts ...string) error {
		rec, found, err := l.find(ctx, kind, parts...)
		if err != nil || !found || !rec.At.Before(before) {
			return err
		}
		if _, err = l.put(rec); errors.Is(err, journal.ErrConflict) {
			return nil // somebody else does the same
		}
		return err
	}
	o := r.Order
	var errs []error
	if r.Job != "" && o.After == nil {
		errs = append(errs, touch(holderRecord, strings.ToLower(r.Job)))
	}
	if r.Job != "" {
		errs = append(errs, touch(saidRecord, strings.ToLower(r.Job)))
	}
	if o.Own != "" {
		errs = append(errs, touch(aliasRecord, o.Caller.Tenant, o.Own))
	}
	if o.Handle != "" {
		errs = append(errs, touch(handleRecord, o.Handle))
	}
	for _, q := range r.Requests {
		errs = append(errs, touch(claimRecord, claimOf(r.Job, q.ID)...))
		if about := spelledClaimOf(r.Job, q.ID); about != nil {
			errs = append(errs, touch(claimRecord, about...))
		}
	}
	return errors.Join(errs...)
}
