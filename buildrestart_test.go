package duvotool_test

import (
	"context"
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
	"github.com/stretchr/testify/require"
)

type builder struct {
	*duvo.Client
	now atomic.Pointer[string]
}

func (b *builder) Job(ctx context.Context, id string) (duvo.Job, error) {
	j, err := b.Client.Job(ctx, id)
	if build := b.now.Load(); build != nil {
		j.BuildID = *build
		if *build == "build-2" {
			j.UpdatedAt = time.Now()
		}
	}
	return j, err
}

// A decision about Build 1 was recorded and not sent; the process saw Build 2 and
// ended. The next one must not send it.
func TestADecisionIsOfItsBuildAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11", Name: "Refunds",
			Script: func(j *duvotest.Job) { j.AskApproval("Refund", ""); j.Complete("ok") }}
		d := duvotest.New(duvotest.WithAssignment(job))
		defer d.Close()
		b := &builder{Client: d.Client()}
		one, two := "build-1", "build-2"
		b.now.Store(&one)
		journal := journal.NewMemory()
		ctx, leave := context.WithCancel(duvotool.WithOperationKey(context.Background(), "k"))
		defer leave()
		var builds []string
		policy := hitl.PolicyFunc(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
			builds = append(builds, r.BuildID)
			if r.BuildID == two {
				return hitl.Deny("kim", ""), nil
			}
			b.now.Store(&two) // from now on
			return hitl.Approve("kim", ""), nil
		})
		fail := &onceAt{at: "listRunMessages", do: leave}
		d.InjectFunc(fail.fault)
		reg, err := duvotool.Discover(context.Background(), b, duvotool.WithPolicy(policy), duvotool.WithJournal(journal), duvotool.WithLiveMessages())
		require.NoError(t, err)
		fail.arm = func() bool { return b.now.Load() == &two }
		_, err = reg.All()[0].Run(ctx, "x")
		require.Error(t, err)
		require.NoError(t, reg.Close(context.Background()))
		reg, err = duvotool.Discover(context.Background(), b, duvotool.WithPolicy(policy), duvotool.WithJournal(journal))
		require.NoError(t, err)
		defer reg.Close(context.Background())
		_, err = reg.All()[0].Run(duvotool.WithOperationKey(context.Background(), "k"), "x")
		require.NoError(t, err)
		require.Equal(t, []string{one, two}, builds)
	})
}

type onceAt struct {
	at  string
	arm func() bool
	do  func()
}

func (o *onceAt) fault(op string, _ *http.Request) *duvotest.Fault {
	if op == o.at && o.arm != nil && o.arm() {
		o.do()
		time.Sleep(time.Second)
	}
	return nil
}
