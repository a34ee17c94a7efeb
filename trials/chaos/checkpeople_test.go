package main

import (
	"testing"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// seedWithFollowUp finds a seed whose plan of the first key has a follow-up.
func seedWithFollowUp() uint64 {
	for seed := uint64(1); ; seed++ {
		if len(planOf(seed, keyName(0)).Turns) == 2 {
			return seed
		}
	}
}

// continued is flawless evidence in which the first Job was gone on with.
func continued() *evidence {
	e := flawless()
	e.seed = seedWithFollowUp()
	name := followUpName(keyName(0), 1)
	e.saw.Jobs[0].Turns = append(e.saw.Jobs[0].Turns, turnSeen{Said: name, Status: duvo.StatusCompleted, Last: "done " + name})
	e.saw.Posts = append(e.saw.Posts, post{Path: "/v2/runs/job-0/messages", Key: "more", Body: `{"message":"` + name + `"}`})
	e.events = append(e.events, happened{Kind: followUpAsked, Key: name, JobID: "job-0"})
	e.outcomes = append(e.outcomes, delivered{Key: name, Outcome: outcome.OutcomeCompleted, JobID: "job-0", Output: "done " + name})
	e.journaled[name] = &outcome.Result{Key: name, Outcome: outcome.OutcomeCompleted, JobID: "job-0", Output: "done " + name}
	return e
}

// TestEachFlawOfPeople spoils the evidence about follow-ups, stops, reconciliations,
// the audit and the lists in one way at a time.
func TestEachFlawOfPeople(t *testing.T) {
	require.Empty(t, continued().check().Problems)
	name := followUpName(keyName(0), 1)
	stopped := func(e *evidence) {
		e.saw.Jobs[0].Status, e.saw.Jobs[0].Turns[1].Status = duvo.StatusStopped, duvo.StatusStopped
		e.outcomes[2].Outcome, e.journaled[name].Outcome = outcome.OutcomeStopped, outcome.OutcomeStopped
	}
	for _, c := range []struct {
		what                                string
		spoil                               func(*evidence)
		lost, doubled, unauthorised, silent int
	}{
		{"a message without an outcome", func(e *evidence) { e.outcomes = e.outcomes[:2] }, 1, 0, 0, 1},
		{"the same, listed", func(e *evidence) {
			e.outcomes = e.outcomes[:2]
			list(e, name)
		}, 1, 0, 0, 0},
		{"a message that was taken twice", func(e *evidence) { j := &e.saw.Jobs[0]; j.Turns = append(j.Turns, j.Turns[1]) }, 0, 1, 0, 0},
		{"two different messages", func(e *evidence) {
			p := e.saw.Posts[len(e.saw.Posts)-1]
			p.Key = "x"
			e.saw.Posts = append(e.saw.Posts, p)
		}, 0, 1, 0, 0},
		{"a message that nobody asked for", func(e *evidence) { e.events = nil }, 0, 1, 1, 0},
		{"a message that was told as refused", func(e *evidence) { e.outcomes[2] = delivered{Key: name, Refused: "it is stopped"} }, 1, 0, 0, 0},
		{"a stop that nobody asked for", stopped, 0, 0, 1, 0},
		{"a stop that was sent unasked", func(e *evidence) { e.saw.Posts = append(e.saw.Posts, post{Path: "/v2/runs/job-0/stop"}) }, 0, 0, 1, 0},
		{"a stop that was asked for", func(e *evidence) {
			stopped(e)
			e.events = append(e.events, happened{Kind: stopAsked, JobID: "job-0"})
			e.saw.Posts = append(e.saw.Posts, post{Path: "/v2/runs/job-0/stop"})
		}, 0, 0, 0, 0},
		{"a start that was found to be none, and sent anew", func(e *evidence) {
			e.events = append(e.events, happened{Kind: notStarted, Key: keyName(0)})
			e.saw.Posts[0].Body = `{"message":"` + keyName(0) + `","sandbox_id":"x"}`
			p := e.saw.Posts[0]
			p.Body = `{"message":"` + keyName(0) + `","sandbox_id":"y"}`
			e.saw.Posts = append(e.saw.Posts, p)
		}, 0, 0, 0, 0},
		{"a response before the audit was told", func(e *evidence) { e.audited[0].At = t0.Add(time.Hour) }, 0, 0, 1, 0},
		{"a response that the audit was told the end of only", func(e *evidence) { e.audited[0].Event = audit.Delivered }, 0, 0, 1, 0},
		{"an audit that does not verify", func(e *evidence) { e.badAudits = []string{"a line was changed"} }, 1, 0, 0, 0},
		{"something after Close", func(e *evidence) { e.events = append(e.events, happened{Kind: wrongAfterClose}) }, 0, 0, 1, 0},
		{"a Job that is no candidate", func(e *evidence) { e.events = append(e.events, happened{Kind: wrongNotCandidate}) }, 1, 0, 0, 0},
		{"an operation that vanished", func(e *evidence) { e.events = append(e.events, happened{Kind: wrongSilent}) }, 0, 0, 0, 1},
		{"a request that waits unlisted", func(e *evidence) {
			j := &e.saw.Jobs[0]
			j.Status, j.Requests[0].Response = duvo.StatusWaiting, nil
		}, 0, 0, 0, 1},
		{"a request that waits and is listed", func(e *evidence) {
			j := &e.saw.Jobs[0]
			j.Status, j.Requests[0].Response = duvo.StatusWaiting, nil
			list(e, name)
		}, 1, 0, 0, 0},
		{"something not done that nobody lists", func(e *evidence) { e.unfinished = []string{"op-x"} }, 0, 0, 0, 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			e := continued()
			c.spoil(e)
			rep := e.check()
			require.Equal(t, []int{c.lost, c.doubled, c.unauthorised, c.silent}, []int{rep.Lost, rep.Doubled, rep.Unauthorised, rep.Silent}, rep.Problems)
			require.Equal(t, c.lost+c.doubled+c.unauthorised+c.silent == 0, rep.clean())
		})
	}
}

// What a registry has in hand is listed, or was told to be over.
func TestTracker(t *testing.T) {
	var told []happened
	f := newTracker(func(h happened) { told = append(told, h) })
	f.observe(outcome.Event{Kind: outcome.EventStarted, Key: "a"})
	f.observe(outcome.Event{Kind: outcome.EventStarted, Key: "b"})
	f.observe(outcome.Event{Kind: outcome.EventFinished, Key: "b"})
	f.closed()
	require.Len(t, told, 1)
	require.Equal(t, "a", told[0].Key)
	f.observe(outcome.Event{Kind: outcome.EventParked, Key: "a"})
	require.Len(t, told, 2, "it was parked, and nobody told why")
}
