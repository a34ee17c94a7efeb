package duvotest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// operations are all of them: operationId, method and a path.
var operations = [][3]string{
	{"listMyTeams", "GET", "/v2/teams"},
	{"getTeam", "GET", "/v2/teams/{team}"},
	{"listAgents", "GET", "/v2/teams/{team}/agents"},
	{"getAgent", "GET", "/v2/agents/" + agentID},
	{"listAgentFolders", "GET", "/v2/teams/{team}/agent-folders"},
	{"listRuns", "GET", "/v2/teams/{team}/runs"},
	{"startRun", "POST", "/v2/teams/{team}/runs"},
	{"getRun", "GET", "/v2/runs/" + otherID},
	{"postRunMessage", "POST", "/v2/runs/" + otherID + "/messages"},
	{"listRunMessages", "GET", "/v2/runs/" + otherID + "/messages"},
	{"respondToHumanRequest", "POST", "/v2/runs/" + otherID + "/human-requests/" + otherID + "/respond"},
	{"stopRun", "POST", "/v2/runs/" + otherID + "/stop"},
	{"createSandbox", "POST", "/v2/sandboxes"},
	{"listSandboxFiles", "GET", "/v2/sandboxes/" + otherID + "/files"},
	{"uploadSandboxFile", "POST", "/v2/sandboxes/" + otherID + "/files"},
	{"createSandboxUploadUrl", "POST", "/v2/sandboxes/" + otherID + "/upload-urls"},
}

func TestUnauthorized(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for _, op := range operations {
			path := strings.ReplaceAll(op[2], "{team}", w.TeamID())
			for _, who := range []string{"", "Bearer", "Bearer ", "Bearer wrong", "Basic " + w.Key(), w.Key(), "Bearer <valid>", "Bearer  " + w.Key()} {
				w.call(op[1], path, `{}`, "Authorization", who).refused(401, "unauthorized")
			}
		}
		w.get("/v2/nothing", "Authorization", "").refused(401, "unauthorized")
		require.Equal(t, 200, w.get("/v2/teams", "Authorization", "bearer "+w.Key()).status)

		all := w.Requests()
		for _, r := range all[:len(all)-1] {
			require.Contains(t, []string{"", "Bearer <invalid>"}, r.Header.Get("Authorization"))
			require.Equal(t, 401, r.Status)
		}
		require.Equal(t, "Bearer <valid>", all[len(all)-1].Header.Get("Authorization"))
		require.NotContains(t, fmt.Sprint(all), w.Key())
		require.Empty(t, w.Jobs())
	}, duvotest.WithAssignment(refunds()))
}

func TestForbidden(t *testing.T) {
	for _, op := range operations {
		t.Run(op[0], func(t *testing.T) {
			both(t, func(t *testing.T, w *world) {
				w.call(op[1], strings.ReplaceAll(op[2], "{team}", w.TeamID()), `{"agent_id":"`+agentID+`"}`).refused(403, "forbidden")
				require.Equal(t, op[0], w.Requests()[0].Op)
				require.Empty(t, w.Jobs())
			}, duvotest.WithForbidden(op[0]), duvotest.WithAssignment(refunds()))
		})
	}
}

func TestPaths(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for _, c := range [][3]string{
			{"GET", "/v2/teams", "listMyTeams"}, {"GET", "/gateway/duvo/v2/teams", "listMyTeams"},
			{"GET", "/v2/teams?x=1", "listMyTeams"}, {"GET", "/", ""}, {"GET", "/teams", ""}, {"GET", "/v1/teams", ""}, {"GET", "/v2", ""},
			{"GET", "/v2/teams/a/b/c", ""}, {"POST", "/v2/teams", ""}, {"DELETE", "/v2/runs/" + otherID, ""}, {"PUT", "/v2/runs/" + otherID, ""},
			{"GET", "/v2/runs/a%2Fb", "getRun"}, {"GET", "/v2/sandboxes", ""}, {"POST", "/v2/sandboxes/x", ""}, {"GET", "/duvotest-uploads/x", ""},
		} {
			a := w.call(c[0], c[1], "")
			all := w.Requests()
			require.Equal(t, c[2], all[len(all)-1].Op, c[1])
			require.Equal(t, c[0], all[len(all)-1].Method)
			if c[2] == "" {
				a.refused(404, "not_found")
			}
			require.Equal(t, "application/json; charset=utf-8", a.header.Get("Content-Type"))
		}
		require.Equal(t, 3, w.Count("listMyTeams"))
		require.Equal(t, url.Values{"x": {"1"}}, w.Requests()[2].Query)
	})
}

