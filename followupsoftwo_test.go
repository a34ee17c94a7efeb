package duvotool_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// Two processes that share a journal go on with one Job at the same moment. The
// second message must not walk past what the Job asks about the first.
func TestFollowUpsOfTwoProcessesKeepApart(t *testing.T) {
	for offset := time.Duration(0); offset < time.Second; offset += 20 * time.Millisecond {
		for _, takes := range []time.Duration{0, 100 * time.Millisecond} { // each Put
			t.Run(offset.String()+" "+takes.String(), func(t *testing.T) { followUpsOfTwo(t, offset, takes) })
		}
	}
}

func followUpsOfTwo(t *testing.T, offset, takes time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		job := duvotest.Assignment{Name: "Refunds",
			Script: func(j *duvotest.Job) { j.Complete("ok") },
			Resume: func(j *duvotest.Job, message string) {
				if j.AskApproval("Do it: "+message, "") {
					j.Complete("did: " + message)
				}
				j.Complete("did not: " + message)
			}}
		d := duvotest.New(duvotest.WithAssignment(job))
		defer d.Close()
		d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault { // the network takes its time
			return &duvotest.Fault{Op: op, Kind: duvotest.NoFault, Latency: 100 * time.Millisecond}
		})
		shared := &slowJournal{journal.NewMemory(), takes, ""}
		var regs []*duvotool.Registry
		for range 2 {
			reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithJournal(shared)) // denies everything
			require.NoError(t, err)
			defer reg.Close(context.Background())
			regs = append(regs, reg)
		}
		first, err := regs[0].All()[0].Run(t.Context(), "x")
		require.NoError(t, err)
		var errs [2]error
		var wg sync.WaitGroup
		for i, message := range []string{"refund 9999 EUR", "thank you"} {
			wg.Add(1)
			go func() {
				defer wg.Done()
				time.Sleep(time.Duration(i) * offset)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				_, errs[i] = regs[i].Continue(ctx, first, message)
			}()
		}
		wg.Wait()
		require.False(t, errs[0] != nil && errs[1] != nil, "%v; %v", errs[0], errs[1])
		for _, q := range d.Jobs()[0].Requests {
			require.False(t, q.Bypassed, "%q was walked past, as if approved", q.Title)
		}
	})
}
