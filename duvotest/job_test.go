package duvotest_test

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

func TestApproval(t *testing.T) {
	for name, c := range map[string]struct {
		response, stored, result string
		approved                 bool
	}{
		"approved": {`{"approved":true}`, "approved", "Refunded.", true},
		"denied":   {`{"approved":false}`, "denied", "Not refunded.", false},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, w *world) {
				job, request := w.waiting()
				a := w.get("/v2/runs/" + job)
				require.Equal(t, "waiting", a.text("run.status"))
				require.Equal(t, request, a.text("pending_human_request.id"))
				require.Equal(t, "approval", a.text("pending_human_request.type"))
				require.Equal(t, "Refund 120 EUR", a.text("pending_human_request.title"))
				require.Equal(t, "The order arrived damaged.", a.text("pending_human_request.description"))

				a = w.respond(job, request, c.response)
				require.Equal(t, 200, a.status)
				require.Equal(t, c.stored, a.text("human_request.response"))
				require.Equal(t, job, a.text("human_request.run_id"))

				w.untilStatus(job, duvo.StatusCompleted)
				r := w.job(job)
				require.Equal(t, []string{"user: order 7", "assistant: On it: order 7", "assistant: " + c.result}, texts(r.Messages))
				require.Equal(t, []duvo.Status{"pending", "starting", "running", "waiting", "running", "completed"}, r.History)
				require.Len(t, r.Requests, 1)
				require.Equal(t, c.approved, *r.Requests[0].Response.Approved)
				require.Equal(t, request, r.Requests[0].Response.RequestID)
				require.False(t, r.Requests[0].Response.Elsewhere)
				require.False(t, r.Requests[0].Bypassed)
				require.False(t, r.CompletedAt.IsZero())
				require.Nil(t, w.Pending(job))

				pending, told := w.get("/v2/runs/" + job).at("pending_human_request")
				require.Nil(t, pending)
				require.True(t, told)
			}, duvotest.WithAssignment(refunds()))
		})
	}
}

func TestQuestion(t *testing.T) {
	got := make(chan map[string]string, 2)
	a := duvotest.Assignment{ID: agentID, Name: "Sizes", Script: func(j *duvotest.Job) {
		got <- j.Ask("Which?", "", duvo.QuestionItem{Question: "Size?", Header: "Size", Options: []duvo.Choice{{Label: "S"}, {Label: "M"}}},
			duvo.QuestionItem{Question: "Colours?", MultiSelect: true})
		j.Complete("Done.")
	}}
	t.Run("answered", func(t *testing.T) {
		both(t, func(t *testing.T, w *world) {
			got = make(chan map[string]string, 2)
			job, request := w.waiting()
			j, err := w.client.Job(t.Context(), job)
			require.NoError(t, err)
			require.Equal(t, duvo.Question, j.Pending.Type)
			require.Empty(t, j.Pending.Description)
			require.Equal(t, []duvo.QuestionItem{
				{Question: "Size?", Header: "Size", Options: []duvo.Choice{{Label: "S"}, {Label: "M"}}},
				{Question: "Colours?", MultiSelect: true}}, j.Pending.Questions)
			answers := map[string]string{"Size?": "M", "Colours?": "red, blue"}
			require.NoError(t, w.client.Respond(t.Context(), duvo.Response{JobID: job, RequestID: request, Answers: answers}))
			require.Equal(t, answers, <-got)
			w.untilStatus(job, duvo.StatusCompleted)
			require.Equal(t, answers, w.job(job).Requests[0].Response.Answers)
			require.Nil(t, w.job(job).Requests[0].Response.Approved)
		}, duvotest.WithAssignment(a))
	})
	t.Run("bypassed", func(t *testing.T) {
		inMemory(t, func(t *testing.T, w *world) {
			got = make(chan map[string]string, 2)
			job, _ := w.waiting()
			require.Equal(t, 201, w.message(job, "Never mind.").status)
			require.Nil(t, <-got)
		}, duvotest.WithAssignment(a))
	})
}

