package duvotool_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// auditLog keeps records, and fails on events of its choice.
type auditLog struct {
	mu      sync.Mutex
	records []audit.Record
	fail    audit.Event
	panics  bool
}

func (a *auditLog) Record(_ context.Context, r audit.Record) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Event == a.fail {
		if a.panics {
			panic("disk")
		}
		return errors.New("disk full")
	}
	a.records = append(a.records, r)
	return nil
}

func (a *auditLog) failOn(e audit.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fail = e
}

func TestAuditTellsTheStory(t *testing.T) {
	yes := true
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		log := &auditLog{}
		reg := discover(t, d.Client(), duvotool.WithAudit(log), duvotool.WithPolicy(hitl.FirstOf(
			hitl.AutoApprove(hitl.For(refundsID).TitleIs("other")),
			hitl.Forward(func(context.Context, hitl.Request) (hitl.Decision, error) {
				return hitl.Deny("kim@example.com", "too much"), nil
			}))))
		d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Kind: duvotest.ResetBefore})
		res, err := mustTool(reg, "refunds").Run(duvotool.WithCaller(t.Context(), hitl.Caller{User: "agent"}), "4711")
		require.NoError(t, err)
		require.Equal(t, []string{"requested", "decided denied not sent person", "sent denied not sent person", "failed denied sent person", "sent denied sent person", "delivered denied accepted person", "outcome completed"}, spaced(log))
		for _, r := range log.records {
			require.Equal(t, res.JobID, r.JobID)
			require.Equal(t, "agent", r.Caller.User)
			require.False(t, r.At.IsZero())
		}
		sent := log.records[2]
		require.Equal(t, "kim@example.com", sent.By)
		require.Equal(t, "too much", sent.Reason)
		require.Equal(t, "FirstOf[2] > Forward", sent.Path)
		require.Equal(t, res.Decisions[0].Digest, sent.Digest)
		require.False(t, sent.DecidedAt.IsZero() || sent.RequestedAt.IsZero())
	}, duvotest.WithAssignment(refunds))

	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		log := &auditLog{}
		reg := discover(t, d.Client(), duvotool.WithAudit(log), policy(func(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
			_ = d.AnswerElsewhere(r.JobID, duvo.Response{Approved: &yes})
			<-ctx.Done()
			return hitl.Decision{}, context.Cause(ctx)
		}))
		_, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.NoError(t, err)
		require.Equal(t, []string{"requested", "elsewhere elsewhere", "outcome completed"}, spaced(log))
	}, duvotest.WithAssignment(refunds))

	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		log := &auditLog{}
		reg := discover(t, d.Client(), duvotool.WithAudit(log), decide(hitl.Decision{}, errors.New("down")))
		_, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.Error(t, err)
		require.Equal(t, []string{"requested", "undecided"}, spaced(log))
		require.Equal(t, "down", log.records[1].Error)
	}, duvotest.WithAssignment(refunds))

	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		log := &auditLog{}
		reg := discover(t, d.Client(), duvotool.WithAudit(log), decide(hitl.Approve("kim", ""), nil))
		d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Kind: duvotest.StatusBefore, Status: 422})
		_, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.Error(t, err)
		require.Equal(t, []string{"failed approved sent policy", "delivered approved refused policy"}, spaced(log)[3:])
		require.Contains(t, log.records[3].Error, "422")
	}, duvotest.WithAssignment(refunds))

	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		log := &auditLog{}
		reg := discover(t, d.Client(), duvotool.WithAudit(log), decide(hitl.Approve("kim", ""), nil))
		d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Kind: duvotest.StatusBefore, Status: 401})
		_, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.NoError(t, err, "it is sent again once the credential is good")
		require.Equal(t, 2, d.Count("respondToHumanRequest"))
		require.Equal(t, []string{"failed approved not sent policy", "sent approved not sent policy", "delivered approved accepted policy", "outcome completed"}, spaced(log)[3:])
		require.Contains(t, log.records[3].Error, "check DUVO_API_KEY")
	}, duvotest.WithAssignment(refunds))
}

