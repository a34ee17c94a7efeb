package contract

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
)

func TestDescriptionIsValid(t *testing.T) {
	require.NoError(t, load(t, described).Validate(t.Context()))
}

// assignments make Jobs with everything that a Job can show.
func assignments() []duvotest.Assignment {
	return []duvotest.Assignment{
		{Name: "Refunds", Description: "Refunds an order.", Folder: "Money/Out", Script: func(j *duvotest.Job) {
			j.Say("Looking at it.")
			j.CallTool("find_order", map[string]any{"id": 4711}, map[string]any{"total": 120})
			j.CallToolError("find_customer", map[string]any{}, "no such customer")
			j.CallTool("ping", map[string]any{}, nil)
			if !j.AskApproval("Refund 120 EUR?", "It arrived damaged.") {
				j.Fail("Not refunded.")
			}
			a := j.Ask("How?", "", duvo.QuestionItem{Question: "Which way?", Header: "Way", Options: []duvo.Choice{{Label: "Card", Description: "as paid"}, {Label: "Voucher"}}},
				duvo.QuestionItem{Question: "Whom to tell?", Options: []duvo.Choice{{Label: "Sales"}, {Label: "Legal"}}, MultiSelect: true},
				duvo.QuestionItem{Question: "Why?"})
			j.Complete("Refunded by " + a["Which way?"])
		}},
		{Name: "Long", Description: strings.Repeat("long ", 300), Folder: "Money", Script: func(j *duvotest.Job) {
			for range 60 {
				j.Say("working")
			}
			j.Sleep(time.Hour)
			j.Interrupt("")
		}},
		{Name: "返金 <&> \u202e", Script: func(j *duvotest.Job) { j.Complete("") }},
		{Name: "Unbuilt", NoBuild: true},
	}
}

const nobody = "00000000-0000-4000-8000-00000000dead"