func TestEnds(t *testing.T) {
	for name, c := range map[string]struct {
		script duvotest.Script
		status duvo.Status
		last   string
	}{
		"no script": {nil, duvo.StatusCompleted, ""},
		"returns":   {func(j *duvotest.Job) { j.Say("Said.") }, duvo.StatusCompleted, "Said."},
		"complete":  {func(j *duvotest.Job) { j.Complete("Well."); j.Say("Never.") }, duvo.StatusCompleted, "Well."},
		"nothing":   {func(j *duvotest.Job) { j.Complete("") }, duvo.StatusCompleted, ""},
		"fail":      {func(j *duvotest.Job) { j.Fail("Not well.") }, duvo.StatusFailed, "Not well."},
		"interrupt": {func(j *duvotest.Job) { j.Interrupt("Stopped.") }, duvo.StatusInterrupted, "Stopped."},
		"panic":     {func(*duvotest.Job) { panic("ouch") }, duvo.StatusFailed, "The worker failed: ouch"},
		"goexit":    {func(*duvotest.Job) { runtime.Goexit() }, duvo.StatusFailed, "The worker failed: its script left its goroutine."},
		"no JSON": {func(j *duvotest.Job) { j.CallTool("t", make(chan int), nil) }, duvo.StatusFailed,
			"The worker failed: duvotest: a tool's arguments or result: json: unsupported type: chan int"},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, w *world) {
				job := w.start(`{"agent_id":"` + agentID + `"}`).text("run.id")
				w.untilStatus(job, c.status)
				r := w.job(job)
				require.Equal(t, []duvo.Status{"pending", "starting", "running", c.status}, r.History)
				last := ""
				if len(r.Messages) > 0 {
					last = r.Messages[len(r.Messages)-1].Text
				}
				require.Equal(t, c.last, last)
				j, err := w.client.Job(t.Context(), job)
				require.NoError(t, err)
				require.False(t, j.CompletedAt.IsZero())
				require.False(t, j.StartedAt.IsZero())
			}, duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "A", Script: c.script}))
		})
	}
}

// A Job passes through its states at its pace, and updated_at moves with each
// of them.
func TestPace(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		began := time.Now()
		j, err := w.client.StartJob(t.Context(), duvo.StartJob{AssignmentID: agentID})
		require.NoError(t, err)
		updated := time.Time{}
		for _, want := range []duvo.Status{"pending", "starting", "running", "running", "completed"} {
			synctest.Wait()
			now, err := w.client.Job(t.Context(), j.ID)
			require.NoError(t, err)
			require.Equal(t, want, now.Status)
			require.False(t, now.UpdatedAt.Before(updated))
			require.Equal(t, want == "pending" || want == "starting", now.StartedAt.IsZero())
			updated = now.UpdatedAt
			time.Sleep(10 * time.Second)
		}
		require.Equal(t, 40*time.Second, w.job(j.ID).CompletedAt.Sub(began))
	}, duvotest.WithPace(10*time.Second), duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "A",
		Script: func(j *duvotest.Job) { j.Sleep(10 * time.Second) }}))
}

func TestADayTakesNoTime(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		began := time.Now()
		job := w.start(`{"agent_id":"` + agentID + `"}`).text("run.id")
		time.Sleep(24*time.Hour - time.Nanosecond)
		synctest.Wait()
		require.Equal(t, duvo.StatusRunning, w.job(job).Status)
		time.Sleep(time.Nanosecond)
		w.untilStatus(job, duvo.StatusCompleted)
		require.Equal(t, 24*time.Hour, w.job(job).CompletedAt.Sub(began))
	}, duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "A", Script: func(j *duvotest.Job) { j.Sleep(24 * time.Hour) }}))
}

