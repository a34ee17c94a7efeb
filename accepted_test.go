package duvotool_test

import (
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
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

// What was accepted is listed and goes on however long Duvo cannot be reached or
// refuses the key: nobody is there to be told that it failed.
func TestAcceptedWorkOutlivesAnOutage(t *testing.T) {
	for name, down := range map[string]duvotest.Fault{
		"refused":          {}, // by the wire below
		"reset":            {Kind: duvotest.ResetBefore},
		"maintenance":      {Kind: duvotest.StatusBefore, Status: 503},
		"the key is bad":   {Kind: duvotest.StatusBefore, Status: 401},
		"it may not start": {Kind: duvotest.StatusBefore, Status: 403},
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				var up atomic.Bool
				up.Store(true)
				inner := d.HTTPClient().Transport
				wire := wireFunc(func(r *http.Request) (*http.Response, error) {
					if name == "refused" && !up.Load() {
						return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
					}
					return inner.RoundTrip(r)
				})
				reg, err := duvotool.Discover(t.Context(), d.Client(duvo.WithHTTPClient(&http.Client{Transport: wire})), duvotool.WithJournal(journal.NewMemory()), duvotool.WithFollowUps(), duvotool.WithWaitBudget(20*time.Second), decide(hitl.Approve("kim", ""), nil))
				require.NoError(t, err)
				defer func() { require.NoError(t, reg.Close(t.Context())) }()
				tool := mustTool(reg, "talker")
				before := toItsEnd(t, func() (*outcome.Result, error) {
					return tool.Run(duvotool.WithOperationKey(t.Context(), "order 1"), "order 1")
				})

				up.Store(false)
				d.InjectFunc(func(string, *http.Request) *duvotest.Fault {
					if up.Load() || down.Kind == 0 {
						return nil
					}
					return &down
				})
				ctx := duvotool.WithOperationKey(t.Context(), "order 2")
				res, err := tool.Start(ctx, "order 2")
				require.NoError(t, err)
				require.Equal(t, outcome.OutcomePending, res.Outcome)
				follow, err := reg.Continue(duvotool.WithOperationKey(t.Context(), "more"), before, "and order 3")
				require.NoError(t, err)
				require.Equal(t, outcome.OutcomePending, follow.Outcome)
				for range 10 {
					time.Sleep(time.Minute)
					synctest.Wait()
					require.Len(t, reg.Jobs(), 2)
				}
				if down.Status == 401 {
					now, err := reg.Lookup(t.Context(), "order 2")
					require.NoError(t, err)
					require.Contains(t, now.Note, "tried again and again")
					require.Contains(t, now.Note, "401")
				}
				require.Len(t, d.Jobs(), 1, "nothing was started")
				up.Store(true)
				toItsEnd(t, func() (*outcome.Result, error) { return tool.Run(ctx, "order 2") })
				toItsEnd(t, func() (*outcome.Result, error) {
					return reg.Continue(duvotool.WithOperationKey(t.Context(), "more"), before, "and order 3")
				})
				require.Len(t, d.Jobs(), 2)
			}, duvotest.WithAssignment(talker))
		})
	}
}

// toItsEnd calls again until a Job has completed.
func toItsEnd(t *testing.T, call func() (*outcome.Result, error)) *outcome.Result {
	t.Helper()
	for range 100 {
		res, err := call()
		require.NoError(t, err)
		if res.Outcome != outcome.OutcomePending {
			require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
			return res
		}
	}
	require.Fail(t, "it does not end")
	return nil
}
