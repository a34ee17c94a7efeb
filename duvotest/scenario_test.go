package duvotest_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

func load(t *testing.T, steps string) *duvotest.Scenario {
	t.Helper()
	s, err := duvotest.LoadScenario(strings.NewReader(`{"assignments":[{"id":"` + agentID + `","name":"A","steps":` + steps + `}]}`))
	require.NoError(t, err)
	return s
}

func TestScenario(t *testing.T) {
	steps := `[
		{"say": "Looking at: ${input}"},
		{"tool": {"name": "find", "arguments": {"id": 7}, "result": {"total": 120}}},
		{"tool": {"name": "check", "error": "no ${input}"}},
		{"ask": {"title": "Which, ${input}?", "questions": [{"question": "Size?", "options": [{"label": "S"}, {"label": "M"}]}, {"question": "Why?"}]}},
		{"say": "You chose ${answers.Size?}, not ${answers.Colour?}: ${answers.Why?}"},
		{"sleep": "2s"},
		{"approve": {"title": "Send ${answers.Size?}", "description": "To ${input}",
			"approved": [{"say": "Sending."}], "denied": [{"fail": "Not sent."}]}},
		{"complete": "Done: ${input}."}
	]`
	for name, c := range map[string]struct {
		approved bool
		status   duvo.Status
		last     []string
	}{
		"approved": {true, duvo.StatusCompleted, []string{"assistant: Sending.", "assistant: Done: ${answers.Why?}."}},
		"denied":   {false, duvo.StatusFailed, []string{"assistant: Not sent."}},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, w *world) {
				job := w.start(`{"agent_id":"` + agentID + `","message":"${answers.Why?}"}`).text("run.id")
				w.untilStatus(job, duvo.StatusWaiting)
				require.Equal(t, "Which, ${answers.Why?}?", w.Pending(job).Title)
				require.NoError(t, w.AnswerElsewhere(job, duvo.Response{Answers: map[string]string{"Size?": "M", "Why?": "${input}"}}))
				synctest.Wait()
				require.Equal(t, duvo.StatusRunning, w.job(job).Status)
				time.Sleep(2 * time.Second)
				w.untilStatus(job, duvo.StatusWaiting)
				require.Equal(t, "Send M", w.Pending(job).Title)
				require.Equal(t, "To ${answers.Why?}", w.Pending(job).Description)
				require.NoError(t, w.AnswerElsewhere(job, duvo.Response{Approved: &c.approved}))
				w.untilStatus(job, c.status)
				// What is filled in is not filled in again.
				require.Equal(t, append([]string{"user: ${answers.Why?}", "assistant: Looking at: ${answers.Why?}", "assistant: ", "tool: ", "assistant: ", "tool: ",
					"assistant: You chose M, not ${answers.Colour?}: ${input}"}, c.last...), texts(w.job(job).Messages))
				require.JSONEq(t, `{"total":120}`, string(w.job(job).Messages[3].ToolResult.Result))
				require.Equal(t, "no ${answers.Why?}", w.job(job).Messages[5].ToolResult.Error)
			}, duvotest.WithScenario(load(t, steps)))
		})
	}
}

func TestScenarioEnds(t *testing.T) {
	for steps, want := range map[string]duvo.Status{
		`null`: duvo.StatusCompleted, `[]`: duvo.StatusCompleted, `[{"say":""}]`: duvo.StatusCompleted, `[{"complete":""}]`: duvo.StatusCompleted,
		`[{"fail":"x"}]`: duvo.StatusFailed, `[{"interrupt":"x"}]`: duvo.StatusInterrupted,
		`[{"tool":{"name":"t","arguments":{},"result":null}}]`: duvo.StatusCompleted,
	} {
		t.Run(steps, func(t *testing.T) {
			both(t, func(t *testing.T, w *world) {
				w.untilStatus(w.start(`{"agent_id":"`+agentID+`"}`).text("run.id"), want)
			}, duvotest.WithScenario(load(t, steps)))
		})
	}
}

// A message that walks past a question leaves its answers open.
func TestScenarioBypassed(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		job, _ := w.waiting()
		w.message(job, "Go on.")
		w.untilStatus(job, duvo.StatusCompleted)
		all := w.job(job).Messages
		require.Equal(t, "${answers.Size?}", all[len(all)-1].Text)
	}, duvotest.WithScenario(load(t, `[{"ask":{"title":"Which?","questions":[{"question":"Size?"}]}},{"say":"${answers.Size?}"}]`)))
}