func TestTools(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		job := w.start(`{"agent_id":"` + agentID + `"}`).text("run.id")
		w.untilStatus(job, duvo.StatusCompleted)
		var all []duvo.Message
		for m, err := range w.client.Messages(t.Context(), job) {
			require.NoError(t, err)
			all = append(all, m)
		}
		require.Len(t, all, 4)
		require.Equal(t, "find", all[0].ToolCall.Name)
		require.Equal(t, "assistant", all[0].Role)
		require.JSONEq(t, `{"id":7}`, string(all[0].ToolCall.Arguments))
		require.Equal(t, all[0].ToolCall.ID, all[1].ToolResult.CallID)
		require.Equal(t, "tool", all[1].Role)
		require.JSONEq(t, `{"total":120}`, string(all[1].ToolResult.Result))
		require.Empty(t, all[2].ToolCall.Arguments)
		require.NotEqual(t, all[0].ToolCall.ID, all[2].ToolCall.ID)
		require.Equal(t, "no such order", all[3].ToolResult.Error)
		require.Empty(t, all[3].ToolResult.Result)
	}, duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "A", Script: func(j *duvotest.Job) {
		j.CallTool("find", map[string]any{"id": 7}, map[string]any{"total": 120})
		j.CallToolError("find", nil, "no such order")
	}}))
}

func TestMessageWalksPastARequest(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		job, request := w.waiting()
		a := w.message(job, "Go on.")
		require.Equal(t, 201, a.status)
		require.Equal(t, "user", a.text("message.role"))
		require.Equal(t, "Go on.", a.text("message.text_content"))
		w.untilStatus(job, duvo.StatusCompleted)
		r := w.job(job)
		require.True(t, r.Requests[0].Bypassed)
		require.Nil(t, r.Requests[0].Response)
		require.Equal(t, []string{"user: order 7", "assistant: On it: order 7", "user: Go on.", "assistant: Refunded."}, texts(r.Messages))
		w.respond(job, request, `{"approved":false}`).refused(400, "not_waiting")
	}, duvotest.WithAssignment(refunds()))
}

func TestResume(t *testing.T) {
	end := func(how func(*duvotest.Job)) duvotest.Assignment {
		return duvotest.Assignment{ID: agentID, Name: "A", Script: how}
	}
	for name, c := range map[string]struct {
		a       duvotest.Assignment
		status  duvo.Status
		resumed bool
		last    string
	}{
		"completed":   {end(nil), duvo.StatusCompleted, true, "You said: More?"},
		"interrupted": {end(func(j *duvotest.Job) { j.Interrupt("") }), duvo.StatusInterrupted, true, "You said: More?"},
		"failed":      {end(func(j *duvotest.Job) { j.Fail("") }), duvo.StatusFailed, false, "More?"},
		"own": {duvotest.Assignment{ID: agentID, Name: "A", Resume: func(j *duvotest.Job, m string) { j.Say(strings.ToUpper(m)) }},
			duvo.StatusCompleted, true, "MORE?"},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, w *world) {
				job := w.start(`{"agent_id":"` + agentID + `"}`).text("run.id")
				w.untilStatus(job, c.status)
				before := len(w.job(job).History)
				require.Equal(t, 201, w.message(job, "More?").status)
				if !c.resumed {
					require.Len(t, w.job(job).History, before)
				} else {
					w.until("the Job went on", func() bool { return len(w.job(job).History) == before+4 })
					require.Equal(t, []duvo.Status{"pending", "starting", "running", "completed"}, w.job(job).History[before:])
				}
				all := w.job(job).Messages
				require.Equal(t, c.last, all[len(all)-1].Text)
			}, duvotest.WithAssignment(c.a))
		})
	}
}

// A Job that was resumed is no longer told as completed, not even before its
// script begins.
func TestResumedJobIsPending(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		job := w.start(`{"agent_id":"` + agentID + `"}`).text("run.id")
		time.Sleep(time.Minute)
		w.untilStatus(job, duvo.StatusCompleted)
		w.message(job, "More?")
		a := w.get("/v2/runs/" + job)
		require.Equal(t, "pending", a.text("run.status"))
		ended, _ := a.at("run.completed_at")
		require.Nil(t, ended)
	}, duvotest.WithPace(time.Second), duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "A"}))
}

