package duvotool_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// TestLookingAmongManyComesToAnEnd: many starts were lost at once among many Jobs
// of other people, on a server that does not honour keys, and every tenth read
// fails. Each Job of others is read about once, not once for each that is looked
// for, nor again after each failure.
func TestLookingAmongManyComesToAnEnd(t *testing.T) {
	long(t)
	const others, lost = 60, 10
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(reader), duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}))
		defer d.Close()
		stranger := d.Client()
		for i := range others {
			box, err := stranger.CreateSandbox(t.Context())
			require.NoError(t, err)
			_, err = stranger.StartJob(t.Context(), duvo.StartJob{AssignmentID: refundsID, Message: "read", SandboxID: box.ID, IdempotencyKey: fmt.Sprint(i)})
			require.NoError(t, err)
		}
		reg := open(t, d.Client(duvo.WithRetries(1, time.Second)), journal.NewMemory(), duvotool.WithMarkedStarts())
		defer shut(t, reg)
		for i := range lost {
			kind := duvotest.ResetAfter
			if i%2 == 1 {
				kind = duvotest.ResetBefore
			}
			d.Inject(duvotest.Fault{Op: "startRun", Kind: kind})
		}
		reads := 0
		d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault {
			if op != "getRun" {
				return nil
			}
			if reads++; reads%10 != 0 {
				return nil
			}
			return &duvotest.Fault{Kind: duvotest.StatusBefore}
		})
		began := time.Now()
		var wg sync.WaitGroup
		for i := range lost {
			wg.Go(func() {
				res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), fmt.Sprint("k", i)), "read")
				require.NoError(t, err)
				require.Equal(t, outcome.OutcomeCompleted, res.Outcome, res.Note)
			})
		}
		wg.Wait()
		require.Less(t, time.Since(began), 2*time.Minute)
		require.Len(t, d.Jobs(), others+lost)
		require.Less(t, d.Count("getRun"), 3*others+10*lost)
	})
}

// TestFoundWhenItHasEnded: Jobs that have ended by the time they are found are
// read at once. The lists that are swept have nothing new to tell of them.
func TestFoundWhenItHasEnded(t *testing.T) {
	const lost = 8
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(reader), duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}))
		defer d.Close()
		reg := open(t, d.Client(), journal.NewMemory(), duvotool.WithMarkedStarts())
		defer shut(t, reg)
		d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.ResetAfter, Times: lost})
		began := time.Now()
		var wg sync.WaitGroup
		for i := range lost {
			wg.Go(func() {
				res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), fmt.Sprint("k", i)), "read")
				require.NoError(t, err)
				require.Equal(t, outcome.OutcomeCompleted, res.Outcome, res.Note)
			})
		}
		wg.Wait()
		require.Less(t, time.Since(began), 30*time.Second)
		require.Len(t, d.Jobs(), lost)
	})
}