func TestRateLimit(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		time.Sleep(400 * time.Millisecond) // in the middle of a second
		began := time.Now()
		for left := 2; left >= 0; left-- {
			a := w.get("/v2/teams")
			require.Equal(t, 200, a.status)
			require.Equal(t, "3", a.header.Get("X-RateLimit-Limit"))
			require.Equal(t, strconv.Itoa(left), a.header.Get("X-RateLimit-Remaining"))
			require.Equal(t, strconv.FormatInt(began.Unix()+61, 10), a.header.Get("X-RateLimit-Reset"))
			require.Empty(t, a.header.Get("Retry-After"))
			time.Sleep(10 * time.Second)
		}
		a := w.post("/v2/teams/"+w.TeamID()+"/runs", `{"agent_id":"`+agentID+`"}`)
		a.refused(429, "rate_limited")
		require.Equal(t, "0", a.header.Get("X-RateLimit-Remaining"))
		require.Equal(t, "31", a.header.Get("Retry-After")) // never too early
		require.Empty(t, w.Jobs())
		require.False(t, w.Requests()[3].Effect)

		time.Sleep(30*time.Second - time.Nanosecond)
		require.Equal(t, 429, w.get("/v2/teams").status)
		time.Sleep(time.Nanosecond)
		require.Equal(t, "2", w.get("/v2/teams").header.Get("X-RateLimit-Remaining"))
		w.get("/v2/teams", "Authorization", "").refused(401, "unauthorized")
		require.Equal(t, "2", w.get("/v2/teams", "Authorization", "").header.Get("X-RateLimit-Remaining"), "the limit is the key's")
		require.Equal(t, 404, w.get("/v2/nothing").status)
		require.Equal(t, 404, w.get("/v2/nothing").status)
		require.Equal(t, 429, w.get("/v2/nothing").status)
	}, duvotest.WithRateLimit(3), duvotest.WithAssignment(refunds()))
}

func TestRateLimitOverTheSocket(t *testing.T) {
	s := duvotest.NewServer(duvotest.WithRateLimit(1))
	defer s.Close()
	c := s.Client(duvo.WithRetries(1, 0))
	_, err := c.Teams(t.Context())
	require.NoError(t, err)
	_, err = c.Teams(t.Context())
	require.ErrorIs(t, err, duvo.ErrRateLimited)
}

func TestNoRateLimit(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		require.Empty(t, w.get("/v2/teams").header.Get("X-RateLimit-Limit"))
	})
}

func TestBodyThatBreaksOff(t *testing.T) {
	s := duvotest.NewServer(duvotest.WithAssignment(refunds()))
	defer s.Close()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /v2/teams/"+s.TeamID()+"/runs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnot a chunk\r\n")
	require.NoError(t, err)
	_, err = http.ReadResponse(bufio.NewReader(conn), nil)
	require.Error(t, err)
	require.Empty(t, s.Requests())
}

func FuzzRequestBody(f *testing.F) {
	for _, op := range operations {
		f.Add(op[1], op[2], `{"agent_id":"`+agentID+`","message":"m","approved":true}`, "k")
	}
	f.Add("POST", "/v2/runs/{job}/human-requests/{request}/respond", `{"answers":{"a":"b"}}`, "")
	f.Add("POST", "/v2/runs/{job}/messages", `{"message":"{"}`, "")
	f.Add("POST", "/v2/teams/{team}/runs", `{"agent_id":"`+agentID+`","webhook_url":"http://[::1]:0/x"}`, "k")
	f.Add("GET", "/v2/teams/{team}/runs?limit=1&offset=99&since=2026-01-01T00:00:00Z&search=%ff", "", "")
	f.Add("GET", "//v2//runs/%2e%2e/?%zz", "\x00", "\x00")
	f.Fuzz(func(t *testing.T, method, path, body, key string) {
		d := duvotest.New(duvotest.WithAssignment(refunds()), duvotest.WithWebhookClient(&http.Client{Transport: nowhere{}}),
			duvotest.WithQuirks(duvotest.Quirks{UnknownFields: len(body)%2 == 1}))
		defer d.Close()
		j, err := d.Client().StartJob(t.Context(), duvo.StartJob{AssignmentID: agentID})
		require.NoError(t, err)
		path = strings.NewReplacer("{team}", d.TeamID(), "{job}", j.ID, "{request}", otherID).Replace(path)
		u, err := url.ParseRequestURI(path)
		if err != nil {
			t.Skip()
		}
		for range 2 {
			r := httptest.NewRequest("GET", "/", strings.NewReader(body))
			r.Method, r.URL, r.RequestURI = method, u, path
			r.Header.Set("Authorization", "Bearer "+d.Key())
			r.Header.Set("Idempotency-Key", key)
			rec := httptest.NewRecorder()
			d.ServeHTTP(rec, r)
			require.Less(t, rec.Code, 500)
			a := answer{t: t, body: rec.Body.String()}
			_, refused := a.at("error") // which asserts that it is JSON
			require.Equal(t, rec.Code >= 400, refused)
		}
		require.Len(t, d.Requests(), 3)
		_ = d.Jobs()
	})
}

// nowhere is a transport that reaches nothing.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) { return nil, io.ErrClosedPipe }
