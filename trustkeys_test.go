package duvotool_test

import (
	"context"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// between tells how long after the first request of an operation the second one
// came, and how many reads of the Job came in between.
func between(t *testing.T, d *duvotest.Duvo, op string) (pause time.Duration, reads int) {
	t.Helper()
	var at []time.Time
	for _, r := range d.Requests() {
		switch {
		case r.Op == op:
			at = append(at, r.At)
		case r.Op == "getRun" && len(at) == 1:
			reads++
		}
	}
	require.Len(t, at, 2)
	return at[1].Sub(at[0]), reads
}

// A response that was answered 503 is sent again after the settle time, and in
// seconds where the server is declared to honour keys and to check responses. The
// Job is read at the usual pace meanwhile, however often it is polled else.
func TestResponseAfter503(t *testing.T) {
	for name, c := range map[string]struct {
		opts       []duvotool.Option
		least, top time.Duration
		reads      int
	}{
		"not declared":            {nil, 30 * time.Second, 31 * time.Second, 8},
		"not declared, fast poll": {[]duvotool.Option{duvotool.WithPollInterval(300 * time.Millisecond)}, 30 * time.Second, 31 * time.Second, 8},
		"declared":                {[]duvotool.Option{duvotool.TrustKeys()}, time.Second, 4 * time.Second, 3},
		"declared, fast poll":     {[]duvotool.Option{duvotool.TrustKeys(), duvotool.WithPollInterval(300 * time.Millisecond)}, time.Second, 4 * time.Second, 3},
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Kind: duvotest.StatusBefore, Status: 503})
				reg := discover(t, d.Client(), append(c.opts, decide(hitl.Approve("ops", ""), nil))...)
				res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
				require.NoError(t, err)
				require.Equal(t, hitl.Accepted, res.Decisions[0].Delivery)
				pause, reads := between(t, d, "respondToHumanRequest")
				t.Logf("%v, %d reads", pause, reads)
				require.GreaterOrEqual(t, pause, c.least)
				require.LessOrEqual(t, pause, c.top)
				require.LessOrEqual(t, reads, c.reads)
			}, duvotest.WithAssignment(refunds))
		})
	}
}

// A follow-up that was answered 503 is held to the same, and one that took effect is
// not said twice, declared or not.
func TestMessageAfter503(t *testing.T) {
	for name, c := range map[string]struct {
		opts       []duvotool.Option
		least, top time.Duration
	}{
		"not declared": {nil, 30 * time.Second, 35 * time.Second},
		"declared":     {[]duvotool.Option{duvotool.TrustKeys()}, time.Second, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				d.Inject(duvotest.Fault{Op: "postRunMessage", Kind: duvotest.StatusBefore, Status: 503})
				opts := append(c.opts, duvotool.WithPollInterval(300*time.Millisecond), decide(hitl.Approve("ops", ""), nil))
				reg := discover(t, d.Client(), opts...)
				res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
				require.NoError(t, err)
				_, err = reg.Continue(t.Context(), res, "and 4712")
				require.NoError(t, err)
				pause, reads := between(t, d, "postRunMessage")
				t.Logf("%v, %d reads", pause, reads)
				require.GreaterOrEqual(t, pause, c.least)
				require.LessOrEqual(t, pause, c.top)
				require.LessOrEqual(t, reads, 10)
			}, duvotest.WithAssignment(refunds))
		})
	}
}

// What is declared and not so costs no second effect where the first had landed:
// the read before each attempt tells.
func TestDeclaredKeysAndAnEffectThatLanded(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Kind: duvotest.StatusAfter, Status: 503})
		reg := discover(t, d.Client(), duvotool.TrustKeys(), policy(func(context.Context, hitl.Request) (hitl.Decision, error) {
			return hitl.Approve("ops", ""), nil
		}))
		res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.NoError(t, err)
		require.Equal(t, hitl.Unconfirmed, res.Decisions[0].Delivery)
		require.Equal(t, 1, d.Count("respondToHumanRequest"))
	}, duvotest.WithAssignment(refunds), duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}))
}
