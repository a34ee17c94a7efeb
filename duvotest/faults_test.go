package duvotest_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// Each kind of fault, by what the caller sees and what happened.
func TestFaultKinds(t *testing.T) {
	for _, c := range []struct {
		fault  duvotest.Fault
		lost   bool // the connection broke before an answer
		part   bool // the answer broke off
		status int
		body   string // the answer's beginning
		effect bool
	}{
		{fault: duvotest.Fault{Kind: duvotest.NoFault}, status: 201, body: `{"run":`, effect: true},
		{fault: duvotest.Fault{Kind: duvotest.ResetBefore}, lost: true},
		{fault: duvotest.Fault{Kind: duvotest.ResetAfter}, lost: true, effect: true},
		{fault: duvotest.Fault{Kind: duvotest.LateEffect}, lost: true, effect: true},
		{fault: duvotest.Fault{Kind: duvotest.StatusBefore}, status: 503, body: `{"error":"service_unavailable"`},
		{fault: duvotest.Fault{Kind: duvotest.StatusBefore, Status: 418, Body: "teapot"}, status: 418, body: "teapot"},
		{fault: duvotest.Fault{Kind: duvotest.StatusAfter}, status: 503, body: `{"error":"service_unavailable"`, effect: true},
		{fault: duvotest.Fault{Kind: duvotest.StatusAfter, Status: 500, Body: `{"code":"x"}`}, status: 500, body: `{"code":"x"}`, effect: true},
		{fault: duvotest.Fault{Kind: duvotest.Truncate}, part: true, status: 201, body: `{"run":`, effect: true},
		{fault: duvotest.Fault{Kind: duvotest.NotJSON}, status: 0, body: "<!doctype html>", effect: true},
		{fault: duvotest.Fault{Kind: duvotest.NotJSON, Body: "hello"}, status: 0, body: "hello", effect: true},
	} {
		t.Run(c.fault.Kind.String()+" "+c.fault.Body, func(t *testing.T) {
			both(t, func(t *testing.T, w *world) {
				w.Inject(c.fault)
				a, err := w.try("POST", "/v2/teams/"+w.TeamID()+"/runs", `{"agent_id":"`+agentID+`"}`)
				require.Equal(t, c.lost || c.part, lost(err), "%v", err)
				if c.lost {
					require.Zero(t, a.status)
				} else {
					require.True(t, strings.HasPrefix(a.body, c.body), a.body)
					if c.status != 0 {
						require.Equal(t, c.status, a.status)
					}
					require.Less(t, a.status/100, 6)
				}
				if c.part {
					require.False(t, strings.HasSuffix(a.body, "}}"))
				}
				w.until("its effect", func() bool { return (len(w.Jobs()) == 1) == c.effect })
				w.until("its record", func() bool { r := w.Requests()[0]; return r.Effect == c.effect && r.Status == a.status })
				require.Equal(t, c.fault.Kind.String(), w.Requests()[0].Fault)

				w.start(`{"agent_id":"` + agentID + `"}`) // once only
				require.Empty(t, w.Requests()[1].Fault)
			}, duvotest.WithAssignment(refunds()))
		})
	}
}

// What a client makes of each kind of fault.
func TestFaultsAsAClientSeesThem(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for _, kind := range []duvotest.FaultKind{duvotest.ResetBefore, duvotest.ResetAfter, duvotest.LateEffect, duvotest.StatusBefore, duvotest.StatusAfter,
			duvotest.Truncate, duvotest.NotJSON} {
			w.Inject(duvotest.Fault{Kind: kind})
			_, err := w.client.StartJob(t.Context(), duvo.StartJob{AssignmentID: agentID})
			require.Error(t, err, kind)
			require.True(t, duvo.MayHaveTakenEffect(err), kind)
			w.Inject(duvotest.Fault{Kind: kind})
			_, err = w.client.Teams(t.Context())
			require.Error(t, err, kind)
			require.False(t, duvo.MayHaveTakenEffect(err), kind)
		}
	}, duvotest.WithAssignment(refunds()))
}

func TestFaultOnRefusal(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.Inject(duvotest.Fault{Kind: duvotest.StatusAfter, Status: 502})
		require.Equal(t, 502, w.post("/v2/teams/"+w.TeamID()+"/runs", `{}`).status)
		require.False(t, w.Requests()[0].Effect)
	}, duvotest.WithAssignment(refunds()))
}

