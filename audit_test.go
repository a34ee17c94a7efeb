package duvotool_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
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
