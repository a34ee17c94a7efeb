package main

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

var t0 = time.Unix(1_800_000_000, 0)

// flawless is the evidence of two keys with which nothing is wrong: each asked for
// an approval, which the policy gave to the first, and the inbox to the second.
func flawless() *evidence {
	e := &evidence{jobs: 2, journaled: map[string]*outcome.Result{}, unreadable: map[string]error{}}
	for n := range 2 {
		key, id, request := keyName(n), fmt.Sprint("job-", n), fmt.Sprint("request-", n)
		yes := true
		e.saw.Jobs = append(e.saw.Jobs, jobSeen{ID: id, Input: key, Status: duvo.StatusCompleted, Turns: []turnSeen{{Said: key, Status: duvo.StatusCompleted, Last: "done " + key}}, Requests: []asking{{ID: request, Title: "0 rule for " + key,
			Response: &duvotest.ResponseRecord{RequestID: request, Approved: &yes, At: t0.Add(2 * time.Second), Elsewhere: n == 1}}}})
		e.saw.Posts = append(e.saw.Posts,
			post{Path: "/v2/teams/t/runs", Key: "start-" + key, Body: `{"message":"` + key + `"}`},
			post{Path: "/v2/runs/" + id + "/human-requests/" + request + "/respond", Key: "respond-" + key, Body: `{"approved":true}`, At: t0.Add(2 * time.Second)})
		e.audited = append(e.audited, audit.Record{Event: audit.Sent, At: t0.Add(time.Second), JobID: id, RequestID: request})
		e.outcomes = append(e.outcomes, delivered{Key: key, Outcome: outcome.OutcomeCompleted, JobID: id, Output: "done " + key})
		e.decisions = append(e.decisions, decided{At: t0.Add(time.Second), By: "policy", Key: key, JobID: id, RequestID: request, Verdict: hitl.Approved})
		delivery := hitl.Accepted
		if n == 1 {
			delivery = hitl.Superseded
		}
		e.journaled[key] = &outcome.Result{Key: key, Outcome: outcome.OutcomeCompleted, JobID: id, Output: "done " + key,
			Decisions: []hitl.DecisionEntry{{RequestID: request, Decision: hitl.Approve("policy", ""), Delivery: delivery}}}
	}
	return e
}

// list lets the journal hold an operation as not done, and a registry list it.
func list(e *evidence, name string) {
	e.unfinished, e.listed = []string{"op-x"}, map[string]bool{name: true}
}

func TestFlawless(t *testing.T) {
	rep := flawless().check()
	require.Empty(t, rep.Problems)
	require.True(t, rep.clean())
	require.Equal(t, 2, rep.Jobs)
	require.Equal(t, 1, rep.Answered)
	require.Equal(t, 1, rep.Elsewhere)
	require.Zero(t, rep.Unknown)
}

