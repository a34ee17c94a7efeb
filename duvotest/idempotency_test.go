package duvotest_test

import (
	"sync"
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

func TestReplay(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		body := `{"agent_id":"` + agentID + `","message":"order 7"}`
		first := w.start(body, "Idempotency-Key", "k1")
		job := first.text("run.id")
		w.untilStatus(job, duvo.StatusWaiting)
		again := w.start(body, "Idempotency-Key", "k1")
		require.Equal(t, first.body, again.body) // as it was then
		require.Len(t, w.Jobs(), 1)
		require.NotEqual(t, job, w.start(body, "Idempotency-Key", "k2").text("run.id"))
		require.Len(t, w.Jobs(), 2)
		require.NotEqual(t, w.start(body).text("run.id"), w.start(body).text("run.id"))
		require.Len(t, w.Jobs(), 4)

		all := w.Requests()
		require.True(t, all[0].Effect)
		require.False(t, all[0].Replay)
		require.False(t, all[1].Effect)
		require.True(t, all[1].Replay)
		require.Equal(t, 201, all[1].Status)

		// The same key with another body, and on another path.
		other := w.post("/v2/teams/"+w.TeamID()+"/runs", `{"agent_id":"`+agentID+`","message":"order 8"}`, "Idempotency-Key", "k1")
		require.GreaterOrEqual(t, other.status, 400)
		require.Equal(t, "idempotency_key_reused", other.text("error"))
		request := w.Pending(job).ID
		yes := `{"approved":true}`
		require.Equal(t, 200, w.respond(job, request, yes, "Idempotency-Key", "r").status)
		another := w.Jobs()[1].ID
		w.untilStatus(another, duvo.StatusWaiting)
		other = w.respond(another, w.Pending(another).ID, yes, "Idempotency-Key", "r")
		require.Equal(t, "idempotency_key_reused", other.text("error"))
		require.NotNil(t, w.Pending(another))
		all = w.Requests()
		require.False(t, all[len(all)-1].Replay)
		require.Len(t, w.Jobs(), 4)

		// A response that was taken is told again, though the Job runs on.
		w.untilStatus(job, duvo.StatusCompleted)
		require.Equal(t, 200, w.respond(job, request, yes, "Idempotency-Key", "r").status)
		w.respond(job, request, yes, "Idempotency-Key", "r2").refused(400, "not_waiting")
	}, duvotest.WithAssignment(refunds()))
}

func TestReplayOfMessagesAndStops(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		job, _ := w.waiting()
		for range 3 {
			require.Equal(t, 200, w.post("/v2/runs/"+job+"/stop", `{}`, "Idempotency-Key", "s").status)
			require.Equal(t, 201, w.post("/v2/runs/"+job+"/messages", `{"message":"m"}`, "Idempotency-Key", "m").status)
		}
		require.Equal(t, []string{"user: order 7", "assistant: On it: order 7", "user: m"}, texts(w.job(job).Messages))
	}, duvotest.WithAssignment(refunds()))
}

// Reads take no keys, and a refusal is not kept.
func TestNotReplayed(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.get("/v2/teams", "Idempotency-Key", "k")
		w.get("/v2/teams", "Idempotency-Key", "k")
		require.False(t, w.Requests()[1].Replay)

		body := `{"agent_id":"` + agentID + `"}`
		path := "/v2/teams/" + w.TeamID() + "/runs"
		w.post(path, body, "Idempotency-Key", "k").refused(404, "not_found")
		require.NoError(t, w.AddAssignment(refunds()))
		w.post(path, body, "Idempotency-Key", "k", "Authorization", "Bearer wrong").refused(401, "unauthorized")
		w.start(body, "Idempotency-Key", "k")
		w.post(path, body, "Idempotency-Key", "k", "Authorization", "Bearer wrong").refused(401, "unauthorized")
		require.Len(t, w.Jobs(), 1)
	})
}

