package duvotool_test

import (
	"context"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// silent never decides.
func silent() hitl.Policy {
	return hitl.PolicyFunc(func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
		<-ctx.Done()
		return hitl.Decision{}, context.Cause(ctx)
	})
}

var patient = duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: func(j *duvotest.Job) {
	if j.AskApproval("Refund 120 EUR", "") {
		j.Complete("refunded")
	}
	j.Complete("not refunded")
}}

// TestChangedRequestHasItsOwnDeadline: a request that reads differently is
// another, for which nobody has had any time yet; however it came to be so, and
// whether or not this process saw the first.
func TestChangedRequestHasItsOwnDeadline(t *testing.T) {
	const limit = 10 * time.Minute
	change := func(t *testing.T, d *duvotest.Duvo) {
		require.NoError(t, d.ChangeRequest(d.Jobs()[0].ID, func(q *duvo.HumanRequest) { q.Title = "Refund 9000 EUR" }))
	}
	for name, c := range map[string]struct {
		change  bool
		away    bool // it is not shown for two minutes, from the eighth on
		restart string
	}{
		"changed": {change: true}, "away, and changed": {change: true, away: true}, "away, and the same": {away: true}, "the same": {},
		"changed, then a restart": {change: true, restart: "after"}, "changed while nobody looked": {change: true, restart: "around"},
		"a restart": {restart: "after"},
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				begin := time.Now()
				b := bent{Client: d.Client(), job: func(j *duvo.Job) {
					if since := time.Since(begin); c.away && since > 8*time.Minute && since < limit-10*time.Second {
						j.Status, j.Pending = duvo.StatusRunning, nil
					}
				}}
				w := &witness{then: hitl.Timeout(limit, silent(), hitl.AlwaysDeny())}
				j := journal.NewMemory()
				opts := []duvotool.Option{duvotool.WithPolicy(w), duvotool.WithPollInterval(time.Second)}
				reg := open(t, b, j, opts...)
				go func() { _, _ = mustTool(reg, "refunds").Run(duvotool.WithOperationKey(t.Context(), "k"), "5") }()
				time.Sleep(limit - 20*time.Second)
				if c.restart == "around" {
					shut(t, reg)
				}
				if c.change {
					change(t, d)
				}
				time.Sleep(15 * time.Second)
				switch c.restart {
				case "after":
					shut(t, reg)
					fallthrough
				case "around":
					reg = open(t, b, j, opts...)
				}
				time.Sleep(30 * time.Second) // the first deadline is over
				responded := func() int { return d.Count("respondToHumanRequest") }
				if !c.change {
					require.Equal(t, 1, responded())
				} else {
					require.Zero(t, responded())
					last := w.requests()[len(w.requests())-1]
					require.Equal(t, "Refund 9000 EUR", last.Title)
					require.GreaterOrEqual(t, last.FirstSeen.Sub(begin), limit-20*time.Second)
					time.Sleep(limit - time.Minute)
					require.Zero(t, responded(), "it has the whole of its time")
					time.Sleep(2 * time.Minute)
					require.Equal(t, 1, responded())
				}
				require.Zero(t, approvedOnWire(d))
				shut(t, reg)
			}, duvotest.WithAssignment(patient))
		})
	}
}

// A question that was denied, an approval that was left and one that was put off
// are asked anew under another text, with its own time.
func TestChangedAfterADecision(t *testing.T) {
	for name, first := range map[string]hitl.Decision{"left": hitl.Leave(), "put off": hitl.Suspend()} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				n := 0
				w := &witness{then: hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
					if n++; n == 1 {
						return first, nil
					}
					return hitl.Deny("kim", ""), nil
				})}
				reg := discover(t, d.Client(), duvotool.WithPolicy(w), duvotool.WithPollInterval(time.Second))
				go func() { _, _ = mustTool(reg, "refunds").Run(t.Context(), "5") }()
				time.Sleep(time.Hour)
				changed := time.Now()
				require.NoError(t, d.ChangeRequest(d.Jobs()[0].ID, func(q *duvo.HumanRequest) { q.Description = "9000" }))
				time.Sleep(time.Minute)
				require.Len(t, w.requests(), 2)
				require.False(t, w.requests()[1].FirstSeen.Before(changed))
				require.Equal(t, 1, d.Count("respondToHumanRequest"))
			}, duvotest.WithAssignment(patient))
		})
	}
}