func TestMessageToARunningJobIsKept(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		job := w.start(`{"agent_id":"` + agentID + `"}`).text("run.id")
		synctest.Wait()
		w.message(job, "Hurry.")
		require.Equal(t, duvo.StatusRunning, w.job(job).Status)
		time.Sleep(time.Hour)
		w.untilStatus(job, duvo.StatusCompleted)
		require.Equal(t, []string{"user: Hurry."}, texts(w.job(job).Messages))
	}, duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "A", Script: func(j *duvotest.Job) { j.Sleep(time.Hour) }}))
}

func TestStop(t *testing.T) {
	for name, c := range map[string]struct {
		stop    duvotest.StopEffect
		script  duvotest.Script
		stopped bool
	}{
		"running":                   {duvotest.StopsWaiting, func(j *duvotest.Job) { <-j.Context().Done(); j.Say("Never.") }, true},
		"sleeping":                  {duvotest.StopsWaiting, func(j *duvotest.Job) { j.Sleep(time.Hour) }, true},
		"waiting":                   {duvotest.StopsWaiting, func(j *duvotest.Job) { j.AskApproval("Go?", "") }, true},
		"running, unstoppable wait": {duvotest.WaitingUnstoppable, func(j *duvotest.Job) { j.Sleep(time.Hour) }, true},
		"unstoppable wait":          {duvotest.WaitingUnstoppable, func(j *duvotest.Job) { j.AskApproval("Go?", "") }, false},
		"over":                      {duvotest.StopsWaiting, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, w *world) {
				job := w.start(`{"agent_id":"` + agentID + `"}`).text("run.id")
				want := duvo.StatusRunning
				switch {
				case strings.Contains(name, "wait") && !strings.HasPrefix(name, "running"):
					want = duvo.StatusWaiting
				case name == "over":
					want = duvo.StatusCompleted
				}
				w.untilStatus(job, want)
				a := w.post("/v2/runs/"+job+"/stop", `{}`)
				require.Equal(t, 200, a.status)
				success, _ := a.at("success")
				require.Equal(t, true, success)
				_, said := a.at("message")
				require.Equal(t, !c.stopped, said)
				if c.stopped {
					want = duvo.StatusStopped
				}
				require.Equal(t, want, w.job(job).Status)
				require.Equal(t, c.stopped, w.Requests()[1].Effect)
				require.Equal(t, want == duvo.StatusWaiting, w.Pending(job) != nil)
				require.Empty(t, w.job(job).Messages)
				if c.stopped {
					require.Equal(t, 201, w.message(job, "Go on.").status)
					require.Equal(t, duvo.StatusStopped, w.job(job).Status) // a message does not resume it
				}
			}, duvotest.WithProfile(duvotest.Profile{Stop: c.stop}), duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "A", Script: c.script}))
		})
	}
}

func TestAskUntyped(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		job, request := w.waiting()
		require.Equal(t, "login", w.get("/v2/runs/"+job).text("pending_human_request.type"))
		w.respond(job, request, `{"approved":true}`).refused(400, "invalid_request")
		w.respond(job, request, `{"answers":{"a":"b"}}`).refused(400, "invalid_request")
		require.NoError(t, w.AnswerElsewhere(job, duvo.Response{}))
		w.untilStatus(job, duvo.StatusCompleted)
	}, duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "A", Script: func(j *duvotest.Job) { j.AskUntyped("login", "Sign in") }}))
}

