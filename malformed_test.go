package duvotool_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// ambiguous answers of getRun: each tells of a request that the Job does not ask.
func ambiguous(jobID string) map[string]string {
	request := func(title string) string {
		return `{"id":"9c7b0e4e-8a54-4f0c-9a6e-0d7f0a1b2c3d","type":"approval","title":"` + title + `"}`
	}
	run := `{"id":"` + jobID + `","agent_id":"` + refundsID + `","status":"waiting"`
	return map[string]string{
		"two requests":             `{"run":` + run + `,"pending_human_request":` + request("harmless") + `},"pending_human_request":` + request("evil") + `}`,
		"a Status after status":    `{"run":` + run + `,"Status":"completed"},"pending_human_request":` + request("harmless") + `}`,
		"a key twice":              `{"run":` + run + `},"pending_human_request":` + request("evil") + `,"pending_human_request":` + request("harmless") + `}`,
		"a request of another run": `{"run":` + run + `},"pending_human_request":{"run_id":"` + otherID + `",` + request("harmless")[1:] + `}`,
	}
}

// malform answers reads with a body that says two things, for as long as on
// reports.
func malform(d *duvotest.Duvo, name string, on func() bool) {
	d.InjectFunc(func(op string, r *http.Request) *duvotest.Fault {
		if op != "getRun" || !on() {
			return nil
		}
		id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		return &duvotest.Fault{Op: op, Kind: duvotest.NotJSON, Body: ambiguous(id)[name]}
	})
}

// TestNothingIsDecidedOnAmbiguousReads: they are failed reads, read again after a
// while and later each time; what is sound again goes on.
func TestNothingIsDecidedOnAmbiguousReads(t *testing.T) {
	for name := range ambiguous("") {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				begin := time.Now()
				malform(d, name, func() bool { return time.Since(begin) < 3*time.Minute })
				w := &witness{then: hitl.AutoApprove(hitl.For(refundsID).TitleIs("harmless"), hitl.For(refundsID).TitleIs("Refund 120 EUR"))}
				reg := discover(t, d.Client(), duvotool.WithPolicy(w))
				res, err := mustTool(reg, "refunds").Run(t.Context(), "5")
				require.NoError(t, err)
				require.Equal(t, "refunded", res.Output)
				require.GreaterOrEqual(t, time.Since(begin), 3*time.Minute)
				require.Len(t, w.requests(), 1)
				require.Equal(t, "Refund 120 EUR", w.requests()[0].Title)
				require.Equal(t, 1, d.Count("respondToHumanRequest"))
				require.Less(t, d.Count("getRun"), 20, "later each time")
			}, duvotest.WithAssignment(patient))
		})
	}
}

// The read just before a response counts only if it is sound.
func TestAmbiguousReadJustBefore(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		var since atomic.Int64
		malform(d, "two requests", func() bool { return since.Load() > 0 && time.Since(time.Unix(0, since.Load())) < time.Minute })
		reg := discover(t, d.Client(), policy(func(context.Context, hitl.Request) (hitl.Decision, error) {
			since.Store(time.Now().UnixNano())
			return hitl.Approve("kim", ""), nil
		}))
		go func() { _, _ = mustTool(reg, "refunds").Run(t.Context(), "5") }()
		time.Sleep(50 * time.Second)
		require.Positive(t, since.Load())
		require.Zero(t, d.Count("respondToHumanRequest"))
		time.Sleep(time.Hour)
		require.Equal(t, 1, approvedOnWire(d))
	}, duvotest.WithAssignment(patient))
}