// Everything that our client sends is as described, and so is everything that
// the emulator answers, over every operation and every described status.
func TestContract(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignments(assignments()...), duvotest.WithPace(time.Second))
		defer d.Close()
		w := newWitness(t, d.HTTPClient().Transport)
		client := func(d *duvotest.Duvo, opts ...duvo.Option) *duvo.Client {
			return d.Client(append([]duvo.Option{duvo.WithHTTPClient(&http.Client{Transport: w}), duvo.WithBaseURL(server), duvo.WithRetries(1, 0)}, opts...)...)
		}
		c := client(d)
		ctx := t.Context()

		t.Log("successes")
		all := list(t, c.Assignments(ctx))
		require.Len(t, all, 4)
		for _, a := range all {
			_, err := c.Assignment(ctx, a.ID)
			require.NoError(t, err)
		}
		teams, err := c.Teams(ctx)
		require.NoError(t, err)
		require.Len(t, teams, 1)
		folders, err := c.Folders(ctx)
		require.NoError(t, err)
		require.Len(t, folders, 2)
		require.Equal(t, 200, w.call(t, d, "GET", "/v2/teams/"+d.TeamID(), ""))

		sandbox, err := c.StageFiles(ctx, fstest.MapFS{"a.txt": {Data: []byte("a")}, "b/\u00fc \"c\"": {Data: []byte("\x00\xff\r\n")}, "empty": {},
			"large": {Data: make([]byte, duvo.MaxDirectUpload+1)}})
		require.NoError(t, err)
		require.Len(t, d.SandboxFiles(sandbox), 4)
		for dir, n := range map[string]int{"": 4, "/workspace": 4, "/workspace/b": 1, "/": 1} {
			files, err := c.SandboxFiles(ctx, sandbox, dir)
			require.NoError(t, err)
			require.Len(t, files, n)
		}
		require.Equal(t, 1, w.uploads)

		start := func(a duvo.Assignment) duvo.Job {
			t.Helper()
			j, err := c.StartJob(ctx, duvo.StartJob{AssignmentID: a.ID, Message: "Order 4711 <&> \u2028", SandboxID: sandbox, WebhookURL: "https://example.invalid/hook?t=1"})
			require.NoError(t, err)
			return j
		}
		settle := func(id string) duvo.Job { // a while later, with all that can be read of it
			t.Helper()
			for range 4 {
				time.Sleep(time.Second) // the bubble's
				synctest.Wait()
				_, err := c.Job(ctx, id)
				require.NoError(t, err)
				list(t, c.Messages(ctx, id))
				list(t, c.Jobs(ctx, duvo.JobFilter{}))
			}
			j, err := c.Job(ctx, id)
			require.NoError(t, err)
			return j
		}
		refund := start(all[0])
		j := settle(refund.ID)
		require.Equal(t, duvo.Approval, j.Pending.Type)
		yes, no := true, false
		require.NoError(t, c.Respond(ctx, duvo.Response{JobID: j.ID, RequestID: j.Pending.ID, Approved: &yes}))
		j = settle(j.ID)
		require.Equal(t, duvo.Question, j.Pending.Type)
		require.NoError(t, c.Respond(ctx, duvo.Response{JobID: j.ID, RequestID: j.Pending.ID,
			Answers: map[string]string{"Which way?": "Card", "Whom to tell?": "Sales, Legal", "Why?": "\"damaged\"\n"}}))
		require.Equal(t, duvo.StatusCompleted, settle(j.ID).Status)
		_, err = c.PostMessage(ctx, j.ID, "Thanks! And again?", "")
		require.NoError(t, err)
		j = settle(j.ID)
		if j.Pending != nil {
			require.NoError(t, c.Respond(ctx, duvo.Response{JobID: j.ID, RequestID: j.Pending.ID, Approved: &no}))
			settle(j.ID)
		}
		long := start(all[1])
		settle(long.ID)
		require.NoError(t, c.StopJob(ctx, long.ID))
		require.NoError(t, c.StopJob(ctx, long.ID))
		require.Equal(t, duvo.StatusStopped, settle(long.ID).Status)
		interrupted := start(all[1])
		time.Sleep(2 * time.Hour)
		require.Equal(t, duvo.StatusInterrupted, settle(interrupted.ID).Status)
		settle(start(all[2]).ID)
		denied := start(all[0])
		j = settle(denied.ID)
		require.NoError(t, c.Respond(ctx, duvo.Response{JobID: j.ID, RequestID: j.Pending.ID, Approved: &no}))
		require.Equal(t, duvo.StatusFailed, settle(j.ID).Status)
		for range 120 { // more than a page
			start(all[2])
		}
		for _, f := range []duvo.JobFilter{{Status: duvo.StatusRunning}, {Status: duvo.StatusStopped}, {Status: duvo.StatusNeedsAttention}, {AssignmentID: all[0].ID},
			{Since: time.Now().Add(-time.Hour)}, {Search: "a&b"}, {Source: "api"}, {OldestFirst: true, PageSize: 7, Offset: 3}} {
			list(t, c.Jobs(ctx, f))
		}
		gone := start(all[0])
		settle(gone.ID)
		require.NoError(t, d.DeleteJob(gone.ID))
		_, err = c.Job(ctx, gone.ID)
		require.ErrorIs(t, err, duvo.ErrNotFound)
		require.Empty(t, w.objections())

		t.Log("failures")
		operations := map[string]func(*duvo.Client) error{
			"listMyTeams":      func(c *duvo.Client) error { _, err := c.Teams(ctx); return err },
			"listAgents":       func(c *duvo.Client) error { return first(c.Assignments(ctx)) },
			"getAgent":         func(c *duvo.Client) error { _, err := c.Assignment(ctx, nobody); return err },
			"listAgentFolders": func(c *duvo.Client) error { _, err := c.Folders(ctx); return err },
			"listRuns":         func(c *duvo.Client) error { return first(c.Jobs(ctx, duvo.JobFilter{})) },
			"startRun": func(c *duvo.Client) error {
				_, err := c.StartJob(ctx, duvo.StartJob{AssignmentID: nobody})
				return err
			},
			"getRun":          func(c *duvo.Client) error { _, err := c.Job(ctx, nobody); return err },
			"listRunMessages": func(c *duvo.Client) error { return first(c.Messages(ctx, nobody)) },
			"postRunMessage":  func(c *duvo.Client) error { _, err := c.PostMessage(ctx, nobody, "x", ""); return err },
			"respondToHumanRequest": func(c *duvo.Client) error {
				return c.Respond(ctx, duvo.Response{JobID: nobody, RequestID: nobody, Approved: &yes})
			},
			"stopRun":       func(c *duvo.Client) error { return c.StopJob(ctx, nobody) },
			"createSandbox": func(c *duvo.Client) error { _, err := c.CreateSandbox(ctx); return err },
			"listSandboxFiles": func(c *duvo.Client) error {
				_, err := c.SandboxFiles(ctx, nobody, "/workspace")
				return err
			},
			"uploadSandboxFile": func(c *duvo.Client) error {
				_, err := c.UploadSandboxFile(ctx, duvo.SandboxUpload{SandboxID: nobody, Path: "/workspace/a", Content: strings.NewReader("a"), Size: 1})
				return err
			},
			"createSandboxUploadUrl": func(c *duvo.Client) error {
				large := make([]byte, duvo.MaxDirectUpload+1)
				_, err := c.UploadSandboxFile(ctx, duvo.SandboxUpload{SandboxID: nobody, Path: "/workspace/a", Content: bytes.NewReader(large), Size: int64(len(large))})
				return err
			},
		}
		described := map[string][]string{} // operation, statuses
		for _, item := range w.doc.Paths.Map() {
			for _, op := range item.Operations() {
				for status := range op.Responses.Map() {
					described[op.OperationID] = append(described[op.OperationID], status)
				}
			}
		}
		require.Len(t, described, len(operations)+1, "and getTeam, which the client does not need")
		is := func(op, status string) bool {
			for _, s := range described[op] {
				if s == status {
					return true
				}
			}
			return false
		}
		for op, call := range operations {
			require.ErrorIs(t, call(client(d, duvo.WithAPIKey("dv_wrong"))), duvo.ErrUnauthorized, op)
			for status, n := range map[string]int{"500": 500, "502": 502} {
				if is(op, status) {
					d.Inject(duvotest.Fault{Op: op, Kind: duvotest.StatusBefore, Status: n})
					require.ErrorIs(t, call(c), duvo.ErrUnavailable, op)
				}
			}
			if is(op, "404") {
				require.ErrorIs(t, call(c), duvo.ErrNotFound, op)
			}
			if is(op, "403") {
				f := duvotest.New(duvotest.WithForbidden(op))
				w.next = f.HTTPClient().Transport
				require.ErrorIs(t, call(client(f)), duvo.ErrForbidden, op)
				w.next = d.HTTPClient().Transport
				f.Close()
			}
		}
		// Some of what only a worse client sends.
		team, run, box := "/v2/teams/"+d.TeamID(), "/v2/runs/"+refund.ID, "/v2/sandboxes/"+sandbox
		for _, r := range []struct {
			status             int
			method, path, body string
		}{
			{400, "GET", team + "/agents?limit=0", ""}, {400, "GET", team + "/agents?limit=101", ""}, {400, "GET", team + "/agents?offset=-1", ""},
			{400, "GET", team + "/agents?include_schedules=1", ""}, {400, "GET", team + "/agents?automation_id=x", ""},
			{200, "GET", team + "/agents?include_schedules=true&limit=1", ""}, {200, "GET", team + "/agents?automation_id=" + nobody, ""},
			{400, "GET", "/v2/agents/x", ""},
			{400, "GET", team + "/runs?limit=0", ""}, {400, "GET", team + "/runs?status=odd", ""}, {400, "GET", team + "/runs?since=today", ""},
			{400, "GET", team + "/runs?sort_order=up", ""}, {400, "GET", team + "/runs?agent_id=x", ""}, {200, "GET", team + "/runs?has_issues=true", ""},
			{400, "POST", team + "/runs", "{}"}, {400, "POST", team + "/runs", `{"agent_id":"x"}`}, {400, "POST", team + "/runs", "nonsense"},
			{400, "POST", team + "/runs", `{"agent_id":"` + all[0].ID + `","webhook_url":"x"}`}, {400, "POST", team + "/runs", `{"agent_id":"` + all[3].ID + `"}`},
			{400, "GET", "/v2/runs/x", ""}, {400, "GET", "/v2/runs/x/messages", ""}, {400, "GET", run + "/messages?limit=51", ""},
			{400, "POST", "/v2/runs/x/messages", `{"message":"x"}`}, {400, "POST", run + "/messages", `{"message":""}`}, {400, "POST", run + "/messages", `{"message":1}`},
			{400, "POST", run + "/human-requests/x/respond", `{"approved":true}`}, {400, "POST", run + "/human-requests/" + nobody + "/respond", `{}`},
			{400, "POST", run + "/human-requests/" + nobody + "/respond", `{"answers":{"a":1}}`},
			{400, "POST", "/v2/runs/x/stop", ""}, {404, "POST", "/v2/runs/" + gone.ID + "/stop", ""},
			{403, "GET", "/v2/teams/" + nobody, ""}, {404, "GET", "/v2/teams/x", ""},
			{404, "POST", team + "/runs", `{"agent_id":"` + all[0].ID + `","sandbox_id":"x"}`},
			{404, "GET", box + "/files?path=/nowhere", ""}, {404, "GET", box + "/files?path=", ""},
			{400, "POST", box + "/files", "nonsense"}, {413, "POST", box + "/files", strings.Repeat("x", duvo.MaxDirectUpload+1<<20)},
			{403, "POST", box + "/upload-urls", `{"path":"/etc/passwd"}`}, {403, "POST", box + "/upload-urls", `{}`}, {403, "POST", box + "/upload-urls", "nonsense"},
		} {
			require.Equal(t, r.status, w.call(t, d, r.method, r.path, r.body), "%s %s %s", r.method, r.path, r.body)
		}
		require.Equal(t, 401, w.call(t, nil, "GET", team, ""))
		d.Inject(duvotest.Fault{Op: "getTeam", Kind: duvotest.StatusBefore, Status: 500})
		require.Equal(t, 500, w.call(t, d, "GET", team, ""))

		require.Empty(t, w.objections())
		require.Empty(t, w.unseen(), "every described answer of every operation was seen")
	})
}