func spaced(a *auditLog) []string {
	var out []string
	for _, r := range a.records {
		var words []string
		for _, w := range []string{string(r.Event), r.Verdict, string(r.Delivery), string(r.Source), string(r.Outcome)} {
			if w != "" {
				words = append(words, w)
			}
		}
		out = append(out, strings.Join(words, " "))
	}
	return out
}

// A record that cannot be written before a response holds the response back, and
// what waits goes on by itself once it can be.
func TestFailedAuditSendsNothing(t *testing.T) {
	for _, event := range []audit.Event{audit.Requested, audit.Decided, audit.Sent} {
		for _, panics := range []bool{false, true} {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				log := &auditLog{fail: event, panics: panics}
				reg := discover(t, d.Client(), duvotool.WithAudit(log), decide(hitl.Approve("kim", ""), nil))
				var res *outcome.Result
				var err error
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					res, err = mustTool(reg, "refunds").Run(t.Context(), "4711")
				}()
				time.Sleep(2 * time.Hour)
				require.Zero(t, d.Count("respondToHumanRequest"))
				require.Equal(t, duvo.StatusWaiting, d.Jobs()[0].Status)
				log.failOn("")
				<-ended
				require.NoError(t, err)
				require.Equal(t, "refunded", res.Output)
				require.Equal(t, 1, d.Count("respondToHumanRequest"))
			}, duvotest.WithAssignment(refunds))
		}
	}
	for _, event := range []audit.Event{audit.Delivered, audit.Outcome} {
		emulated(t, func(t *testing.T, d *duvotest.Duvo) {
			reg := discover(t, d.Client(), duvotool.WithAudit(&auditLog{fail: event}), decide(hitl.Approve("kim", ""), nil))
			res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
			require.NoError(t, err, "what has happened has happened")
			require.Equal(t, "refunded", res.Output)
		}, duvotest.WithAssignment(refunds))
	}
}

// While the audit cannot be written nothing is started, also where nobody tries the
// record again that is missing; and it works again by itself.
func TestNothingStartsWithoutAnAudit(t *testing.T) {
	for _, event := range []audit.Event{audit.Requested, audit.Outcome} {
		for _, journaled := range []bool{false, true} {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				log := &auditLog{fail: event}
				opts := []duvotool.Option{duvotool.WithAudit(log), decide(hitl.Approve("kim", ""), nil)}
				if journaled {
					opts = append(opts, duvotool.WithJournal(journal.NewMemory()))
				}
				reg := discover(t, d.Client(), opts...)
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					_, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
					require.NoError(t, err)
				}()
				time.Sleep(time.Hour)
				for range 3 {
					_, err := mustTool(reg, "refunds").Run(duvotool.WithOperationKey(t.Context(), "k"), "4712")
					require.ErrorIs(t, err, audit.ErrWrite)
				}
				require.Equal(t, 1, d.Count("startRun"))
				log.failOn("")
				if event == audit.Requested { // tried again by who waits
					time.Sleep(time.Minute)
				}
				_, err := mustTool(reg, "refunds").Run(duvotool.WithOperationKey(t.Context(), "k"), "4712")
				require.NoError(t, err)
				<-ended
				require.Equal(t, 2, d.Count("startRun"))
				var story []string
				for _, r := range log.records {
					if r.JobID == d.Jobs()[0].ID {
						story = append(story, string(r.Event))
					}
				}
				require.Equal(t, []string{"requested", "decided", "sent", "delivered", "outcome"}, story, "none is missing, and none is there twice")
			}, duvotest.WithAssignment(refunds))
		}
	}
}

// readyLog tells whether it can be written.
type readyLog struct {
	auditLog
	err error
}

func (r *readyLog) Ready(context.Context) error { return r.err }

// A log that tells by itself that it cannot be written lets nothing be started.
func TestAnAuditThatIsNotReady(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		log := &readyLog{err: audit.ErrUnavailable}
		reg := discover(t, d.Client(), duvotool.WithAudit(log), decide(hitl.Approve("kim", ""), nil))
		_, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.ErrorIs(t, err, audit.ErrWrite)
		require.ErrorIs(t, err, audit.ErrUnavailable)
		require.Zero(t, d.Count("startRun"))
		log.err = nil
		_, err = mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.NoError(t, err)
	}, duvotest.WithAssignment(refunds))
}

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
