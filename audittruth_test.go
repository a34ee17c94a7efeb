package duvotool_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// storing is a journal whose first put of a decision is stored, or not, and
// answered with an error all the same.
type storing struct {
	journal.Journal
	stored bool
	err    error
	before func()
	hit    bool
}

func (j *storing) Put(ctx context.Context, r journal.Record) (uint64, error) {
	if j.hit || !strings.Contains(string(r.Data), `"stage":"decided"`) {
		return j.Journal.Put(ctx, r)
	}
	j.hit = true
	if j.before != nil {
		j.before()
	}
	if j.stored {
		if _, err := j.Journal.Put(ctx, r); err != nil {
			return 0, err
		}
	}
	return 0, j.err
}

// truthful holds the audit log against itself and against what the emulator saw:
// no decision of which it says that it does not count is sent.
func truthful(t *testing.T, log *auditLog, d *duvotest.Duvo) {
	type decision struct {
		at time.Time
		by string
	}
	void, sent := map[decision]bool{}, map[decision]audit.Record{}
	for _, r := range log.records {
		of := decision{r.DecidedAt, r.By}
		switch {
		case r.Event == audit.Failed && strings.Contains(r.Error, "does not count"):
			void[of] = true
		case r.Event == audit.Sent:
			require.False(t, void[of], "sent, though it does not count: %+v", r)
			sent[of] = r
		}
	}
	var bodies []bool
	for _, r := range d.Requests() {
		if r.Op == "respondToHumanRequest" {
			var b struct{ Approved bool }
			require.NoError(t, json.Unmarshal(r.Body, &b))
			bodies = append(bodies, b.Approved)
		}
	}
	require.Len(t, bodies, 1)
	require.Len(t, sent, 1)
	for of, r := range sent {
		require.Equal(t, r.Verdict == "approved", bodies[0])
		require.False(t, void[of], "sent, and void later")
	}
}

// What is recorded though the journal said that it is not is not called void, and
// what is void is called so.
func TestAuditOfDecisionsInDoubt(t *testing.T) {
	for name, c := range map[string]struct {
		stored  bool
		err     error
		says    string // the audit of the first decision
		decided int    // how often the policy decides
	}{
		"stored, and an error":      {true, errors.New("timeout"), "not known whether the decision counts", 1},
		"not stored, and an error":  {false, errors.New("disk full"), "not known whether the decision counts", 2},
		"stored, and it comes last": {true, journal.ErrConflict, "", 1}, // as a client that tries again tells
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(slowRefunds))
				defer d.Close()
				log := &auditLog{}
				j := &storing{Journal: journal.NewMemory(), stored: c.stored, err: c.err}
				reg := open(t, d.Client(), j, duvotool.WithAudit(log), approveAfter(time.Second, nil))
				defer shut(t, reg)
				res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "1 EUR")
				require.NoError(t, err, "what waits stays pending until the journal holds it")
				require.Equal(t, "refunded 1 EUR", res.Output)
				decided, failed := 0, ""
				for _, r := range log.records {
					switch r.Event {
					case audit.Decided:
						decided++
					case audit.Failed:
						failed += r.Error
					}
				}
				require.Equal(t, c.decided, decided)
				require.Contains(t, failed, c.says)
				require.Equal(t, c.says == "", failed == "")
				truthful(t, log, d)
			})
		})
	}
}

// Of two processes that decide one request the audit of both says which decision
// was sent, and a person who decided through the registry is told the same.
func TestAuditOfTwoDeciders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		log := &auditLog{} // one for both
		j := &storing{Journal: journal.NewMemory(), stored: true}
		a := open(t, d.Client(), j, duvotool.WithAudit(log), approveAfter(time.Minute, nil))
		b := open(t, d.Client(), j, duvotool.WithAudit(log), decide(hitl.Suspend(), nil))
		defer shut(t, b)
		defer shut(t, a)
		j.before = func() { // a is about to record its own
			require.NoError(t, b.Decide(t.Context(), b.Pending()[0], hitl.Deny("kim", "no")))
		}
		ctx := duvotool.WithOperationKey(t.Context(), "k")
		done := make(chan error)
		go func() { _, err := a.All()[0].Run(ctx, "1 EUR"); done <- err }()
		time.Sleep(40 * time.Second)
		_, err := b.All()[0].Run(ctx, "1 EUR")
		require.NoError(t, err)
		require.NoError(t, <-done)
		void := 0
		for _, r := range log.records {
			if strings.Contains(r.Error, "does not count") {
				void++
				require.Equal(t, "approved", r.Verdict)
			}
		}
		require.Equal(t, 1, void)
		truthful(t, log, d)
	})
}

// A person whose decision was recorded by a put that came second is not told that
// somebody else has decided.
func TestDecideWhatCountsAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		log := &auditLog{}
		j := &storing{Journal: journal.NewMemory(), stored: true, err: journal.ErrConflict}
		reg := open(t, d.Client(), j, duvotool.WithAudit(log), decide(hitl.Suspend(), nil))
		defer shut(t, reg)
		_, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "1 EUR")
		require.NoError(t, err)
		require.NoError(t, reg.Decide(t.Context(), reg.Pending()[0], hitl.Approve("kim", "")))
		require.NoError(t, reg.Wait(t.Context()))
		truthful(t, log, d)
	})
}