// A rate limit is not described for any operation; its answer has the form of
// every other failure.
func TestRateLimitIsAFailureLikeOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithRateLimit(1))
		defer d.Close()
		w := newWitness(t, d.HTTPClient().Transport)
		require.Equal(t, 200, w.call(t, d, "GET", "/v2/teams", ""))
		require.Empty(t, w.objections())
		req, err := http.NewRequestWithContext(t.Context(), "GET", server+"/v2/teams", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+d.Key())
		resp, err := d.HTTPClient().Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, 429, resp.StatusCode)
		require.NotEmpty(t, resp.Header.Get("Retry-After"))
		var body any
		require.NoError(t, decode(resp.Body, &body))
		require.NoError(t, w.doc.Components.Responses["Failure"].Value.Content.Get("application/json").Schema.Value.VisitJSON(body))
	})
}

// The witness would notice.
func TestWitnessObjects(t *testing.T) {
	type answer struct {
		status int
		body   string
	}
	run := `"agent_id":"` + nobody + `","build_id":"` + nobody + `","status":"x","source":null,"sandbox_id":null,"started_at":null,"completed_at":null,"created_at":"","updated_at":"","human_in_the_loop_enabled":true`
	for name, c := range map[string]struct {
		method, path, body string
		answer             answer
		ok                 bool
	}{
		"all is well":       {"GET", "/v2/runs/" + nobody, "", answer{200, `{"run":{"id":"` + nobody + `",` + run + `}}`}, true},
		"no such run":       {"GET", "/v2/runs/" + nobody, "", answer{200, `{"run":null,"pending_human_request":null}`}, true},
		"an ID that is not": {"GET", "/v2/runs/" + nobody, "", answer{200, `{"run":{"id":"7",` + run + `}}`}, false},
		"a field more":      {"GET", "/v2/runs/" + nobody, "", answer{200, `{"run":{"id":"` + nobody + `","pending_human_request":null,` + run + `}}`}, false},
		"a field missing":   {"GET", "/v2/runs/" + nobody, "", answer{200, `{"pending_human_request":null}`}, false},
		"a null":            {"GET", "/v2/teams", "", answer{200, `{"teams":null}`}, false},
		"HTML":              {"GET", "/v2/teams", "", answer{200, `<html>`}, false},
		"a status":          {"GET", "/v2/teams", "", answer{404, `{"error":"x"}`}, false},
		"an error's shape":  {"GET", "/v2/teams", "", answer{401, `{"code":"x"}`}, false},
		"a path":            {"GET", "/v2/team", "", answer{200, `{}`}, false},
		"a run ID":          {"GET", "/v2/runs/7", "", answer{404, `{"error":"x"}`}, false},
		"a limit":           {"GET", "/v2/runs/" + nobody + "/messages?limit=51", "", answer{404, `{"error":"x"}`}, false},
		"a parameter":       {"GET", "/v2/teams?all=1", "", answer{200, `{"teams":[]}`}, false},
		"no body":           {"POST", "/v2/runs/" + nobody + "/messages", "", answer{404, `{"error":"x"}`}, false},
		"an empty message":  {"POST", "/v2/runs/" + nobody + "/messages", `{"message":""}`, answer{404, `{"error":"x"}`}, false},
		"a field unknown":   {"POST", "/v2/runs/" + nobody + "/messages", `{"message":"a","role":"b"}`, answer{404, `{"error":"x"}`}, false},
		"a body too many":   {"POST", "/v2/runs/" + nobody + "/stop", `{"force":true}`, answer{404, `{"error":"x"}`}, false},
		"an upload":         {"POST", "/v2/sandboxes/s/files", "--b\r\nContent-Disposition: form-data; name=path\r\n\r\n/workspace/a\r\n--b\r\nContent-Disposition: form-data; name=file\r\n\r\nx\r\n--b--\r\n", answer{404, `{"error":"x"}`}, true},
		"another form":      {"POST", "/v2/sandboxes/s/files", "--b\r\nContent-Disposition: form-data; name=path\r\n\r\n/workspace/a\r\n--b--\r\n", answer{404, `{"error":"x"}`}, false},
		"no form":           {"POST", "/v2/sandboxes/s/files", "x", answer{404, `{"error":"x"}`}, false},
		"an upload URL":     {"POST", "/v2/sandboxes/s/upload-urls", `{"path":"/workspace/a"}`, answer{200, `{"upload_url":"/a","path":"/workspace/a","expires_in_seconds":1}`}, false},
		"a key at a store":  {"PUT", "/store/a", "", answer{200, ``}, false},
		"a kind of entry":   {"GET", "/v2/sandboxes/s/files", "", answer{200, `{"files":[{"name":"a","path":"/a","type":"link","size_bytes":0}]}`}, false},
		"a webhook":         {"POST", "/v2/teams/t/runs", `{"agent_id":"` + nobody + `","webhook_url":"x"}`, answer{404, `{"error":"x"}`}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWitness(t, canned(func() (int, string) { return c.answer.status, c.answer.body }))
			req, err := http.NewRequestWithContext(t.Context(), c.method, server+c.path, strings.NewReader(c.body))
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer x")
			req.Header.Set("Content-Type", "application/json")
			if strings.HasSuffix(c.path, "/files") {
				req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
			}
			resp, err := w.RoundTrip(req)
			require.NoError(t, err)
			_ = resp.Body.Close()
			objections := w.objections()
			require.Equal(t, c.ok, len(objections) == 0, strings.Join(objections, "\n"))
		})
	}
	t.Run("no token", func(t *testing.T) {
		w := newWitness(t, canned(func() (int, string) { return 401, `{"error":"x"}` }))
		req, err := http.NewRequestWithContext(t.Context(), "GET", server+"/v2/teams", nil)
		require.NoError(t, err)
		resp, err := w.RoundTrip(req)
		require.NoError(t, err)
		_ = resp.Body.Close()
		require.Len(t, w.objections(), 1)
	})
}

type canned func() (int, string)

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body := c()
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// call sends a request that is not the client's, with the key of d, if any,
// and returns the status of the answer.
func (w *witness) call(t *testing.T, d *duvotest.Duvo, method, path, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(stranger(t.Context()), method, server+path, strings.NewReader(body))
	require.NoError(t, err)
	if d != nil {
		req.Header.Set("Authorization", "Bearer "+d.Key())
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := w.RoundTrip(req)
	require.NoError(t, err)
	_ = resp.Body.Close()
	return resp.StatusCode
}

func list[T any](t *testing.T, seq func(func(T, error) bool)) (rows []T) {
	t.Helper()
	for r, err := range seq {
		require.NoError(t, err)
		rows = append(rows, r)
	}
	return rows
}

func first[T any](seq func(func(T, error) bool)) error {
	for _, err := range seq {
		return err
	}
	return nil
}
