package duvotool_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
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

// sentAfter counts the requests that changed something and came after a time.
func sentAfter(d *duvotest.Duvo, at time.Time) (out []string) {
	for _, r := range d.Requests() {
		if r.Method != http.MethodGet && r.At.After(at) {
			out = append(out, r.Op)
		}
	}
	return out
}

// Close with calls that wait for their turn starts none of them, each Job that ends
// or is let go making room for the next.
func TestCloseStartsNoneOfTheQueue(t *testing.T) {
	for name, opts := range map[string][]duvotool.Option{
		"at once":                 nil,
		"draining":                {duvotool.DrainOnClose(time.Hour)},
		"at once, per Assignment": {duvotool.WithAssignmentLimit(4)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(slowRefunds))
				defer d.Close()
				reg := open(t, d.Client(), journal.NewMemory(), append(opts, duvotool.WithJobLimit(5), approveAfter(time.Second, nil))...)
				var wg sync.WaitGroup
				var done atomic.Int64
				for i := range 120 {
					wg.Go(func() {
						_, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), fmt.Sprint(i)), fmt.Sprint(i))
						if err == nil {
							done.Add(1)
							return
						}
						require.ErrorIs(t, err, outcome.ErrClosed)
					})
				}
				time.Sleep(10 * time.Second)
				started, at := d.Count("startRun"), time.Now()
				shut(t, reg)
				wg.Wait()
				require.Equal(t, started, d.Count("startRun"))
				for _, op := range sentAfter(d, at) {
					require.Equal(t, "respondToHumanRequest", op)
				}
				if name == "draining" {
					require.EqualValues(t, started, done.Load(), "what was started has ended")
					require.Equal(t, started, d.Count("respondToHumanRequest"))
				} else {
					require.Empty(t, sentAfter(d, at))
				}
			})
		})
	}
}

// laggard is a journal whose puts take a while.
type laggard struct {
	journal.Journal
	lag atomic.Int64
}

func (l *laggard) Put(ctx context.Context, r journal.Record) (uint64, error) {
	time.Sleep(time.Duration(l.lag.Load()))
	return l.Journal.Put(ctx, r)
}

// What waits for a slow journal when Close is called, or is about to be, is not sent
// once that has written: neither a start, nor a response, nor a follow-up, nor the stop
// of a caller who has left.
func TestCloseWithASlowJournal(t *testing.T) {
	for name, c := range map[string]struct {
		slow time.Duration // from when on the journal is
		drop time.Duration // when the caller leaves; zero: not
		opts []duvotool.Option
	}{
		"a start":                {0, 0, nil},
		"a start, draining":      {0, 0, []duvotool.Option{duvotool.DrainOnClose(time.Minute)}},
		"a response":             {19 * time.Second, 0, nil},
		"the stop of a caller":   {10 * time.Second, 15 * time.Second, []duvotool.Option{duvotool.StopOn(outcome.Cancelled)}},
		"the caller leaves":      {19 * time.Second, 21 * time.Second, nil},
		"a start, a caller left": {0, time.Second, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(slowRefunds))
				defer d.Close()
				j := &laggard{Journal: journal.NewMemory()}
				reg := open(t, d.Client(), j, append(c.opts, approveAfter(0, nil))...)
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				var wg sync.WaitGroup
				time.AfterFunc(c.slow, func() { j.lag.Store(int64(9 * time.Second)) })
				if c.drop > 0 {
					time.AfterFunc(c.drop, leave)
				}
				synctest.Wait()
				wg.Go(func() {
					_, err := reg.All()[0].Run(duvotool.WithOperationKey(ctx, "k"), "1 EUR")
					require.Error(t, err)
				})
				time.Sleep(c.slow + 6*time.Second)
				at := time.Now()
				shut(t, reg)
				wg.Wait()
				require.Empty(t, sentAfter(d, at))
				time.Sleep(time.Minute)
				require.Empty(t, sentAfter(d, at))
			})
		})
	}
}

