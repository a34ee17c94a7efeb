package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/internal/syncbuf"
	"github.com/stretchr/testify/require"
)

// Every verb works at Duvo itself: what it prints, what Duvo saw of it, its exit code,
// and what it prints for programs.
func TestEveryVerbAtDuvo(t *testing.T) {
	b := atDuvoBench(t)
	require.Contains(t, b.ok("assignments"), "Refunds       Support/Money  Refunds orders.")
	var list struct{ Assignments []assignment }
	b.json(0, "assignments", &list, "assignments")
	require.Len(t, list.Assignments, 3)

	id := strings.TrimSpace(b.ok("run", "refunds", "--input", "Refund 120 EUR|For order 4711.", "-y"))
	job, ok := b.d.Job(id)
	require.True(t, ok)
	require.Equal(t, "Refund 120 EUR|For order 4711.", job.Input)
	require.NotEmpty(t, job.IdempotencyKey)
	var started struct {
		Job struct{ ID string }
		Key string
	}
	b.json(0, "run", &started, "run", addresses.ID, "--input", "@"+write(t, "in.txt", "Order 4698"), "-y", "--key", "once")
	job, _ = b.d.Job(started.Job.ID)
	require.Equal(t, "Order 4698", job.Input)
	require.Equal(t, "once", job.IdempotencyKey)
	b.json(0, "run", nil, "run", addresses.ID, "--input", "Order 4698", "-y", "--key", "once")
	require.Len(t, b.d.Jobs(), 2, "the same start")
	for _, j := range b.d.Jobs() {
		require.Eventually(t, func() bool { return b.d.Pending(j.ID) != nil }, eventual, tick)
	}

	require.Contains(t, b.ok("jobs"), id)
	require.Contains(t, b.ok("jobs", "--status", "completed"), "no such Jobs")
	require.NotContains(t, b.ok("jobs", "--assignment", "Refunds"), started.Job.ID)
	var jobs struct{ Jobs []struct{ ID string } }
	b.json(0, "jobs", &jobs, "jobs", "--limit", "1")
	require.Len(t, jobs.Jobs, 1)

	text := b.ok("pending")
	require.Contains(t, text, "Refund 120 EUR")
	require.Contains(t, text, "Which delivery address is right?")
	b.json(0, "pending", nil, "pending")
	text = b.ok("show", id)
	require.Contains(t, text, "approval: Refund 120 EUR\nThe Job says:\n  | For order 4711.\nIt was started with:\n  | Refund 120 EUR|For order 4711.\n")
	require.Contains(t, text, "To decide:  duvoctl approve "+id)
	ref, digest := b.shown(id)
	require.Equal(t, id, ref)
	_, same := b.shown(b.d.Pending(id).ID)
	require.Equal(t, digest, same, "by the request's own ID")

	r := b.ctl("approve", ref, "--digest", digest, "--reason", "ticket 1", "-y")
	require.Zero(t, r.code)
	require.Equal(t, "Sent. Duvo has taken the decision.\n", r.out)
	require.Contains(t, r.errs, "no service's policy was asked, and none records who decided")
	require.True(t, *b.response(id).Approved)
	require.Equal(t, 1, b.sent())
	require.Contains(t, b.ok("watch", id), "Job "+id+" is completed")
	lines := b.json(0, "watch", nil, "watch", id)
	require.Contains(t, lines[len(lines)-1], `"answer":"Refunded."`)

	_, digest = b.shown(started.Job.ID)
	r = b.ctl("answer", started.Job.ID, "--digest", digest, "-y", "--answer", "Which address?=Linden Street 14", "--answer", "2=Parcel 1 of 3, Parcel 3 of 3", "--answer", "3=Nothing.")
	require.Zero(t, r.code, r.errs)
	require.Equal(t, map[string]string{"Which address?": "Linden Street 14", "Which parcels?": "Parcel 1 of 3, Parcel 3 of 3", "What is the customer told?": "Nothing."}, b.response(started.Job.ID).Answers)

	denied := b.asks(refundsID, "Refund 500 EUR|")
	_, digest = b.shown(denied)
	var res result
	b.json(0, "decision", &res, "deny", denied, "--digest", digest[:12], "-y")
	require.Equal(t, endSent, res.Ending)
	require.False(t, *b.response(denied).Approved)

	stopped := b.asks(refundsID, "Refund 9 EUR|")
	require.Equal(t, "Job "+stopped+" is stopped.\n", b.ok("stop", stopped, "-y"))
	require.Contains(t, b.ok("stop", id, "-y"), "was not stopped: it is completed")
	b.json(0, "stop", nil, "stop", stopped, "-y")
	require.Equal(t, 1, b.d.Count("stopRun"), "what has ended is not stopped")

	require.Contains(t, b.ok("schema"), `"$defs"`)
	b.json(0, "doctor", nil, "doctor")
	r = b.ctl("hold", "on", "-y")
	require.Equal(t, exitError, r.code)
	require.Contains(t, r.errs, "it needs its desk")
}

