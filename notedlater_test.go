package duvotool_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// notes is a journal in which a test can note what somebody is about to say to a Job.
type notes struct {
	journal.Journal
	key atomic.Value // under which that stands
}

func (n *notes) Get(ctx context.Context, key string) (journal.Record, error) {
	if strings.HasPrefix(key, "say-") {
		n.key.Store(key)
	}
	return n.Journal.Get(ctx, key)
}

func (n *notes) note(t *testing.T) {
	t.Helper()
	_, err := n.Put(t.Context(), journal.Record{Key: n.key.Load().(string), Done: true, At: time.Now(),
		Data: []byte("\x01\x00" + `{"added":"and more","turns":[{"operation":"op-another","message":"and more"}]}`)})
	require.NoError(t, err)
}

// What another call has noted to say to a Job, while the Job waits, is said to no Job that
// waits, and perhaps never: the request reads as it did. A response in doubt is sent again
// by the next process, and a decision that was made about it counts.
func TestWhatIsNotedLaterIsNotPartOfARequest(t *testing.T) {
	for _, doubt := range []bool{true, false} {
		emulated(t, func(t *testing.T, d *duvotest.Duvo) {
			j := &notes{Journal: journal.NewMemory()}
			policy := hitl.Policy(hitl.AutoApprove(hitl.For(refundsID)))
			if !doubt {
				policy = hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })
			}
			opts := []duvotool.Option{duvotool.WithPolicy(policy), duvotool.WithWaitBudget(time.Minute), duvotool.WithPollInterval(time.Second)}
			d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Kind: duvotest.StatusBefore, Status: 502})
			reg := open(t, d.Client(), j, opts...)
			ctx := duvotool.WithOperationKey(t.Context(), "order 4711")
			_, err := reg.All()[0].Start(ctx, "4711")
			require.NoError(t, err)
			var shown []hitl.Request
			if doubt {
				for d.Count("respondToHumanRequest") == 0 {
					time.Sleep(100 * time.Millisecond)
				}
			} else {
				time.Sleep(time.Minute)
				shown = reg.Pending()
			}
			shut(t, reg)
			j.note(t)
			reg = open(t, d.Client(), j, opts...)
			defer shut(t, reg)
			if !doubt {
				time.Sleep(time.Minute)
				require.NoError(t, reg.Decide(t.Context(), shown[0], hitl.Approve("kim", "")), "it is what kim has seen")
			}
			res := toItsEnd(t, func() (*outcome.Result, error) { return reg.All()[0].Run(ctx, "4711") })
			require.Equal(t, "refunded", res.Output)
		}, duvotest.WithAssignment(refunds))
	}
}