func TestQuirks(t *testing.T) {
	t.Run("none", func(t *testing.T) {
		inMemory(t, func(t *testing.T, w *world) {
			job, _ := w.waiting()
			a := w.get("/v2/runs/" + job)
			_, nested := a.at("run.pending_human_request")
			require.False(t, nested)
			require.NotContains(t, a.body, "x_undocumented")
		}, duvotest.WithAssignment(refunds()))
	})
	t.Run("nested pending", func(t *testing.T) {
		both(t, func(t *testing.T, w *world) {
			job, request := w.waiting()
			a := w.get("/v2/runs/" + job)
			require.Equal(t, request, a.text("run.pending_human_request.id"))
			_, beside := a.at("pending_human_request")
			require.False(t, beside)
			j, err := w.client.Job(t.Context(), job)
			require.NoError(t, err)
			require.Equal(t, request, j.Pending.ID)
		}, duvotest.WithQuirks(duvotest.Quirks{NestedPending: true}), duvotest.WithAssignment(refunds()))
	})
	t.Run("tool message last", func(t *testing.T) {
		inMemory(t, func(t *testing.T, w *world) {
			job := w.start(`{"agent_id":"` + agentID + `"}`).text("run.id")
			w.untilStatus(job, duvo.StatusCompleted)
			require.Equal(t, []string{"assistant: Done.", "assistant: ", "tool: "}, texts(w.job(job).Messages))
		}, duvotest.WithQuirks(duvotest.Quirks{ToolMessageLast: true}),
			duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "A", Script: func(j *duvotest.Job) { j.Complete("Done.") }}))
	})
	t.Run("unknown status", func(t *testing.T) {
		inMemory(t, func(t *testing.T, w *world) {
			job := w.start(`{"agent_id":"` + agentID + `"}`).text("run.id")
			synctest.Wait()
			require.Equal(t, "pondering", w.get("/v2/runs/"+job).text("run.status"))
			require.Equal(t, []any{"pondering"}, w.get("/v2/teams/"+w.TeamID()+"/runs").rows("data", "status"))
			require.Equal(t, duvo.StatusRunning, w.job(job).Status)
			time.Sleep(time.Hour)
			synctest.Wait()
			require.Equal(t, "completed", w.get("/v2/runs/"+job).text("run.status"))
		}, duvotest.WithQuirks(duvotest.Quirks{UnknownStatus: true}),
			duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "A", Script: func(j *duvotest.Job) { j.Sleep(time.Minute) }}))
	})
	t.Run("extra messages", func(t *testing.T) {
		inMemory(t, func(t *testing.T, w *world) {
			j, err := w.client.StartJob(t.Context(), duvo.StartJob{AssignmentID: agentID, Message: "go"})
			require.NoError(t, err)
			w.untilStatus(j.ID, duvo.StatusCompleted)
			var all []duvo.Message
			for m, err := range w.client.Messages(t.Context(), j.ID) {
				require.NoError(t, err)
				all = append(all, m)
			}
			require.Len(t, all, 122)
			require.Equal(t, []string{"user: go", "assistant: Done."}, texts(all[120:]))
			require.Equal(t, 3, w.Count("listRunMessages")) // more than a page
		}, duvotest.WithQuirks(duvotest.Quirks{ExtraMessages: 120}),
			duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "A", Script: func(j *duvotest.Job) { j.Complete("Done.") }}))
	})
	t.Run("unknown fields", func(t *testing.T) {
		both(t, func(t *testing.T, w *world) {
			job := w.start(`{"agent_id":"` + agentID + `","message":"{"}`).text("run.id")
			w.untilStatus(job, duvo.StatusCompleted)
			a := w.get("/v2/runs/" + job + "/messages")
			require.Equal(t, []any{"{", "ends in {", nil, nil}, a.rows("messages", "text_content"))
			for _, extra := range slices.Concat(a.rows("messages", "x_undocumented"), w.get("/v2/teams").rows("teams", "x_undocumented"),
				w.get("/v2/teams/"+w.TeamID()+"/runs").rows("data", "x_undocumented")) {
				require.NotNil(t, extra)
			}
			require.Contains(t, a.body, `"arguments":{"id":12345678901234567890}`) // nothing added, and to the last digit
			require.Contains(t, a.body, `"result":{}`)
			require.Contains(t, w.get("/v2/runs/x").body, "x_undocumented")
			j, err := w.client.Job(t.Context(), job)
			require.NoError(t, err)
			require.Equal(t, duvo.StatusCompleted, j.Status)
		}, duvotest.WithQuirks(duvotest.Quirks{UnknownFields: true}),
			duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "A", Script: func(j *duvotest.Job) {
				j.Say("ends in {")
				j.CallTool("t", map[string]any{"id": uint64(12345678901234567890)}, map[string]any{})
			}}))
	})
}
