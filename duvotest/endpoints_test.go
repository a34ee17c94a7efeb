package duvotest_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

func TestTeams(t *testing.T) {
	for _, n := range []int{0, 1, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			both(t, func(t *testing.T, w *world) {
				a := w.get("/v2/teams")
				require.Equal(t, 200, a.status)
				ids := a.rows("teams", "id")
				require.Len(t, ids, n)
				if n == 0 {
					w.get("/v2/teams/"+w.TeamID()).refused(403, "forbidden")
					w.get("/v2/teams/"+w.TeamID()+"/agents").refused(400, "invalid_request")
					return
				}
				require.Equal(t, w.TeamID(), ids[0])
				for i, id := range ids {
					a = w.get("/v2/teams/" + strings.ToUpper(id.(string)))
					require.Equal(t, 200, a.status)
					require.Equal(t, id, a.text("team.id"))
					require.Equal(t, a.text("team.name"), w.get("/v2/teams").rows("teams", "name")[i])
				}
			}, duvotest.WithTeams(n))
		})
	}
}

// Every operation refuses what it must, and a refusal changes nothing.
func TestValidation(t *testing.T) {
	const start, respond = "/v2/teams/{team}/runs", "/v2/runs/{job}/human-requests/{request}/respond"
	job := func(method, path, body string, status int, code string) [5]any {
		return [5]any{method, path, body, status, code}
	}
	var cases [][5]any
	for _, path := range []string{"/v2/teams/{team}/agents", "/v2/teams/{team}/runs", "/v2/runs/{job}/messages"} {
		for _, q := range []string{"limit=0", "limit=-1", "limit=x", "limit=", "limit=101", "limit=1.5", "offset=-1", "offset=x", "offset=99999999999999999999"} {
			cases = append(cases, job("GET", path+"?"+q, "", 400, "invalid_request"))
		}
	}
	for _, q := range []string{"status=canceled", "status=", "sort_by=status", "sort_order=up", "agent_id=7", "user_id=7", "case_queue_id=7", "digest_id=7",
		"has_issues=1", "issue_severity=high", "since=yesterday", "since=2026-01-02"} {
		cases = append(cases, job("GET", "/v2/teams/{team}/runs?"+q, "", 400, "invalid_request"))
	}
	for _, body := range []string{``, `x`, `[]`, `"x"`, `null`, `{}`, `{"agent_id":7}`, `{"agent_id":"x"}`, `{"agent_id":null}`, `{"agent_id":"` + agentID + `"} {}`,
		`{"agent_id":"` + agentID + `","message":7}`, `{"agent_id":"` + agentID + `","webhook_url":"x"}`, `{"agent_id":"` + agentID + `","webhook_url":"ftp://x/y"}`,
		`{"agent_id":"` + agentID + `","webhook_url":"http://"}`, `{"agent_id":"` + agentID + `","webhook_url":"://"}`,
		`{"agent_id":"` + stableBuildless + `"}`, `{"agent_id":"` + agentID + `","message":"` + strings.Repeat("x", 1<<20) + `"}`} {
		cases = append(cases, job("POST", start, body, 400, "invalid_request"))
	}
	for _, body := range []string{``, `[]`, `{}`, `{"approved":"yes"}`, `{"approved":null}`, `{"approved":true,"answers":{"a":"b"}}`, `{"answers":{"a":7}}`, `{"answers":["a"]}`,
		`{"answers":{"a":"b"}}`} {
		cases = append(cases, job("POST", respond, body, 400, "invalid_request"))
	}
	for _, body := range []string{``, `{}`, `{"message":""}`, `{"message":null}`, `{"message":7}`, `x`} {
		cases = append(cases, job("POST", "/v2/runs/{job}/messages", body, 400, "invalid_request"))
	}
	cases = append(cases,
		job("GET", "/v2/teams/x", "", 404, "not_found"),
		job("GET", "/v2/teams/{other}", "", 403, "forbidden"),
		job("GET", "/v2/teams/{other}/agents", "", 400, "invalid_request"),
		job("GET", "/v2/teams/{team}/agents?include_schedules=yes", "", 400, "invalid_request"),
		job("GET", "/v2/teams/{team}/agents?automation_id=7", "", 400, "invalid_request"),
		job("GET", "/v2/agents/x", "", 400, "invalid_request"),
		job("GET", "/v2/agents/{other}", "", 404, "not_found"),
		job("GET", "/v2/teams/{other}/runs", "", 400, "invalid_request"),
		job("POST", "/v2/teams/{other}/runs", `{"agent_id":"`+agentID+`"}`, 403, "forbidden"),
		job("POST", "/v2/teams/x/runs", `{"agent_id":"`+agentID+`"}`, 403, "forbidden"),
		job("POST", start, `{"agent_id":"`+otherID+`"}`, 404, "not_found"),
		job("POST", "/v2/runs/{job}/human-requests/x/respond", `{"approved":true}`, 400, "invalid_request"),
		job("POST", "/v2/runs/{job}/human-requests/{other}/respond", `{"approved":true}`, 404, "not_found"),
		job("POST", "/v2/runs/{job}/human-requests/{request}", `{"approved":true}`, 404, "not_found"),
		job("GET", "/v2/runs/{job}/messages?limit=51", "", 400, "invalid_request"),
	)
	for _, op := range [][2]string{{"GET", ""}, {"GET", "/messages"}, {"POST", "/messages"}, {"POST", "/human-requests/{request}/respond"}, {"POST", "/stop"}} {
		cases = append(cases,
			job(op[0], "/v2/runs/x"+op[1], `{"message":"a"}`, 400, "invalid_request"),
			job(op[0], "/v2/runs/{other}"+op[1], `{"message":"a"}`, 404, "not_found"))
	}
	both(t, func(t *testing.T, w *world) {
		id, request := w.waiting()
		before := w.job(id)
		fill := strings.NewReplacer("{team}", w.TeamID(), "{other}", otherID, "{job}", id, "{request}", request)
		for _, c := range cases {
			if w.memory || len(c[2].(string)) < 1<<16 { // a socket may break before all is sent
				w.call(c[0].(string), fill.Replace(c[1].(string)), c[2].(string)).refused(c[3].(int), c[4].(string))
			}
		}
		require.Equal(t, before, w.job(id))
		require.Len(t, w.Jobs(), 1)
		for _, r := range w.Requests()[1:] {
			require.False(t, r.Effect)
			require.False(t, r.Replay)
			require.NotZero(t, r.Status)
		}
	}, duvotest.WithAssignments(refunds(), duvotest.Assignment{ID: stableBuildless, Name: "Nothing built", NoBuild: true}))
}