func TestScenarioErrorsNameThePlace(t *testing.T) {
	one := func(steps string) string { return `{"assignments":[{"name":"A","steps":` + steps + `}]}` }
	nested := strings.Repeat(`[{"approve":{"title":"T","approved":`, 60) + `[]` + strings.Repeat(`}}]`, 60)
	for name, c := range map[string]struct{ text, place string }{
		"empty":               {``, "scenario"},
		"no JSON":             {`x`, "scenario"},
		"list":                {`[]`, "scenario"},
		"null":                {`null`, "no assignments"},
		"none":                {`{"assignments":[]}`, "no assignments"},
		"goes on":             {one(`[]`) + `x`, "after its end"},
		"goes on with JSON":   {one(`[]`) + `{}`, "after its end"},
		"too large":           {one(`[]`) + strings.Repeat(" ", 5<<20), "larger"},
		"unknown at the top":  {`{"asignments":[]}`, `the scenario: there is no field "asignments"; is it "assignments"?`},
		"unknown field":       {`{"assignments":[{"name":"A","script":[]}]}`, `assignments[0]: there is no field "script"; is it "description"? There are description, id, name, folder, steps`},
		"unknown step":        {one(`[{"say":"x"},{"shout":"x"}]`), `assignments[0].steps[1]: there is no field "shout"; there are say, tool, approve, ask, sleep, complete, fail, interrupt`},
		"unknown in a step":   {one(`[{"ask":{"title":"T","questions":[{"question":"a","multiselect":true}]}}]`), `assignments[0].steps[0]: there is no field "multiselect"; is it "multi_select"?`},
		"unknown in a branch": {one(`[{"approve":{"title":"T","denied":[{"shout":"x"}]}}]`), `assignments[0].steps[0].approve.denied[0]: there is no field "shout"; there are say, `},
		"wrong type":          {one(`[{"say":7}]`), "assignments[0].steps[0]: json: cannot unmarshal number"},
		"bad syntax":          {"{\n\"assignments\": [\n{\"name\": 'A'}]}", "line 3"},
		"no name":             {`{"assignments":[{"name":"A"},{"name":" "}]}`, "assignments[1]"},
		"no UUID":             {`{"assignments":[{"name":"A","id":"x"}]}`, "assignments[0]"},
		"folder":              {`{"assignments":[{"name":"A","folder":"a//b"}]}`, "assignments[0]: the folder"},
		"same name":           {`{"assignments":[{"name":"A"},{"name":"B"},{"name":"A"}]}`, "assignments[2]"},
		"same ID":             {`{"assignments":[{"name":"A","id":"` + agentID + `"},{"name":"B","id":"` + strings.ToUpper(agentID) + `"}]}`, "assignments[1]"},
		"empty step":          {one(`[{"say":"a"},{}]`), "assignments[0].steps[1]"},
		"null step":           {one(`[null]`), "assignments[0].steps[0]"},
		"null thing":          {one(`[{"say":null}]`), "assignments[0].steps[0]"},
		"two things":          {one(`[{"say":"a","sleep":"1s"}]`), "assignments[0].steps[0]"},
		"tool's name":         {one(`[{"tool":{}}]`), "assignments[0].steps[0].tool"},
		"tool's arguments":    {one(`[{"tool":{"name":"t","arguments":[1]}}]`), "assignments[0].steps[0].tool"},
		"result and error":    {one(`[{"tool":{"name":"t","result":1,"error":"x"}}]`), "assignments[0].steps[0].tool"},
		"sleep":               {one(`[{"sleep":"2"}]`), "assignments[0].steps[0].sleep"},
		"negative sleep":      {one(`[{"sleep":"-2s"}]`), "assignments[0].steps[0].sleep"},
		"approval's title":    {one(`[{"approve":{}}]`), "assignments[0].steps[0].approve"},
		"in a branch":         {one(`[{"approve":{"title":"T","denied":[{"say":"a"},{"sleep":"x"}]}}]`), "assignments[0].steps[0].approve.denied[1].sleep"},
		"in the other":        {one(`[{"approve":{"title":"T","approved":[{}]}}]`), "assignments[0].steps[0].approve.approved[0]"},
		"too deep":            {one(nested), "assignments[0].steps[0].approve.approved[0]"},
		"question's title":    {one(`[{"ask":{"questions":[{"question":"a"}]}}]`), "assignments[0].steps[0].ask"},
		"no questions":        {one(`[{"ask":{"title":"T"}}]`), "assignments[0].steps[0].ask"},
		"empty question":      {one(`[{"ask":{"title":"T","questions":[{"question":"a"},{"question":" "}]}}]`), "steps[0].ask.questions[1]"},
		"same question":       {one(`[{"ask":{"title":"T","questions":[{"question":"a"},{"question":"a"}]}}]`), "steps[0].ask.questions[1]"},
		"empty option":        {one(`[{"ask":{"title":"T","questions":[{"question":"a","options":[{"label":"x"},{"label":""}]}]}}]`), "steps[0].ask.questions[0].options[1]"},
		"after the end":       {one(`[{"complete":"a"},{"say":"b"}]`), "assignments[0].steps[1]"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := duvotest.LoadScenario(strings.NewReader(c.text))
			require.Nil(t, s)
			require.ErrorContains(t, err, c.place)
			require.Equal(t, 1, strings.Count(err.Error(), "duvotest: "), "%v", err)
			require.Less(t, len(err.Error()), 2500)
		})
	}
	_, err := duvotest.LoadScenario(iotest.ErrReader(os.ErrClosed))
	require.ErrorIs(t, err, os.ErrClosed)
	require.False(t, errors.Is(err, os.ErrNotExist))
}

