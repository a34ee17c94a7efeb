package duvotool_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// A service that starts while Duvo is down, or refuses its key, takes up what its
// journal holds, under the options that were meant for each Assignment, and offers
// its tools once they are known.
func TestDiscoverLater(t *testing.T) {
	for name, down := range map[string]duvotest.Fault{
		"down":           {Kind: duvotest.StatusBefore, Status: 503},
		"the key is bad": {Kind: duvotest.StatusBefore, Status: 401, Op: "listAgents"},
		"it hangs":       {Kind: duvotest.Hang},
		"reset":          {Kind: duvotest.ResetBefore},
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				j := journal.NewMemory()
				opts := []duvotool.Option{duvotool.WithJournal(j), decide(hitl.Approve("anybody", ""), nil),
					duvotool.Configure(duvotool.ByName("Refunds"), decide(hitl.Deny("kim", "no"), nil))}
				first, err := duvotool.Discover(t.Context(), d.Client(), opts...)
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(duvotool.WithOperationKey(t.Context(), "order 4711"))
				_, err = mustTool(first, "refunds").Start(ctx, "order 4711")
				require.NoError(t, err)
				synctest.Wait() // the Job is started
				cancel()
				closing, end := context.WithTimeout(context.Background(), time.Minute)
				defer end()
				require.NoError(t, first.Close(closing))

				var up atomic.Bool
				d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault {
					if up.Load() || down.Op != "" && down.Op != op {
						return nil
					}
					return &down
				})
				soon, stop := context.WithTimeout(t.Context(), 10*time.Second)
				defer stop()
				_, err = duvotool.Discover(soon, d.Client(), opts...)
				require.Error(t, err, "without the option it is as it was")

				var seen changes
				began := time.Now()
				soon, stop = context.WithTimeout(t.Context(), 10*time.Second)
				defer stop()
				reg, err := duvotool.Discover(soon, d.Client(duvo.WithTimeout(5*time.Second)), append(opts, duvotool.DiscoverLater(), duvotool.WithObserver(seen.observe))...)
				require.NoError(t, err)
				defer func() { require.NoError(t, reg.Close(context.Background())) }()
				require.LessOrEqual(t, time.Since(began), 10*time.Second)
				require.Len(t, reg.Jobs(), 1, "what was in flight is taken up")
				require.False(t, reg.Discovered())
				require.Empty(t, reg.All())
				require.Empty(t, reg.Search("refund", 5))
				require.NotEmpty(t, reg.SearchTool().Description())
				require.NotEmpty(t, reg.RouterTool().Description())
				text, err := reg.RunTool().Call(t.Context(), `{"tool":"refunds","input":"x"}`)
				require.NoError(t, err)
				require.NotEmpty(t, text)
				_, err = reg.Tool("refunds")
				require.ErrorIs(t, err, hitl.ErrNoTool)
				time.Sleep(5 * time.Minute)
				require.False(t, reg.Discovered())
				tried := d.Count("listAgents")
				time.Sleep(10 * time.Minute)
				require.Less(t, d.Count("listAgents")-tried, 120, "less and less often")

				up.Store(true)
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				require.True(t, reg.Discovered())
				require.Len(t, seen.all(), 1)
				require.Len(t, seen.all()[0].Changes.Added, 1)
				_, approved := responses(d)
				require.False(t, approved, "its own policy was asked, not the one for all")
				require.Equal(t, "completed", string(d.Jobs()[0].Status))
				res, err := mustTool(reg, "refunds").Run(duvotool.WithOperationKey(t.Context(), "order 4711"), "order 4711")
				require.NoError(t, err)
				require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
				require.Len(t, d.Jobs(), 1)
			}, duvotest.WithAssignment(refunds))
		})
	}
}