const stableBuildless = "a9000000-0000-4000-8000-000000000002"

func TestAssignmentsAndFolders(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		var all []duvo.Assignment
		for a, err := range w.client.Assignments(t.Context()) {
			require.NoError(t, err)
			all = append(all, a)
		}
		require.Len(t, all, 3)
		require.Equal(t, "Refunds", all[0].Name)
		require.Equal(t, "Refunds an order.", all[0].LatestBuild.Description)
		require.Nil(t, all[1].LatestBuild)
		require.Empty(t, all[2].LatestBuild.Description)
		require.Empty(t, all[1].FolderID)

		folders, err := w.client.Folders(t.Context())
		require.NoError(t, err)
		require.Len(t, folders, 2)
		require.Equal(t, []string{"Support", "Money"}, []string{folders[0].Name, folders[1].Name})
		require.Empty(t, folders[0].ParentID)
		require.Equal(t, folders[0].ID, folders[1].ParentID)
		require.Equal(t, folders[1].ID, all[0].FolderID)
		require.Equal(t, folders[0].ID, all[2].FolderID)
		a := w.get("/v2/teams/" + w.TeamID() + "/agent-folders")
		require.Equal(t, []any{1.0, 1.0}, a.rows("folders", "agent_count"))
		require.Equal(t, []any{1.0, 0.0}, a.rows("folders", "subfolder_count"))
		require.Empty(t, w.get("/v2/teams/"+otherID+"/agent-folders").rows("folders", "id"))

		one, err := w.client.Assignment(t.Context(), strings.ToUpper(agentID))
		require.NoError(t, err)
		require.Equal(t, agentID, one.ID)

		list := "/v2/teams/" + w.TeamID() + "/agents"
		a = w.get(list + "?limit=1&offset=2")
		require.Equal(t, []any{"Sizes"}, a.rows("agents", "name"))
		total, _ := a.at("total")
		require.Equal(t, 3.0, total)
		require.Empty(t, w.get(list+"?offset=9").rows("agents", "name"))
		require.Empty(t, w.get(list+"?automation_id="+otherID).rows("agents", "name"))
		require.Contains(t, w.get(list+"?include_schedules=true").body, `"schedules":[]`)
		require.NotContains(t, w.get(list+"?include_schedules=false").body, `"schedules"`)
	}, duvotest.WithAssignments(refunds(), duvotest.Assignment{Name: "Nothing built", NoBuild: true}, duvotest.Assignment{Name: "Sizes", Folder: "Support"}))
}