func TestDemo(t *testing.T) {
	yes, no := true, false
	inMemory(t, func(t *testing.T, w *world) {
		require.Len(t, duvotest.Demo().Assignments(), 4)
		for a, err := range w.client.Assignments(t.Context()) {
			require.NoError(t, err)
			require.NotEmpty(t, a.LatestBuild.Description)
			require.NotEmpty(t, a.FolderID)
			for _, approved := range []*bool{&yes, &no} {
				j, err := w.client.StartJob(t.Context(), duvo.StartJob{AssignmentID: a.ID, Message: "order 4711"})
				require.NoError(t, err)
				time.Sleep(time.Minute)
				synctest.Wait()
				if q := w.Pending(j.ID); q != nil {
					r := duvo.Response{JobID: j.ID, RequestID: q.ID, Approved: approved}
					if q.Type == duvo.Question {
						r.Approved, r.Answers = nil, map[string]string{}
						for _, item := range q.Questions {
							r.Answers[item.Question] = item.Options[0].Label
						}
					}
					require.NoError(t, w.client.Respond(t.Context(), r))
				}
				time.Sleep(time.Minute)
				w.untilStatus(j.ID, duvo.StatusCompleted)
				all := w.job(j.ID).Messages
				require.NotEmpty(t, all[len(all)-1].Text)
				require.NotContains(t, all[len(all)-1].Text, "${")
			}
		}
	}, duvotest.WithScenario(duvotest.Demo()))
}

// The caller's list is its own.
func TestScenarioAssignments(t *testing.T) {
	s := duvotest.Demo()
	s.Assignments()[0].Name = "x"
	require.NotEqual(t, "x", s.Assignments()[0].Name)
}

func FuzzLoadScenario(f *testing.F) {
	demo, err := os.ReadFile("demo.json")
	require.NoError(f, err)
	f.Add(string(demo))
	f.Add(`{"assignments":[{"name":"A","id":"` + agentID + `","folder":"a/b","steps":[{"say":"${input}${answers.}"},{"interrupt":"${answers.a}"}]}]}`)
	f.Add(`{"assignments":[{"name":"A","steps":[{"tool":{"name":"t","arguments":{"a":1e999},"result":[null]}},{"sleep":"1h"},{"fail":"x"}]}]}`)
	f.Add(`{"assignments":[{"name":"A","steps":[{"ask":{"title":"T","questions":[{"question":"a","multi_select":true}]}}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := duvotest.LoadScenario(strings.NewReader(text))
		if err != nil {
			require.Nil(t, s)
			require.True(t, strings.HasPrefix(err.Error(), "duvotest: "))
			return
		}
		// What loads also plays, to its end or to a request.
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithScenario(s))
			defer d.Close()
			for _, a := range s.Assignments() {
				j, err := d.Client().StartJob(t.Context(), duvo.StartJob{AssignmentID: a.ID, Message: text})
				require.NoError(t, err)
				for range 20 {
					synctest.Wait()
					if d.Pending(j.ID) != nil {
						_, err = d.Client().PostMessage(t.Context(), j.ID, "go on", "")
						require.NoError(t, err)
					}
				}
				_, err = d.Client().Job(t.Context(), j.ID)
				require.NoError(t, err)
				for _, err := range d.Client().Messages(t.Context(), j.ID) {
					require.NoError(t, err)
				}
				r, _ := d.Job(j.ID)
				for _, m := range r.Messages {
					require.False(t, strings.HasPrefix(m.Text, "The worker failed"), m.Text)
				}
			}
		})
	})
}