// A Job is followed to its end, and the exit code tells how it ended.
func TestFollow(t *testing.T) {
	b := atDuvoBench(t)
	require.Contains(t, b.ok("run", "order status", "--input", "4711", "-y", "--follow"), "assistant:\n  | Shipped: 4711\n")
	var end step
	lines := b.json(exitError, "watch", &end, "run", "order status", "--input", "fail", "-y", "-f")
	require.Equal(t, "end", end.Event)
	require.Equal(t, duvo.StatusFailed, end.Job.Status)
	for i, l := range lines {
		var s step
		require.NoError(t, json.Unmarshal([]byte(l), &s))
		require.Equal(t, i == len(lines)-1, s.Event == "end")
	}
	id := b.asks(refundsID, "Refund 1 EUR|")
	go func() {
		_ = b.d.AnswerElsewhere(id, duvo.Response{Approved: new(bool)})
	}()
	require.Contains(t, b.ok("watch", id), "Not refunded.")
	id = b.asks(refundsID, "Refund 2 EUR|")
	var asked bool
	require.NoError(t, b.d.StopJob(b.asks(refundsID, "Refund 3 EUR|")))
	d := atDuvo{app: newApp(nil, os.Stderr, os.Stderr)}
	d.app.json, d.app.timeout = true, time.Minute
	var out syncbuf.Buffer
	d.app.out = &out
	var err error
	d.client, err = d.app.client()
	require.NoError(t, err)
	defer d.close()
	s := &sight{app: d.app, at: &d, said: map[string]bool{}}
	for range 3 { // it is told once
		over, err := s.look(t.Context(), id)
		require.NoError(t, err)
		require.False(t, over)
	}
	for _, l := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		fits(t, "watch", l)
		if strings.Contains(l, `"event":"request"`) {
			require.False(t, asked, "twice")
			asked = true
		}
	}
	require.True(t, asked)

	d.app.out = &syncbuf.Buffer{}
	b.d.Inject(duvotest.Fault{Op: "getRun", Kind: duvotest.StatusBefore, Status: 401})
	_, err = s.look(t.Context(), id)
	require.ErrorIs(t, err, duvo.ErrUnauthorized)
}