// What a response is checked against.
func TestRespondProfiles(t *testing.T) {
	two := duvotest.Assignment{ID: agentID, Name: "Two", Script: func(j *duvotest.Job) {
		first := j.AskApproval("First?", "")
		answers := j.Ask("Second?", "", duvo.QuestionItem{Question: "Why?"})
		j.Complete(fmt.Sprint(first, answers))
	}}
	for profile, c := range map[duvotest.RespondCheck]struct{ past, unknown, unfit int }{
		duvotest.CheckRequest: {400, 404, 400},
		duvotest.CheckWaiting: {200, 404, 200},
		duvotest.ApplyToAny:   {200, 200, 200},
	} {
		t.Run(fmt.Sprint(profile), func(t *testing.T) {
			for name, want := range map[string]int{"past": c.past, "unknown": c.unknown, "unfit": c.unfit} {
				t.Run(name, func(t *testing.T) {
					both(t, func(t *testing.T, w *world) {
						job, first := w.waiting()
						require.Equal(t, 200, w.respond(job, first, `{"approved":true}`).status)
						w.until("it asks again", func() bool { p := w.Pending(job); return p != nil && p.ID != first })
						second := w.Pending(job).ID
						named, body := map[string]string{"past": first, "unknown": otherID, "unfit": second}[name], `{"answers":{"Why?":"So."}}`
						if name == "unfit" {
							body = `{"approved":true}`
						}
						a := w.respond(job, strings.ToUpper(named), body)
						require.Equal(t, want, a.status, a.body)
						if want != 200 {
							require.Equal(t, second, w.Pending(job).ID)
							require.Nil(t, w.job(job).Requests[1].Response)
							require.Equal(t, 200, w.respond(job, second, `{"answers":{"Why?":"So."}}`).status)
						} else {
							require.Equal(t, second, a.text("human_request.id"))
							require.Equal(t, named, w.job(job).Requests[1].Response.RequestID)
						}
						w.untilStatus(job, duvo.StatusCompleted)
						w.respond(job, second, `{"approved":true}`).refused(400, "not_waiting")
						if name != "unfit" || want != 200 {
							require.Equal(t, "true map[Why?:So.]", w.job(job).Messages[1].Text)
						}
					}, duvotest.WithProfile(duvotest.Profile{Respond: profile}), duvotest.WithAssignment(two))
				})
			}
		})
	}
}