// What a program misnames is found later, and until it is mended nothing is
// offered that it may have been meant to guard.
func TestDiscoverLaterChecksNames(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		var logged bytes.Buffer
		d.Inject(duvotest.Fault{Op: "listAgents", Kind: duvotest.StatusBefore, Status: 503, Times: 5})
		reg := discover(t, d.Client(), duvotool.DiscoverLater(), duvotool.WithRefreshEvery(time.Hour),
			duvotool.Configure(duvotool.ByName("Refundz"), duvotool.OncePerScope()), duvotool.WithLogger(slog.New(slog.NewTextHandler(&logged, nil))))
		time.Sleep(10 * time.Minute)
		require.False(t, reg.Discovered())
		require.Empty(t, reg.All())
		_, err := reg.Refresh(t.Context())
		var missing *hitl.NoMatchError
		require.ErrorAs(t, err, &missing)
		require.Equal(t, "Refundz", missing.Name)
		require.NoError(t, d.AddAssignment(duvotest.Assignment{Name: "Refundz"}))
		time.Sleep(2 * time.Minute)
		require.True(t, reg.Discovered())
		require.Len(t, reg.All(), 2)
		require.NoError(t, reg.Close(t.Context()))
		require.Contains(t, logged.String(), "level=ERROR")
		require.Contains(t, logged.String(), "Refundz")
	}, duvotest.WithAssignment(refunds))
}

// A guard that is misspelt stops a Job that is taken up too: no policy is asked
// before the names were checked.
func TestDiscoverLaterAsksNoPolicyUnchecked(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		j := journal.NewMemory()
		first, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(j), decideAfter(24*time.Hour, hitl.Deny("nobody", "")))
		require.NoError(t, err)
		_, err = mustTool(first, "refunds").Start(duvotool.WithOperationKey(t.Context(), "k"), "order 4711")
		require.NoError(t, err)
		closing, end := context.WithTimeout(context.Background(), time.Minute)
		defer end()
		require.NoError(t, first.Close(closing))
		var up atomic.Bool
		d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault {
			if op == "listAgents" && !up.Load() {
				return &duvotest.Fault{Kind: duvotest.StatusBefore, Status: 403}
			}
			return nil
		})
		approves := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Approve("anybody", ""), nil })
		guarded := duvotool.WithPolicy(hitl.FirstOf(hitl.Route(hitl.When(hitl.NameIs("Refundz"), hitl.AlwaysDeny())), approves))
		reg := discover(t, d.Client(), duvotool.WithJournal(j), guarded, duvotool.DiscoverLater())
		for range 2 { // while nothing can be listed, and once the name is found to be wrong
			time.Sleep(time.Hour)
			require.Len(t, reg.Jobs(), 1, "it waits")
			require.NotNil(t, reg.Jobs()[0].Request)
			require.Zero(t, d.Count("respondToHumanRequest"))
			up.Store(true)
		}
		require.NoError(t, d.AddAssignment(duvotest.Assignment{Name: "Refundz"}))
		time.Sleep(3 * time.Minute)
		sent, approved := responses(d)
		require.Equal(t, 1, sent, "it goes on once the names are right")
		require.True(t, approved)
	}, duvotest.WithAssignment(refunds))
}

// Only what may pass is waited for: not a program that was told to stop, nor one
// that is set up wrongly.
func TestDiscoverLaterIsNotForAll(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		ctx, cancel := context.WithCancelCause(t.Context())
		stopped := errors.New("stopped")
		cancel(stopped)
		_, err := duvotool.Discover(ctx, d.Client(), duvotool.DiscoverLater())
		require.Error(t, err)
		_, err = duvotool.Discover(t.Context(), d.Client(), duvotool.DiscoverLater(), duvotool.Keep(duvotool.ByName("Refundz")))
		var missing *hitl.NoMatchError
		require.ErrorAs(t, err, &missing)
		d.Inject(duvotest.Fault{Op: "listAgents", Kind: duvotest.StatusBefore, Status: 400})
		_, err = duvotool.Discover(t.Context(), d.Client(), duvotool.DiscoverLater())
		require.ErrorIs(t, err, duvo.ErrInvalid)
	}, duvotest.WithAssignment(refunds))
}
