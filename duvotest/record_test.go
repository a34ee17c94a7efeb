package duvotest_test

import (
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// What is returned is the caller's own.
func TestRecordsAreCopies(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		job, request := w.waiting()
		require.Equal(t, 200, w.respond(job, request, `{"answers":{"Size?":"M"}}`, "X-Test", "a").status)
		w.untilStatus(job, duvo.StatusCompleted)

		r := w.job(job)
		r.History[0], r.Messages[0].Text = "x", "x"
		r.Requests[0].Title, r.Requests[0].Questions[0].Question = "x", "x"
		r.Requests[0].Questions[0].Options[0].Label = "x"
		r.Requests[0].Response.Answers["Size?"] = "x"
		r = w.job(job)
		require.Equal(t, duvo.StatusPending, r.History[0])
		require.Equal(t, "order 7", r.Messages[0].Text)
		require.Equal(t, "Which?", r.Requests[0].Title)
		require.Equal(t, duvo.QuestionItem{Question: "Size?", Options: []duvo.Choice{{Label: "S"}}}, r.Requests[0].Questions[0])
		require.Equal(t, "M", r.Requests[0].Response.Answers["Size?"])
		require.Equal(t, r, w.Jobs()[0])

		q := w.Requests()[1]
		q.Header.Set("X-Test", "b")
		q.Body[0] = 'x'
		q.Query.Set("a", "b")
		q = w.Requests()[1]
		require.Equal(t, "a", q.Header.Get("X-Test"))
		require.Equal(t, `{"answers":{"Size?":"M"}}`, string(q.Body))
		require.Empty(t, q.Query)
		require.Equal(t, "respondToHumanRequest", q.Op)
		require.Equal(t, "/v2/runs/"+job+"/human-requests/"+request+"/respond", q.Path)
	}, duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "Sizes", Script: func(j *duvotest.Job) {
		j.Ask("Which?", "", duvo.QuestionItem{Question: "Size?", Options: []duvo.Choice{{Label: "S"}}})
	}}))
}

func TestNoSuchJob(t *testing.T) {
	d := duvotest.New()
	defer d.Close()
	_, found := d.Job(otherID)
	require.False(t, found)
	require.Nil(t, d.Pending(otherID))
	require.Empty(t, d.Jobs())
	require.Empty(t, d.Requests())
	require.Zero(t, d.Count("getRun"))
}