func TestListRuns(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		list := "/v2/teams/" + w.TeamID() + "/runs"
		var ids, times []string
		add := func(agent string) {
			a := w.start(`{"agent_id":"` + agent + `"}`)
			ids, times = append(ids, a.text("run.id")), append(times, a.text("run.created_at"))
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		add(agentID)         // waits
		add(agentID)         // is stopped
		add(stableBuildless) // completes
		add(stableBuildless) // completes
		add(agentID)         // is deleted
		require.NoError(t, w.StopJob(ids[1]))
		require.NoError(t, w.DeleteJob(ids[4]))

		for query, want := range map[string][]int{
			"":                                     {3, 2, 1, 0},
			"sort_order=desc&sort_by=created_at":   {3, 2, 1, 0},
			"sort_order=asc":                       {0, 1, 2, 3},
			"limit=2":                              {3, 2},
			"limit=2&offset=1":                     {2, 1},
			"limit=2&offset=3":                     {0},
			"sort_order=asc&limit=1&offset=1":      {1},
			"offset=4":                             {},
			"offset=1000000":                       {},
			"status=waiting":                       {0},
			"status=completed":                     {3, 2},
			"status=completed&limit=1":             {3},
			"status=stopped":                       {},
			"status=interrupted":                   {},
			"status=needs_attention":               {},
			"agent_id=" + strings.ToUpper(agentID): {1, 0},
			"agent_id=" + otherID:                  {},
			"since=" + times[2]:                    {3, 2},
			"since=" + url.QueryEscape("2000-01-01T01:00:00+01:00"): {3, 2, 1, 0},
			"since=2999-01-01T00:00:00Z":                            {},
			"search=fund":                                           {1, 0},
			"search=PLAIN":                                          {3, 2},
			"search=nothing":                                        {},
			"source=api":                                            {3, 2, 1, 0},
			"source=manual":                                         {},
			"has_issues=false":                                      {3, 2, 1, 0},
			"has_issues=true":                                       {},
			"issue_severity=low":                                    {},
			"user_id=" + otherID:                                    {},
			"case_queue_id=" + otherID:                              {},
			"digest_id=" + otherID:                                  {},
			"unknown=1":                                             {3, 2, 1, 0},
		} {
			a := w.get(list + "?" + query)
			require.Equal(t, 200, a.status, query)
			got := a.rows("data", "id")
			require.Len(t, got, len(want), query)
			for i, k := range want {
				require.Equal(t, ids[k], got[i], query)
			}
			if !strings.Contains(query, "limit") && !strings.Contains(query, "offset") {
				total, _ := a.at("total")
				require.EqualValues(t, len(want), total, query)
			}
		}
		total, _ := w.get(list + "?limit=1&offset=9").at("total")
		require.Equal(t, 4.0, total)

		a := w.get(list + "?sort_order=asc")
		require.Equal(t, []any{"waiting", "interrupted", "completed", "completed"}, a.rows("data", "status"))
		require.Equal(t, []any{1.0, 2.0, 1.0, 2.0}, a.rows("data", "run_number"))
		require.Equal(t, []any{nil, nil, nil, nil}, a.rows("data", "pending_human_request"))
		require.Equal(t, []any{"Refunds", "Refunds", "Plain", "Plain"}, a.rows("data", "agent_name"))

		n := 0
		for j, err := range w.client.Jobs(t.Context(), duvo.JobFilter{OldestFirst: true, PageSize: 2}) {
			require.NoError(t, err)
			require.Equal(t, ids[n], j.ID)
			n++
		}
		require.Equal(t, 4, n)
	}, duvotest.WithAssignments(refunds(), duvotest.Assignment{ID: stableBuildless, Name: "Plain"}))
}