func TestHang(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.Inject(duvotest.Fault{Kind: duvotest.Hang, Op: "getRun"})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() {
			_, err := w.client.Job(ctx, otherID)
			ended <- err
		}()
		w.until("it hangs", func() bool { all := w.Requests(); return len(all) == 1 && all[0].Fault == "hang" })
		require.Empty(t, ended)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		require.Zero(t, w.Requests()[0].Status)
	})
}

func TestLatency(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		began := time.Now()
		w.Inject(duvotest.Fault{Latency: time.Minute, Times: 2})
		w.start(`{"agent_id":"` + agentID + `"}`)
		require.Equal(t, time.Minute, time.Since(began))
		require.Equal(t, "delay", w.Requests()[0].Fault)
		require.Equal(t, began, w.Requests()[0].At)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := w.client.StartJob(ctx, duvo.StartJob{AssignmentID: agentID})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Minute+time.Second, time.Since(began))
		time.Sleep(time.Hour)
		require.Len(t, w.Jobs(), 1) // who is gone starts nothing
	}, duvotest.WithAssignment(refunds()))
}

func TestLatencyOverTheSocket(t *testing.T) {
	s := duvotest.NewServer(duvotest.WithAssignment(refunds()))
	defer s.Close()
	s.Inject(duvotest.Fault{Latency: 20 * time.Millisecond, Kind: duvotest.StatusBefore})
	began := time.Now()
	_, err := s.Client(duvo.WithRetries(1, 0)).Teams(t.Context())
	require.ErrorIs(t, err, duvo.ErrUnavailable)
	require.GreaterOrEqual(t, time.Since(began), 20*time.Millisecond)
}

func TestLateEffect(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		w.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.LateEffect, Latency: time.Second, EffectDelay: time.Minute})
		began := time.Now()
		start := `{"agent_id":"` + agentID + `"}`
		_, err := w.try("POST", "/v2/teams/"+w.TeamID()+"/runs", start, "Idempotency-Key", "k")
		require.True(t, lost(err), "%v", err)
		require.Equal(t, time.Second, time.Since(began)) // the connection breaks at once

		time.Sleep(time.Minute - time.Nanosecond)
		synctest.Wait()
		require.Empty(t, w.Jobs())
		require.False(t, w.Requests()[0].Effect)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.Len(t, w.Jobs(), 1)
		require.True(t, w.Requests()[0].Effect)
		require.Zero(t, w.Requests()[0].Status)
		require.Equal(t, began.Add(time.Minute+time.Second), w.Jobs()[0].CreatedAt)
		require.Equal(t, w.Jobs()[0].ID, w.start(start, "Idempotency-Key", "k").text("run.id"))
	}, duvotest.WithAssignment(refunds()))
}

// A late effect that comes after a second try with its key does nothing more.
func TestLateEffectAfterASecondTry(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		w.Inject(duvotest.Fault{Kind: duvotest.LateEffect, EffectDelay: time.Minute})
		path, start := "/v2/teams/"+w.TeamID()+"/runs", `{"agent_id":"`+agentID+`"}`
		_, err := w.try("POST", path, start, "Idempotency-Key", "k")
		require.True(t, lost(err), "%v", err)
		w.start(start, "Idempotency-Key", "k")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Len(t, w.Jobs(), 1)
		require.False(t, w.Requests()[0].Effect)
		require.True(t, w.Requests()[1].Effect)
	}, duvotest.WithAssignment(refunds()))
}

func TestLateEffectEndsWithClose(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		w.Inject(duvotest.Fault{Kind: duvotest.LateEffect, EffectDelay: time.Hour})
		_, err := w.try("POST", "/v2/teams/"+w.TeamID()+"/runs", `{"agent_id":"`+agentID+`"}`)
		require.True(t, lost(err), "%v", err)
		w.Close()
		require.Empty(t, w.Jobs())
	}, duvotest.WithAssignment(refunds()))
}

func TestFaultQueue(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.Inject(
			duvotest.Fault{Op: "listMyTeams", Kind: duvotest.StatusBefore, Status: 500, Skip: 1, Times: 2},
			duvotest.Fault{Op: "getRun", Kind: duvotest.StatusBefore, Status: 501},
			duvotest.Fault{Kind: duvotest.StatusBefore, Status: 502, Skip: 2})
		var got []int
		for range 6 {
			got = append(got, w.get("/v2/teams").status)
		}
		require.Equal(t, []int{200, 500, 500, 200, 502, 200}, got)
		require.Equal(t, 501, w.get("/v2/runs/"+otherID).status)
		require.Equal(t, 404, w.get("/v2/runs/"+otherID).status)
	})
}

