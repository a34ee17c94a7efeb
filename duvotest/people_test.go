package duvotest_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

func TestAnswerElsewhere(t *testing.T) {
	yes, no := true, false
	both(t, func(t *testing.T, w *world) {
		require.Error(t, w.AnswerElsewhere(otherID, duvo.Response{Approved: &yes}))
		job, request := w.waiting()
		require.Error(t, w.AnswerElsewhere(job, duvo.Response{RequestID: otherID, Approved: &yes}))
		require.NotNil(t, w.Pending(job))
		require.NoError(t, w.AnswerElsewhere(job, duvo.Response{RequestID: strings.ToUpper(request), Approved: &no}))
		no = true // what was said stays
		w.untilStatus(job, duvo.StatusCompleted)
		no = false
		r := w.job(job).Requests[0].Response
		require.True(t, r.Elsewhere)
		require.False(t, *r.Approved)
		require.Equal(t, request, r.RequestID)
		all := w.job(job).Messages
		require.Equal(t, "Not refunded.", all[len(all)-1].Text)
		require.Error(t, w.AnswerElsewhere(job, duvo.Response{Approved: &yes}))
		require.Zero(t, w.Count("respondToHumanRequest"))
		w.respond(job, request, `{"approved":true}`).refused(400, "not_waiting")

		job, _ = w.waiting()
		require.NoError(t, w.AnswerElsewhere(job, duvo.Response{Approved: &yes}))
		w.untilStatus(job, duvo.StatusCompleted)
		all = w.job(job).Messages
		require.Equal(t, "Refunded.", all[len(all)-1].Text)
	}, duvotest.WithAssignment(refunds()))
}

func TestChangeRequest(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		require.Error(t, w.ChangeRequest(otherID, func(*duvo.HumanRequest) {}))
		job, request := w.waiting()
		before := w.Pending(job)
		j, err := w.client.Job(t.Context(), job)
		require.NoError(t, err)

		require.NoError(t, w.ChangeRequest(job, func(q *duvo.HumanRequest) { q.Title, q.Questions[0].Options[0].Label = "Other", "L" }))
		a := w.get("/v2/runs/" + job)
		require.Equal(t, request, a.text("pending_human_request.id"))
		require.Equal(t, "Other", a.text("pending_human_request.title"))
		require.NotEqual(t, j.UpdatedAt.Format(time.RFC3339Nano), a.text("run.updated_at"))
		require.Equal(t, "S", before.Questions[0].Options[0].Label) // what was told stays
		require.Equal(t, "L", w.Pending(job).Questions[0].Options[0].Label)
		require.Len(t, w.job(job).Requests, 1)

		require.NoError(t, w.ChangeRequest(job, func(q *duvo.HumanRequest) { q.ID = otherID }))
		require.Equal(t, otherID, w.Pending(job).ID)
		w.respond(job, request, `{"answers":{"Size?":"M"}}`).refused(400, "not_pending")
		require.Equal(t, 200, w.respond(job, otherID, `{"answers":{"Size?":"M"}}`).status)
		w.untilStatus(job, duvo.StatusCompleted)
		r := w.job(job)
		require.Len(t, r.Requests, 2)
		require.Nil(t, r.Requests[0].Response)
		require.Equal(t, map[string]string{"Size?": "M"}, r.Requests[1].Response.Answers)
		require.Error(t, w.ChangeRequest(job, func(*duvo.HumanRequest) {}))
	}, duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "Sizes", Script: func(j *duvotest.Job) {
		j.Ask("Which?", "", duvo.QuestionItem{Question: "Size?", Options: []duvo.Choice{{Label: "S"}, {Label: "M"}}})
	}}))
}

func TestStopJob(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		require.Error(t, w.StopJob(otherID))
		job, request := w.waiting()
		require.NoError(t, w.StopJob(job)) // whatever the profile
		require.Equal(t, "stopped", w.get("/v2/runs/"+job).text("run.status"))
		require.Nil(t, w.Pending(job))
		w.respond(job, request, `{"approved":true}`).refused(400, "not_waiting")
		history := w.job(job).History
		require.NoError(t, w.StopJob(job))
		require.Equal(t, history, w.job(job).History)
	}, duvotest.WithProfile(duvotest.Profile{Stop: duvotest.WaitingUnstoppable}), duvotest.WithAssignment(refunds()))
}

func TestDeleteJob(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		require.Error(t, w.DeleteJob(otherID))
		job, request := w.waiting()
		require.NoError(t, w.DeleteJob(job))
		a := w.get("/v2/runs/" + job)
		require.Equal(t, 200, a.status)
		run, told := a.at("run")
		require.True(t, told)
		require.Nil(t, run)
		_, err := w.client.Job(t.Context(), job)
		require.ErrorIs(t, err, duvo.ErrNotFound)
		w.get("/v2/runs/"+job+"/messages").refused(404, "not_found")
		w.message(job, "m").refused(404, "not_found")
		w.respond(job, request, `{"approved":true}`).refused(404, "not_found")
		w.post("/v2/runs/"+job+"/stop", `{}`).refused(404, "not_found")
		require.Empty(t, w.get("/v2/teams/"+w.TeamID()+"/runs").rows("data", "id"))
		require.Nil(t, w.Pending(job))
		yes := true
		require.Error(t, w.AnswerElsewhere(job, duvo.Response{Approved: &yes}))
		require.Len(t, w.Jobs(), 1) // its record stays
		require.Nil(t, w.job(job).Requests[0].Response)
	}, duvotest.WithAssignment(refunds()))
}

func TestDeletedJobsScriptEnds(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		ended := false
		require.NoError(t, w.AddAssignment(duvotest.Assignment{ID: agentID, Name: "A", Script: func(j *duvotest.Job) {
			defer func() { ended = true }()
			j.Sleep(time.Hour)
		}}))
		job := w.start(`{"agent_id":"` + agentID + `"}`).text("run.id")
		synctest.Wait()
		require.NoError(t, w.DeleteJob(job))
		synctest.Wait()
		require.True(t, ended)
		require.Equal(t, duvo.StatusRunning, w.job(job).Status)
	})
}

func TestWhatPeopleCannotDo(t *testing.T) {
	yes := true
	both(t, func(t *testing.T, w *world) {
		job, request := w.waiting()
		require.Error(t, w.AnswerElsewhere(job, duvo.Response{}))
		require.Error(t, w.AnswerElsewhere(job, duvo.Response{Answers: map[string]string{"a": "b"}}))
		require.Error(t, w.ChangeRequest(job, func(q *duvo.HumanRequest) { q.ID, q.Title = "x", "Other" }))
		require.Equal(t, request, w.Pending(job).ID)
		require.Equal(t, "Refund 120 EUR", w.Pending(job).Title)
		require.NoError(t, w.DeleteJob(strings.ToUpper(job)))
		require.True(t, w.job(job).Deleted)
		for _, err := range []error{w.AnswerElsewhere(job, duvo.Response{Approved: &yes}), w.StopJob(job), w.DeleteJob(job),
			w.ChangeRequest(job, func(*duvo.HumanRequest) {})} {
			require.ErrorContains(t, err, job)
		}
	}, duvotest.WithAssignment(refunds()))
}
