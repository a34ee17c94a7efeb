package duvotool_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// While the observer is slow, statuses of one Job take each other's place, and
// nothing else is left out.
func TestEventsCoalesce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{start: func(n int, _ duvo.StartJob) (duvo.Job, error) {
			return duvo.Job{AssignmentID: fakeID, ID: fmt.Sprint("job-", n), Status: duvo.StatusPending}, nil
		}}
		f.job = func(n int) (duvo.Job, error) {
			switch {
			case n > 100 && f.responds >= 2:
				return duvo.Job{Status: duvo.StatusCompleted}, nil
			case n > 60 && f.responds < 2:
				return duvo.Job{Status: duvo.StatusWaiting, Pending: &approval}, nil
			case n/2%2 == 0:
				return duvo.Job{Status: duvo.StatusStarting}, nil
			}
			return duvo.Job{Status: duvo.StatusRunning}, nil
		}
		hold := make(chan struct{})
		told := map[string][]outcome.EventKind{}
		reg := discover(t, f, decide(hitl.Approve("kim", ""), nil), duvotool.WithObserver(func(e outcome.Event) {
			<-hold
			told[e.Caller.Tenant] = append(told[e.Caller.Tenant], e.Kind)
		}))
		ctx := duvotool.WithOperationKey(t.Context(), "one key")
		var wg sync.WaitGroup
		for _, tenant := range []string{"a", "b"} {
			wg.Go(func() {
				_, err := reg.All()[0].Run(duvotool.WithCaller(ctx, hitl.Caller{Tenant: tenant}), "x")
				require.NoError(t, err)
			})
		}
		time.Sleep(time.Hour)
		wg.Wait() // the engine has not waited
		close(hold)
		require.NoError(t, reg.Close(context.Background()))
		for _, tenant := range []string{"a", "b"} {
			var kinds []outcome.EventKind
			for i, k := range told[tenant] {
				require.False(t, i > 0 && k == outcome.EventStatus && kinds[len(kinds)-1] == k, "%v", told[tenant])
				kinds = append(kinds, k)
			}
			require.Equal(t, outcome.EventStarted, kinds[0])
			require.Equal(t, outcome.EventStatus, kinds[1])
			require.Contains(t, kinds, outcome.EventRequested)
			require.Contains(t, kinds, outcome.EventDecided)
			require.Contains(t, kinds, outcome.EventDelivered)
			require.Equal(t, outcome.EventFinished, kinds[len(kinds)-1])
		}
	})
}

// Two tenants may use one key: a status of the one is none of the other.
func TestStatusesOfTenantsStayApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		told := map[string]int{}
		f := &fake{job: running, start: func(n int, _ duvo.StartJob) (duvo.Job, error) {
			return duvo.Job{AssignmentID: fakeID, ID: fmt.Sprint("job-", n), Status: duvo.StatusPending}, nil
		}}
		reg := discover(t, f, duvotool.WithObserver(func(e outcome.Event) {
			<-hold
			if e.Kind == outcome.EventStatus {
				told[e.Caller.Tenant]++
			}
		}))
		ctx, cancel := context.WithCancel(duvotool.WithOperationKey(t.Context(), "one key"))
		var wg sync.WaitGroup
		for _, tenant := range []string{"a", "b"} {
			wg.Go(func() {
				_, _ = reg.All()[0].Run(duvotool.WithCaller(ctx, hitl.Caller{Tenant: tenant}), "x")
			})
		}
		time.Sleep(time.Minute)
		close(hold)
		synctest.Wait()
		require.Equal(t, map[string]int{"a": 1, "b": 1}, told)
		cancel()
		wg.Wait()
	})
}