// The exit codes are those that are told.
func TestExitCodes(t *testing.T) {
	b := atDuvoBench(t)
	id := b.asks(refundsID, "Refund 120 EUR|")
	nobody := "6f1e02c9-0000-4000-8000-00000000dead"
	code := func(want int, kind string, args ...string) {
		t.Helper()
		var e struct{ Error struct{ Kind string } }
		b.json(want, "error", &e, args...)
		require.Equal(t, kind, e.Error.Kind, args)
		text := b.ctl(args...)
		require.Equal(t, want, text.code)
		require.True(t, strings.HasPrefix(text.errs, "duvoctl: "), text.errs)
		require.Empty(t, text.out)
	}
	code(exitError, "usage", "nonsense")
	code(exitError, "usage", "pending", "--nonsense")
	code(exitError, "usage", "show")
	code(exitError, "usage", "show", "a", "b")
	code(exitError, "usage", "jobs", "--limit", "0")
	code(exitError, "usage", "pending", "--timeout", "0s")
	code(exitError, "usage", "run", "refunds")
	code(exitError, "usage", "stop", id)
	code(exitError, "usage", "stop", "order 4711", "-y") // an operation key
	code(exitError, "usage", "watch", "order 4711")
	code(exitError, "usage", "approve", id)
	code(exitError, "usage", "approve", id, "-y")
	code(exitError, "usage", "approve", id, "--digest", "123456789012")
	code(exitError, "usage", "approve", id, "--digest", "12345", "-y")
	code(exitError, "usage", "answer", id, "--digest", "123456789012", "-y")
	code(exitError, "usage", "answer", id, "--answer", "x", "--digest", "123456789012", "-y")
	code(exitError, "usage", "answer", id, "--answer", "x=1", "--answer", "x=2", "--digest", "123456789012", "-y")
	code(exitError, "usage", "answer", id, "--answers", "[]", "--digest", "123456789012", "-y")
	code(exitError, "usage", "audit", "verify")
	code(exitError, "usage", "audit", "query")
	code(exitNotFound, "not_found", "show", "nothing")
	code(exitNotFound, "not_found", "show", nobody)
	code(exitNotFound, "not_found", "watch", nobody)
	code(exitNotFound, "not_found", "stop", nobody, "-y")
	code(exitNotFound, "not_found", "run", "Nothing", "-y")
	_, digest := b.shown(id)
	code(exitError, "invalid", "answer", id, "--answer", "x=1", "--digest", digest, "-y")
	question := b.asks(addresses.ID, "Order 1")
	_, other := b.shown(question)
	code(exitError, "invalid", "approve", question, "--digest", other, "-y")
	code(exitError, "invalid", "deny", question, "--digest", other, "-y")
	code(exitError, "invalid", "answer", question, "--answer", "1=Nowhere", "--digest", other, "-y")
	require.Zero(t, b.sent())
	require.Zero(t, b.d.Count("startRun"))
	require.Zero(t, b.d.Count("stopRun"))

	yes := true
	require.NoError(t, b.d.AnswerElsewhere(id, duvo.Response{Approved: &yes}))
	var res result
	b.json(exitElsewhere, "decision", &res, "approve", id, "--digest", digest, "-y")
	require.Equal(t, endElsewhere, res.Ending)
	code(exitElsewhere, "elsewhere", "show", id)
	require.Zero(t, b.sent())

	t.Setenv(duvo.EnvAPIKey, "dv_wrong_0123456789abcdef")
	for _, verb := range [][]string{{"assignments"}, {"jobs"}, {"pending"}, {"show", id}, {"watch", id}, {"stop", id, "-y"}, {"run", "refunds", "-y"}, {"approve", id, "--digest", digest, "-y"}} {
		code(exitAuth, "auth", verb...)
	}
	b.json(exitAuth, "doctor", nil, "doctor")
	t.Setenv(duvo.EnvAPIKey, "")
	code(exitAuth, "auth", "pending")
	code(exitAuth, "auth", "jobs")
	b.json(exitAuth, "doctor", nil, "doctor")
}

// A Job that Duvo does not stop is told as that.
func TestStoppingWhatCannotBeStopped(t *testing.T) {
	b := atDuvoBench(t, duvotest.WithProfile(duvotest.Profile{Stop: duvotest.WaitingUnstoppable}))
	id := b.asks(refundsID, "Refund 120 EUR|")
	var out, errs syncbuf.Buffer
	a := newApp(strings.NewReader(""), &out, &errs)
	a.settled = 50 * time.Millisecond
	require.Equal(t, exitError, a.run(t.Context(), []string{"stop", id, "-y"}))
	require.Contains(t, errs.String(), "still waiting")
	require.Empty(t, out.String())
}
