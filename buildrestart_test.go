package duvotool_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// freshBuild is a rebuilt Duvo that says that its Job has changed with each read.
type freshBuild struct{ rebuilt }

func (b *freshBuild) Job(ctx context.Context, id string) (duvo.Job, error) {
	j, err := b.rebuilt.Job(ctx, id)
	j.UpdatedAt = time.Now()
	return j, err
}

// TestDecisionsKnowTheirBuildAfterARestart: a decision about one Build was recorded
// and not sent, and the process saw another Build before it ended. The next one asks
// about that.
func TestDecisionsKnowTheirBuildAfterARestart(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		b := &freshBuild{rebuilt{Client: d.Client()}}
		b.is("build-1")
		ctx, leave := context.WithCancel(duvotool.WithOperationKey(t.Context(), "k"))
		defer leave()
		var decided atomic.Bool
		d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault {
			if op == "listRunMessages" && decided.Load() && ctx.Err() == nil {
				leave() // Build 2 was seen, and not yet compared
				time.Sleep(time.Second)
			}
			return nil
		})
		var builds []string
		policy := duvotool.WithPolicy(hitl.PolicyFunc(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
			builds = append(builds, r.BuildID)
			if r.BuildID != "build-1" {
				return hitl.Deny("kim", ""), nil
			}
			time.Sleep(time.Second) // so that the next read is of a later change
			b.is("build-2")
			decided.Store(true)
			return hitl.Approve("kim", ""), nil
		}))
		j := journal.NewMemory()
		reg := open(t, b, j, policy, duvotool.WithLiveMessages())
		_, err := reg.All()[0].Run(ctx, "x")
		require.ErrorIs(t, err, context.Canceled)
		shut(t, reg)
		require.Zero(t, d.Count("respondToHumanRequest"))
		reg = open(t, b, j, policy)
		_, err = reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "x")
		require.NoError(t, err)
		require.Equal(t, []string{"build-1", "build-2"}, builds)
		require.Zero(t, approvedOnWire(d))
		shut(t, reg)
	}, duvotest.WithAssignment(refunds))
}