// Reads that stay malformed end the call after some minutes, with the reason, and
// not as a Job that is gone; the next call goes on with it.
func TestReadsThatStayMalformed(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		bad := true
		malform(d, "a Status after status", func() bool { return bad })
		w := &witness{then: hitl.AutoApprove(hitl.For(refundsID))}
		reg := discover(t, d.Client(), duvotool.WithPolicy(w))
		begin := time.Now()
		ctx := duvotool.WithOperationKey(t.Context(), "k")
		_, err := mustTool(reg, "refunds").Run(ctx, "5")
		require.ErrorIs(t, err, duvo.ErrMalformed)
		var job *outcome.JobError
		require.ErrorAs(t, err, &job)
		require.Equal(t, d.Jobs()[0].ID, job.JobID)
		require.GreaterOrEqual(t, time.Since(begin), 5*time.Minute)
		require.Less(t, time.Since(begin), 7*time.Minute)
		require.Empty(t, w.requests())
		bad = false
		res, err := mustTool(reg, "refunds").Run(ctx, "5")
		require.NoError(t, err)
		require.Equal(t, "refunded", res.Output)
		require.Len(t, d.Jobs(), 1)
	}, duvotest.WithAssignment(patient))
}

// A start whose answer says two things may have taken effect: it is one Job.
func TestAmbiguousStart(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.NotJSON, Body: `{"run":{"id":"` + otherID + `","status":"pending","ID":"x"}}`})
		reg := discover(t, d.Client(), duvotool.WithPolicy(hitl.AutoApprove(hitl.For(refundsID))))
		res, err := mustTool(reg, "refunds").Run(t.Context(), "5")
		require.NoError(t, err)
		require.Equal(t, "refunded", res.Output)
		require.Len(t, d.Jobs(), 1)
		require.Equal(t, 2, d.Count("startRun"))
	}, duvotest.WithAssignment(patient))
}

// A list of messages that says two things is read again; what the Job said is not
// guessed at.
func TestAmbiguousMessages(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		d.Inject(duvotest.Fault{Op: "listRunMessages", Times: 2, Kind: duvotest.NotJSON,
			Body: `{"messages":[{"id":"m","role":"assistant","text_content":"harmless","Text_content":"evil"}],"total":1}`})
		reg := discover(t, d.Client(), duvotool.WithPolicy(hitl.AutoApprove(hitl.For(refundsID))))
		res, err := mustTool(reg, "refunds").Run(t.Context(), "5")
		require.NoError(t, err)
		require.Equal(t, "refunded", res.Output)
		require.Equal(t, 3, d.Count("listRunMessages"))
	}, duvotest.WithAssignment(patient))
}

// A response that the server says it took for another request is not told as
// accepted.
func TestResponseTakenForAnother(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Kind: duvotest.NotJSON, Body: `{"human_request":{"id":"` + otherID + `"}}`})
		reg := discover(t, d.Client(), duvotool.WithPolicy(hitl.AutoApprove(hitl.For(refundsID))))
		res, err := mustTool(reg, "refunds").Run(t.Context(), "5")
		require.NoError(t, err)
		require.Len(t, res.Decisions, 1)
		require.Equal(t, hitl.Unconfirmed, res.Decisions[0].Delivery)
		require.Equal(t, 1, d.Count("respondToHumanRequest"))
	}, duvotest.WithAssignment(patient))
}

// A delivery that names two Jobs wakes neither.
func TestAmbiguousWebhook(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client(), duvotool.WithWebhook("https://example.com/hook", hookSecret))
		for body, status := range map[string]int{
			`{"event":"run_completed","run_id":"a"}`:                             http.StatusNoContent,
			`{"event":"run_completed","run_id":"a","run_id":"b"}`:                http.StatusBadRequest,
			`{"event":"run_completed","run_id":"a","Run_ID":"b"}`:                http.StatusBadRequest,
			`{"event":"x","run_id":"a","EVENT":"run_completed"}`:                 http.StatusBadRequest,
			`{"event":"run_completed","run_id":"a","data":{"x":1,"X":2},"y":[]}`: http.StatusNoContent,
		} {
			w := httptest.NewRecorder()
			reg.Webhook().ServeHTTP(w, delivery(time.Now(), hookSecret, body, body))
			require.Equal(t, status, w.Code, body)
		}
	}, duvotest.WithAssignment(patient))
}