func TestRetryAfter(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.Inject(duvotest.Fault{Kind: duvotest.StatusBefore, Status: 429, RetryAfter: 1500 * time.Millisecond}, duvotest.Fault{Kind: duvotest.StatusAfter})
		a := w.get("/v2/teams")
		a.refused(429, "too_many_requests")
		require.Equal(t, "2", a.header.Get("Retry-After"))
		require.Empty(t, w.get("/v2/teams").header.Get("Retry-After"))
	})
}

func TestInjectFunc(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		asked := 0
		w.InjectFunc(func(op string, r *http.Request) *duvotest.Fault {
			asked++
			if op == "getRun" && strings.HasSuffix(r.URL.Path, otherID) {
				return &duvotest.Fault{Kind: duvotest.StatusBefore, Status: 500}
			}
			return nil
		})
		w.Inject(duvotest.Fault{Kind: duvotest.StatusBefore, Status: 502})
		require.Equal(t, 502, w.get("/v2/runs/"+otherID).status) // what is queued goes first
		require.Equal(t, 500, w.get("/v2/runs/"+otherID).status)
		require.Equal(t, 500, w.get("/v2/runs/"+otherID).status)
		require.Equal(t, 200, w.get("/v2/teams").status)
		require.Equal(t, 3, asked)
		w.InjectFunc(nil)
		require.Equal(t, 404, w.get("/v2/runs/"+otherID).status)
	})
}

// A function may call the Duvo that asks it.
func TestInjectFuncCallsTheDuvo(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault {
			if w.Count(op) == 2 {
				return &duvotest.Fault{Kind: duvotest.StatusBefore}
			}
			return nil
		})
		require.Equal(t, []int{200, 503, 200}, []int{w.get("/v2/teams").status, w.get("/v2/teams").status, w.get("/v2/teams").status})
	})
}

func TestFaultsThatMakeNoSense(t *testing.T) {
	d := duvotest.New()
	defer d.Close()
	for _, f := range []duvotest.Fault{{Op: "getNothing"}, {Kind: 99}, {Kind: -1}, {Kind: duvotest.StatusBefore, Status: 99}, {Kind: duvotest.StatusBefore, Status: 600},
		{Skip: -1}, {Latency: -1}, {RetryAfter: -1}, {EffectDelay: -1}} {
		panics(t, func() { d.Inject(duvotest.Fault{}, f) })
	}
	_, err := d.Client(duvo.WithRetries(1, 0)).Teams(t.Context()) // none of them was queued
	require.NoError(t, err)
	require.Empty(t, d.Requests()[0].Fault)
}

func TestFaultForAllRequests(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.Inject(duvotest.Fault{Kind: duvotest.StatusBefore, Times: -1})
		for range 5 {
			require.Equal(t, 503, w.get("/v2/teams").status)
		}
	})
}

// A broken connection is a reset one, in memory and over a socket.
func TestReset(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for _, kind := range []duvotest.FaultKind{duvotest.ResetBefore, duvotest.ResetAfter, duvotest.LateEffect} {
			w.Inject(duvotest.Fault{Kind: kind})
			_, err := w.try("GET", "/v2/teams", "")
			require.ErrorIs(t, err, syscall.ECONNRESET)
			var op *net.OpError
			require.ErrorAs(t, err, &op)
		}
		w.Inject(duvotest.Fault{Kind: duvotest.Truncate})
		a, err := w.try("GET", "/v2/teams", "")
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, 200, a.status)
	})
}

// Answers of faults carry the rate limit's headers as all others do.
func TestFaultsAndRateLimit(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.Inject(duvotest.Fault{Kind: duvotest.StatusBefore}, duvotest.Fault{Kind: duvotest.NotJSON})
		require.Equal(t, "2", w.get("/v2/teams").header.Get("X-RateLimit-Remaining"))
		require.Equal(t, "1", w.get("/v2/teams").header.Get("X-RateLimit-Remaining"))
		require.Equal(t, 200, w.get("/v2/teams").status)
		w.get("/v2/teams").refused(429, "rate_limited")
	}, duvotest.WithRateLimit(3))
}