func TestReplayCounts(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		body := `{"agent_id":"` + agentID + `"}`
		path := "/v2/teams/" + w.TeamID() + "/runs"
		w.start(body, "Idempotency-Key", "k")
		a := w.start(body, "Idempotency-Key", "k")
		require.Equal(t, "0", a.header.Get("X-RateLimit-Remaining"))
		w.post(path, body, "Idempotency-Key", "k").refused(429, "rate_limited")
		time.Sleep(time.Minute)
		require.Equal(t, 201, w.post(path, body, "Idempotency-Key", "k").status)
		require.Len(t, w.Jobs(), 1)
	}, duvotest.WithRateLimit(2), duvotest.WithAssignment(refunds()))
}

func TestConcurrentReplay(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		const n = 20
		var wg sync.WaitGroup
		ids := make([]string, n)
		for i := range n {
			wg.Go(func() {
				a, err := w.try("POST", "/v2/teams/"+w.TeamID()+"/runs", `{"agent_id":"`+agentID+`"}`, "Idempotency-Key", "k")
				if err == nil && a.status == 201 {
					ids[i] = a.text("run.id")
				}
			})
		}
		wg.Wait()
		require.Len(t, w.Jobs(), 1)
		effects, replays := 0, 0
		for i, r := range w.Requests() {
			require.Equal(t, w.Jobs()[0].ID, ids[i])
			if r.Effect {
				effects++
			}
			if r.Replay {
				replays++
			}
		}
		require.Equal(t, 1, effects)
		require.Equal(t, n-1, replays)
	}, duvotest.WithAssignment(refunds()))
}

// Where an answer was lost, the key finds the Job that was started, or none.
func TestReplayAfterALostAnswer(t *testing.T) {
	for _, kind := range []duvotest.FaultKind{duvotest.ResetBefore, duvotest.ResetAfter, duvotest.LateEffect, duvotest.StatusBefore, duvotest.StatusAfter,
		duvotest.Truncate, duvotest.NotJSON} {
		t.Run(kind.String(), func(t *testing.T) {
			both(t, func(t *testing.T, w *world) {
				w.Inject(duvotest.Fault{Op: "startRun", Kind: kind})
				start := duvo.StartJob{AssignmentID: agentID, Message: "order 7", IdempotencyKey: "k"}
				_, err := w.client.StartJob(t.Context(), start)
				require.Error(t, err)
				require.True(t, duvo.MayHaveTakenEffect(err))
				j, err := w.client.StartJob(t.Context(), start)
				require.NoError(t, err)
				w.untilStatus(j.ID, duvo.StatusWaiting)
				w.until("one of them started it", func() bool {
					r := w.Requests()
					return len(w.Jobs()) == 1 && w.Jobs()[0].ID == j.ID && r[0].Effect != r[1].Effect && r[0].Replay != r[1].Replay ||
						len(w.Jobs()) == 1 && !r[0].Effect && r[1].Effect && !r[1].Replay
				})
			}, duvotest.WithAssignment(refunds()))
		})
	}
}

func TestKeysIgnored(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		body := `{"agent_id":"` + agentID + `"}`
		require.NotEqual(t, w.start(body, "Idempotency-Key", "k").text("run.id"), w.start(body, "Idempotency-Key", "k").text("run.id"))
		w.start(body+" ", "Idempotency-Key", "k")
		require.Len(t, w.Jobs(), 3)
		for _, r := range w.Requests() {
			require.True(t, r.Effect)
			require.False(t, r.Replay)
		}
	}, duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}), duvotest.WithAssignment(refunds()))
}

// A key belongs to one request, whatever its operation.
func TestKeyOfAnotherOperation(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		job, _ := w.waiting()
		require.Equal(t, 201, w.post("/v2/runs/"+job+"/messages", `{"message":"m"}`, "Idempotency-Key", "k").status)
		a := w.post("/v2/runs/"+job+"/stop", `{}`, "Idempotency-Key", "k")
		a.refused(422, "idempotency_key_reused")
		require.False(t, w.Requests()[2].Effect)
		require.False(t, w.Requests()[2].Replay)
	}, duvotest.WithAssignment(refunds()))
}
