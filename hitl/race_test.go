package hitl_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

type auditLog struct {
	mu      sync.Mutex
	records []audit.Record
}

func (a *auditLog) Record(_ context.Context, r audit.Record) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.records = append(a.records, r)
	return nil
}

// An approval and the deadline meet, in whole Jobs: one story is told by the
// result, the audit and the emulator alike, and it is the true one.
func TestApproveOrExpire(t *testing.T) {
	refunds := duvotest.Assignment{ID: duvotooltest.AssignmentID, Name: "Refunds", Script: func(j *duvotest.Job) {
		if j.AskApproval("Refund 120 EUR", "") {
			j.Complete("refunded")
		}
		j.Complete("not refunded")
	}}
	for _, offset := range []time.Duration{-time.Second, -1, 0, 0, 0, 0, 0, 1, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(refunds))
			defer d.Close()
			log := &auditLog{}
			late := person("kim").Says("", time.Hour+offset, hitl.Approve("kim", "fine"))
			reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithAudit(log), duvotool.WithJobTimeout(time.Minute),
				duvotool.WithPolicy(hitl.Timeout(time.Hour, late, hitl.AlwaysDeny())))
			require.NoError(t, err)
			defer reg.Close(context.Background())
			res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
			require.NoError(t, err)
			want, source, by, output := hitl.Denied, hitl.SourceTimeout, "policy Timeout(1h0m0s)", "not refunded"
			if offset < 0 {
				want, source, by, output = hitl.Approved, hitl.SourcePerson, "kim", "refunded"
			}
			require.Equal(t, output, res.Output, offset)
			require.Len(t, res.Decisions, 1)
			require.Equal(t, want, res.Decisions[0].Verdict)
			require.Equal(t, 1, d.Count("respondToHumanRequest"))
			require.Equal(t, want == hitl.Approved, *d.Jobs()[0].Requests[0].Response.Approved)
			events := map[audit.Event]int{}
			for _, r := range log.records {
				events[r.Event]++
				if r.Verdict != "" {
					require.Equal(t, want.String(), r.Verdict)
					require.Equal(t, source, r.Source)
					require.Equal(t, by, r.By)
				}
			}
			require.Equal(t, map[audit.Event]int{audit.Requested: 1, audit.Decided: 1, audit.Sent: 1, audit.Delivered: 1, audit.Outcome: 1}, events)
		})
	}
}
