package policy_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/policy"
	"github.com/stretchr/testify/require"
)

type auditLog struct {
	mu      sync.Mutex
	records []duvotool.AuditRecord
}

func (a *auditLog) Record(_ context.Context, r duvotool.AuditRecord) error {
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
			late := person("kim").Says("", time.Hour+offset, duvotool.Approve("kim", "fine"))
			reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithAudit(log), duvotool.WithJobTimeout(time.Minute),
				duvotool.WithPolicy(policy.Timeout(time.Hour, late, duvotool.AlwaysDeny())))
			require.NoError(t, err)
			defer reg.Close(context.Background())
			res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
			require.NoError(t, err)
			want, source, by, output := duvotool.Denied, duvotool.SourceTimeout, "policy Timeout(1h0m0s)", "not refunded"
			if offset < 0 {
				want, source, by, output = duvotool.Approved, duvotool.SourcePerson, "kim", "refunded"
			}
			require.Equal(t, output, res.Output, offset)
			require.Len(t, res.Decisions, 1)
			require.Equal(t, want, res.Decisions[0].Verdict)
			require.Equal(t, 1, d.Count("respondToHumanRequest"))
			require.Equal(t, want == duvotool.Approved, *d.Jobs()[0].Requests[0].Response.Approved)
			events := map[duvotool.AuditEvent]int{}
			for _, r := range log.records {
				events[r.Event]++
				if r.Verdict != "" {
					require.Equal(t, want.String(), r.Verdict)
					require.Equal(t, source, r.Source)
					require.Equal(t, by, r.By)
				}
			}
			require.Equal(t, map[duvotool.AuditEvent]int{duvotool.AuditRequested: 1, duvotool.AuditDecided: 1, duvotool.AuditSent: 1, duvotool.AuditDelivered: 1, duvotool.AuditOutcome: 1}, events)
		})
	}
}