func TestListRunsDefaults(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		for range 25 {
			w.start(`{"agent_id":"` + agentID + `"}`)
		}
		require.Len(t, w.get("/v2/teams/"+w.TeamID()+"/runs").rows("data", "id"), 20)
		require.Len(t, w.get("/v2/teams/"+w.TeamID()+"/runs?limit=100").rows("data", "id"), 25)
		require.NotEqual(t, w.Jobs()[0].ID, w.Jobs()[1].ID)
	}, duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "A"}))
}

func TestStartRun(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		sandbox := w.post("/v2/sandboxes", "{}").text("sandbox_id")
		a := w.start(`{"agent_id":"`+strings.ToUpper(agentID)+`","message":"order 7","sandbox_id":"`+sandbox+`","webhook_url":null,"more":1}`, "Idempotency-Key", "k")
		require.Equal(t, "pending", a.text("run.status"))
		require.Equal(t, sandbox, a.text("run.sandbox_id"))
		require.Equal(t, agentID, a.text("run.agent_id"))
		require.Equal(t, "api", a.text("run.source"))
		w.untilStatus(a.text("run.id"), duvo.StatusWaiting)
		r := w.job(a.text("run.id"))
		require.Equal(t, "order 7", r.Input)
		require.Equal(t, sandbox, r.SandboxID)
		require.Equal(t, "k", r.IdempotencyKey)
		require.Equal(t, agentID, r.AssignmentID)
		require.Equal(t, "Refunds", r.AssignmentName)
	}, duvotest.WithAssignment(refunds()))
}

func TestMessagesPage(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		job := w.start(`{"agent_id":"` + agentID + `"}`).text("run.id")
		w.untilStatus(job, duvo.StatusCompleted)
		path := "/v2/runs/" + job + "/messages"
		a := w.get(path)
		require.Len(t, a.rows("messages", "id"), 20)
		limit, _ := a.at("limit")
		require.Equal(t, 20.0, limit)
		require.Equal(t, []any{"48", "49"}, w.get(path+"?limit=50&offset=48").rows("messages", "text_content"))
		require.Empty(t, w.get(path+"?offset=50").rows("messages", "id"))
	}, duvotest.WithAssignment(duvotest.Assignment{ID: agentID, Name: "A", Script: func(j *duvotest.Job) {
		for i := range 50 {
			j.Say(fmt.Sprint(i))
		}
	}}))
}

// The names of fields count to the letter, and null is as good as absent.
func TestFields(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.post("/v2/teams/"+w.TeamID()+"/runs", `{"Agent_ID":"`+agentID+`"}`).refused(400, "invalid_request")
		job := w.start(`{"agent_id":"` + agentID + `","message":null,"sandbox_id":null,"webhook_url":null}`).text("run.id")
		w.untilStatus(job, duvo.StatusWaiting)
		require.Empty(t, w.job(job).Input)
		require.Empty(t, w.job(job).WebhookURL)
		request := w.Pending(job).ID
		w.post("/v2/runs/"+job+"/messages", `{"Message":"m"}`).refused(400, "invalid_request")
		w.respond(job, request, `{"Approved":true}`).refused(400, "invalid_request")
		w.respond(job, request, `{"answers":{"a":null}}`).refused(400, "invalid_request")
		require.Equal(t, 200, w.respond(job, request, `{"approved":true,"answers":null,"more":1}`).status)
	}, duvotest.WithAssignment(refunds()))
}

// Another team of the key's is there, and holds nothing.
func TestOtherTeam(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.waiting()
		team, _ := w.get("/v2/teams").rows("teams", "id")[1].(string)
		require.Empty(t, w.get("/v2/teams/"+team+"/agents").rows("agents", "id"))
		require.Empty(t, w.get("/v2/teams/"+team+"/agent-folders").rows("folders", "id"))
		require.Empty(t, w.get("/v2/teams/"+team+"/runs").rows("data", "id"))
		w.post("/v2/teams/"+team+"/runs", `{"agent_id":"`+agentID+`"}`).refused(404, "not_found")
	}, duvotest.WithTeams(2), duvotest.WithAssignment(refunds()))
}