// TestEachFlaw spoils the evidence in one way at a time.
func TestEachFlaw(t *testing.T) {
	no := false
	first := func(e *evidence) *asking { return &e.saw.Jobs[0].Requests[0] }
	entry := func(e *evidence) *hitl.DecisionEntry { return &e.journaled[keyName(0)].Decisions[0] }
	for _, c := range []struct {
		name                        string
		spoil                       func(*evidence)
		lost, doubled, unauthorised int
	}{
		{"no outcome", func(e *evidence) { e.outcomes = e.outcomes[1:]; list(e, keyName(0)) }, 1, 0, 0},
		{"another outcome", func(e *evidence) { e.outcomes[0].Outcome = outcome.OutcomeFailed }, 2, 0, 0},
		{"another Job's outcome", func(e *evidence) { e.outcomes[0].JobID = "job-1" }, 2, 0, 0},
		{"another output, the journal's too", func(e *evidence) { e.outcomes[0].Output, e.journaled[keyName(0)].Output = "x", "x" }, 1, 0, 0},
		{"two outcomes that differ", func(e *evidence) {
			e.outcomes = append(e.outcomes, e.outcomes[0])
			e.outcomes[2].Output = "x"
		}, 1, 0, 0},
		{"an error without a key", func(e *evidence) { e.outcomes[0].Wrong = "no key" }, 1, 0, 0},
		{"no Job", func(e *evidence) { e.saw.Jobs = e.saw.Jobs[1:] }, 1, 0, 0},
		{"a Job that has not ended", func(e *evidence) { e.saw.Jobs[0].Turns[0].Status = duvo.StatusRunning }, 1, 0, 0},
		{"a request without an answer", func(e *evidence) { first(e).Response = nil }, 1, 0, 0},
		{"no result in the journal", func(e *evidence) {
			delete(e.journaled, keyName(0))
			e.unreadable[keyName(0)] = errors.New("offline")
		}, 1, 0, 0},
		{"an operation that is not done", func(e *evidence) { list(e, keyName(0)) }, 1, 0, 0},
		{"a second Job", func(e *evidence) {
			e.saw.Jobs = append(e.saw.Jobs, e.saw.Jobs[0])
			e.saw.Jobs[2].ID, e.saw.Jobs[2].Requests = "job-2", nil
		}, 0, 1, 0},
		{"a Job that nobody asked for", func(e *evidence) {
			e.saw.Jobs = append(e.saw.Jobs, jobSeen{ID: "job-2", Input: "x", Status: duvo.StatusCompleted, Turns: []turnSeen{{Said: "x"}}})
		}, 0, 1, 0},
		{"a response to another request", func(e *evidence) { first(e).Response.RequestID = "request-1" }, 0, 1, 0},
		{"another body", func(e *evidence) {
			e.saw.Posts = append(e.saw.Posts, post{e.saw.Posts[1].Path, e.saw.Posts[1].Key, `{"approved":false}`, t0.Add(time.Hour)})
		}, 0, 1, 0},
		{"another key of a start", func(e *evidence) {
			e.saw.Posts = append(e.saw.Posts, post{e.saw.Posts[0].Path, "x", e.saw.Posts[0].Body, t0})
		}, 0, 1, 0},
		{"two decisions that were sent", func(e *evidence) {
			r := e.journaled[keyName(0)]
			r.Decisions = append(r.Decisions, r.Decisions[0])
			r.Decisions[1].Delivery = hitl.Unconfirmed
		}, 0, 1, 0},
		{"two people who decided", func(e *evidence) {
			d := e.decisions[0]
			d.Told = true
			e.decisions = append(e.decisions, d, d)
		}, 0, 1, 0},
		{"nobody decided", func(e *evidence) { e.decisions = e.decisions[1:] }, 0, 0, 1},
		{"decided afterwards", func(e *evidence) { e.decisions[0].At = t0.Add(time.Hour) }, 0, 0, 1},
		{"only told", func(e *evidence) { e.decisions[0].Told = true }, 0, 0, 1},
		{"decided otherwise", func(e *evidence) { e.decisions[0].Verdict = hitl.Denied }, 0, 0, 1},
		{"answered otherwise", func(e *evidence) {
			first(e).Response.Approved, first(e).Response.Answers = nil, map[string]string{"a": "b"}
		}, 0, 0, 2},
		{"the opposite", func(e *evidence) { first(e).Response.Approved = &no }, 0, 0, 2},
		{"no decision in the journal", func(e *evidence) { e.journaled[keyName(0)].Decisions = nil }, 0, 0, 1},
		{"one that was not sent", func(e *evidence) { entry(e).Delivery = hitl.NotSent }, 0, 0, 1},
		{"another decision in the journal", func(e *evidence) { entry(e).Verdict = hitl.Denied }, 0, 0, 1},
		{"an approval of what is never approved", func(e *evidence) { first(e).Title = "0 never for " + keyName(0) }, 0, 0, 1},
		{"walked past", func(e *evidence) { *first(e) = asking{ID: "request-0", Bypassed: true} }, 0, 0, 1},
		{"a message", func(e *evidence) { e.saw.Posts = append(e.saw.Posts, post{Path: "/v2/runs/job-0/messages"}) }, 0, 0, 1},
		{"said to be accepted", func(e *evidence) { e.journaled[keyName(1)].Decisions[0].Delivery = hitl.Accepted }, 0, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := flawless()
			c.spoil(e)
			rep := e.check()
			require.Equal(t, []int{c.lost, c.doubled, c.unauthorised}, []int{rep.Lost, rep.Doubled, rep.Unauthorised}, rep.Problems)
			require.False(t, rep.clean())
			require.Len(t, rep.Problems, c.lost+c.doubled+c.unauthorised)
		})
	}
}

// TestUnknown: what was reported as unknown is not lost and not doubled, if the
// journal knows of it.
func TestUnknown(t *testing.T) {
	e := flawless()
	e.outcomes[0] = delivered{Key: keyName(0), Outcome: outcome.OutcomeUnknown}
	*e.journaled[keyName(0)] = outcome.Result{Key: keyName(0), Outcome: outcome.OutcomeUnknown}
	list(e, keyName(0))
	e.saw.Jobs = append(e.saw.Jobs, jobSeen{ID: "job-2", Input: keyName(0), Status: duvo.StatusCompleted, Turns: []turnSeen{{Said: keyName(0)}}})
	rep := e.check()
	require.Empty(t, rep.Problems)
	require.Equal(t, 1, rep.Unknown)
	e.unfinished, e.listed = nil, nil
	require.Equal(t, 1, e.check().Silent)
}

// The journals of a soak forget what was delivered a while ago, and only that.
func TestSoakForgets(t *testing.T) {
	e := flawless()
	e.jobs = 0
	e.outcomes[0].At, e.outcomes[1].At = t0, t0.Add(soakRetention)
	delete(e.journaled, keyName(0))
	e.saw.Jobs[0].Requests = nil
	require.Empty(t, e.check().Problems)
	delete(e.journaled, keyName(1))
	require.Equal(t, 1, e.check().Lost)
}

// What a killed process has left unfinished is no line.
func TestLines(t *testing.T) {
	path := t.TempDir() + "/lines"
	got, err := readLines[delivered](path)
	require.NoError(t, err)
	require.Empty(t, got)
	for n := range 3 {
		l, err := openLines(path)
		require.NoError(t, err)
		require.NoError(t, l.add(delivered{Key: keyName(n)}))
		_, err = l.f.WriteString(`{"key":"cut o`)
		require.NoError(t, err)
		require.NoError(t, l.close())
		got, err = readLines[delivered](path)
		require.NoError(t, err)
		require.Len(t, got, n+1)
		require.Equal(t, keyName(n), got[n].Key)
	}
	l, err := openLines(path)
	require.NoError(t, err)
	_, err = l.f.WriteString("no JSON\n")
	require.NoError(t, err)
	require.NoError(t, l.close())
	_, err = readLines[delivered](path)
	require.ErrorContains(t, err, path+":4")
}