// Draining waits for Jobs, and not for people: what was put off, is left to others or
// takes its policy long is let go, and taken up by the next process.
func TestDrainingWaitsForNoPeople(t *testing.T) {
	for name, c := range map[string]struct {
		policy duvotool.ToolOption
		most   time.Duration // that Close takes
		ends   bool          // the Job ends before it returns
	}{
		"a policy that decides":  {approveAfter(5*time.Second, nil), 30 * time.Second, true},
		"a policy that is slow":  {approveAfter(time.Hour, nil), 11 * time.Second, false},
		"a decision put off":     {decide(hitl.Suspend(), nil), time.Second, false},
		"it is left to others":   {duvotool.WithPolicy(hitl.LeaveToDuvo()), time.Second, false},
		"nobody could be asked":  {decide(hitl.Decision{Source: hitl.SourceNobody}, nil), time.Second, false},
		"the Job has work to do": {approveAfter(0, nil), 30 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(slowRefunds))
				defer d.Close()
				j := journal.NewMemory()
				reg := open(t, d.Client(), j, duvotool.DrainOnClose(time.Hour), c.policy)
				var wg sync.WaitGroup
				wg.Go(func() { _, _ = reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "1 EUR") })
				time.Sleep(26 * time.Second) // the request was shown
				at := time.Now()
				require.NoError(t, reg.Close(t.Context()))
				wg.Wait()
				require.LessOrEqual(t, time.Since(at), c.most)
				require.Equal(t, c.ends, d.Jobs()[0].Status == duvo.StatusCompleted)
				if c.ends {
					return
				}
				next := open(t, d.Client(), j, approveAfter(0, nil))
				if name == "it is left to others" {
					yes := true
					require.NoError(t, d.AnswerElsewhere(d.Jobs()[0].ID, duvo.Response{Approved: &yes}))
				}
				res, err := next.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "1 EUR")
				require.NoError(t, err)
				if name == "nobody could be asked" {
					require.Equal(t, outcome.OutcomePending, res.Outcome)
				} else {
					require.Equal(t, "refunded 1 EUR", res.Output)
				}
				shut(t, next)
			})
		})
	}
}

// A request that a Job makes while it is drained is answered as ever.
func TestARequestWhileDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		reg := open(t, d.Client(), journal.NewMemory(), duvotool.DrainOnClose(time.Hour), approveAfter(8*time.Second, nil))
		var wg sync.WaitGroup
		wg.Go(func() {
			res, err := reg.All()[0].Run(t.Context(), "1 EUR")
			require.NoError(t, err)
			require.Equal(t, "refunded 1 EUR", res.Output)
		})
		time.Sleep(5 * time.Second) // long before it asks
		require.NoError(t, reg.Close(t.Context()))
		wg.Wait()
	})
}

// Callers who leave while their Jobs are drained are not waited for.
func TestACallerLeavesWhileDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		reg := open(t, d.Client(), journal.NewMemory(), duvotool.DrainOnClose(time.Hour), approveAfter(0, nil))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := reg.All()[0].Run(ctx, "1 EUR")
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
		time.Sleep(5 * time.Second)
		at := time.Now()
		require.NoError(t, reg.Close(t.Context()))
		wg.Wait()
		require.LessOrEqual(t, time.Since(at), 6*time.Second)
		require.Zero(t, d.Count("respondToHumanRequest"))
	})
}

// While it drains a registry takes webhooks, which make the end come sooner; then it
// refuses them.
func TestWebhooksWhileDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		d.InjectWebhook(duvotest.WebhookFault{Times: -1, Drop: true}) // the test delivers
		reg := open(t, d.Client(), journal.NewMemory(), duvotool.DrainOnClose(time.Hour), approveAfter(0, nil),
			duvotool.WithPollInterval(10*time.Minute), duvotool.WithWebhook("https://example.com/hook", "a secret of the hook"))
		var wg sync.WaitGroup
		wg.Go(func() {
			res, err := reg.All()[0].Run(t.Context(), "1 EUR")
			require.NoError(t, err)
			require.Equal(t, "refunded 1 EUR", res.Output)
		})
		hook := func() int {
			body, _ := json.Marshal(map[string]string{"event": "run_completed", "run_id": d.Jobs()[0].ID})
			return deliver(reg, delivery(time.Now(), "a secret of the hook", fmt.Sprint(time.Now()), string(body)))
		}
		time.Sleep(25 * time.Second) // it waits, and nobody has read that
		at := time.Now()
		closed := make(chan error)
		go func() { closed <- reg.Close(t.Context()) }()
		synctest.Wait()
		require.Equal(t, http.StatusNoContent, hook())
		time.Sleep(25 * time.Second)
		require.Equal(t, http.StatusNoContent, hook())
		require.NoError(t, <-closed)
		wg.Wait()
		require.Less(t, time.Since(at), time.Minute)
		require.Equal(t, http.StatusServiceUnavailable, hook())
	})
}

// Close from what the registry calls would wait for itself: it says so and does all
// the rest.
func TestCloseFromCallbacks(t *testing.T) {
	type made struct {
		reg  *duvotool.Registry
		errs chan error
	}
	within := func(m *made) {
		if m.reg != nil && len(m.errs) == 0 {
			m.errs <- m.reg.Close(context.Background())
		}
	}
	for name, opts := range map[string]func(m *made) []duvotool.Option{
		"policy": func(m *made) []duvotool.Option {
			return []duvotool.Option{policy(func(context.Context, hitl.Request) (hitl.Decision, error) {
				within(m)
				return hitl.Approve("ops", ""), nil
			})}
		},
		"policy ": func(m *made) []duvotool.Option { // in a goroutine of a combinator
			return []duvotool.Option{duvotool.WithPolicy(hitl.Escalate(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
				within(m)
				return hitl.Approve("ops", ""), nil
			})))}
		},
		"the observer": func(m *made) []duvotool.Option {
			return []duvotool.Option{decide(hitl.Approve("ops", ""), nil), duvotool.WithObserver(func(outcome.Event) { within(m) })}
		},
		"audit log": func(m *made) []duvotool.Option {
			return []duvotool.Option{decide(hitl.Approve("ops", ""), nil), duvotool.WithAudit(auditing(func() { within(m) }))}
		},
		"journal": func(m *made) []duvotool.Option {
			return []duvotool.Option{decide(hitl.Approve("ops", ""), nil), duvotool.WithJournal(&calling{journal.NewMemory(), func() { within(m) }})}
		},
	} {
		for _, drain := range []time.Duration{0, time.Hour} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := duvotest.New(duvotest.WithAssignment(refunds))
					defer d.Close()
					m := &made{errs: make(chan error, 1)}
					reg, err := duvotool.Discover(t.Context(), d.Client(), append(opts(m), duvotool.DrainOnClose(drain))...)
					require.NoError(t, err)
					m.reg = reg
					begun := time.Now()
					_, _ = reg.All()[0].Run(t.Context(), "1 EUR")
					err = <-m.errs
					require.ErrorContains(t, err, "Close was called by "+name)
					require.ErrorContains(t, err, "call it from elsewhere")
					require.Less(t, time.Since(begun), time.Minute)
					_, err = reg.All()[0].Run(t.Context(), "1 EUR")
					require.ErrorIs(t, err, outcome.ErrClosed)
					require.NoError(t, reg.Close(t.Context()))
				})
			})
		}
	}
}

type auditing func()

func (f auditing) Record(context.Context, audit.Record) error { f(); return nil }

type calling struct {
	journal.Journal
	put func()
}

func (j *calling) Put(ctx context.Context, r journal.Record) (uint64, error) {
	j.put()
	return j.Journal.Put(ctx, r)
}

// A policy of one registry may close another.
func TestAPolicyClosesAnotherRegistry(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		other := discover(t, d.Client())
		reg := discover(t, d.Client(), policy(func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
			return hitl.Approve("ops", ""), other.Close(ctx)
		}))
		res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.NoError(t, err)
		require.Equal(t, "refunded", res.Output)
	}, duvotest.WithAssignment(refunds))
}

// Wait from a policy would wait for itself, and from an observer it does not.
func TestWaitFromCallbacks(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		var reg *duvotool.Registry
		told := make(chan error, 1)
		reg = discover(t, d.Client(), policy(func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
			require.ErrorContains(t, reg.Wait(context.Background()), "Wait was called by policy")
			return hitl.Approve("ops", ""), nil
		}), duvotool.WithObserver(func(e outcome.Event) {
			if e.Kind == outcome.EventStarted {
				told <- reg.Wait(context.Background())
			}
		}))
		res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.NoError(t, err)
		require.Equal(t, "refunded", res.Output)
		require.NoError(t, <-told)
	}, duvotest.WithAssignment(refunds))
}

// Events that a slow observer was not told when Close gives up waiting are counted,
// also where something else is waited for in vain.
func TestCloseTellsOfEventsThatAreLost(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		release, told := make(chan struct{}), 0
		reg := discover(t, d.Client(), duvotool.WithObserver(func(outcome.Event) { <-release; told++ }), policy(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
			if r.Input == "deaf" {
				<-release
			}
			return hitl.Approve("ops", ""), nil
		}))
		_, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.NoError(t, err)
		go func() { _, _ = mustTool(reg, "refunds").Run(t.Context(), "deaf") }()
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = reg.Close(ctx)
		require.ErrorContains(t, err, "policy hitl.PolicyFunc (1)")
		close(release)
		require.NoError(t, reg.Close(t.Context()))
		require.ErrorContains(t, err, fmt.Sprintf("the observer has not been told everything: %d events wait or are being told", told))
	}, duvotest.WithAssignment(refunds))
}

// After Close a decision is refused as everything is.
func TestDecideAfterClose(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := suspending(t, d)
		_, err := mustTool(reg, "refunds").Call(t.Context(), "4711")
		require.NoError(t, err)
		was := reg.Pending()[0]
		require.NoError(t, reg.Close(t.Context()))
		require.ErrorIs(t, reg.Decide(t.Context(), was, hitl.Approve("kim", "")), outcome.ErrClosed)
		require.ErrorIs(t, reg.Decide(t.Context(), hitl.Request{}, hitl.Deny("kim", "")), outcome.ErrClosed)
		require.Zero(t, d.Count("respondToHumanRequest"))
	}, duvotest.WithAssignment(refunds))
}
