package duvo

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func yes() *bool { v := true; return &v }
func no() *bool  { v := false; return &v }

func TestRequests(t *testing.T) {
	const agent = `{"id":"` + agentID + `","name":"Refunds"}`
	const message = `{"message":{"id":"m1","role":"user","text_content":"go on"}}`
	since := time.Date(2026, 5, 4, 12, 30, 0, 500, time.FixedZone("", 2*3600))
	for name, c := range map[string]struct {
		call         func(context.Context, *Client) error
		answer       string
		method, path string
		query        url.Values
		body         string
	}{
		"teams": {
			call:   func(ctx context.Context, c *Client) error { _, err := c.Teams(ctx); return err },
			answer: `{"teams":[]}`, method: "GET", path: "/v2/teams",
		},
		"assignments": {
			call:   func(ctx context.Context, c *Client) error { _, err := collect(c.Assignments(ctx)); return err },
			answer: `{"agents":[],"total":0}`, method: "GET", path: "/v2/teams/" + teamID + "/agents",
			query: url.Values{"limit": {"100"}, "offset": {"0"}},
		},
		"assignment": {
			call:   func(ctx context.Context, c *Client) error { _, err := c.Assignment(ctx, agentID); return err },
			answer: `{"agent":` + agent + `}`, method: "GET", path: "/v2/agents/" + agentID,
		},
		"folders": {
			call:   func(ctx context.Context, c *Client) error { _, err := c.Folders(ctx); return err },
			answer: `{"folders":[]}`, method: "GET", path: "/v2/teams/" + teamID + "/agent-folders",
		},
		"start, bare": {
			call: func(ctx context.Context, c *Client) error {
				_, err := c.StartJob(ctx, StartJob{AssignmentID: agentID})
				return err
			},
			answer: runBody("pending", ""), method: "POST", path: "/v2/teams/" + teamID + "/runs",
			body: `{"agent_id":"` + agentID + `"}`,
		},
		"start, whole": {
			call: func(ctx context.Context, c *Client) error {
				_, err := c.StartJob(ctx, StartJob{AssignmentID: agentID, Message: "<b>\"2\" > 1", SandboxID: "s1", WebhookURL: "https://example.com/hook?t=1"})
				return err
			},
			answer: runBody("pending", ""), method: "POST", path: "/v2/teams/" + teamID + "/runs",
			body: `{"agent_id":"` + agentID + `","message":"<b>\"2\" > 1","sandbox_id":"s1","webhook_url":"https://example.com/hook?t=1"}`,
		},
		"job": {
			call:   func(ctx context.Context, c *Client) error { _, err := c.Job(ctx, jobID); return err },
			answer: runBody("running", ""), method: "GET", path: "/v2/runs/" + jobID,
		},
		"jobs, all": {
			call:   func(ctx context.Context, c *Client) error { _, err := collect(c.Jobs(ctx, JobFilter{})); return err },
			answer: `{"data":[],"total":0}`, method: "GET", path: "/v2/teams/" + teamID + "/runs",
			query: url.Values{"limit": {"100"}, "offset": {"0"}},
		},
		"jobs, filtered": {
			call: func(ctx context.Context, c *Client) error {
				_, err := collect(c.Jobs(ctx, JobFilter{Status: StatusWaiting, AssignmentID: agentID, Since: since, Search: "a&b c",
					Source: "api", OldestFirst: true, Offset: 7, PageSize: 3}))
				return err
			},
			answer: `{"data":[],"total":0}`, method: "GET", path: "/v2/teams/" + teamID + "/runs",
			query: url.Values{"limit": {"3"}, "offset": {"7"}, "status": {"waiting"}, "agent_id": {agentID}, "search": {"a&b c"},
				"source": {"api"}, "sort_order": {"asc"}, "since": {"2026-05-04T10:30:00.0000005Z"}},
		},
		"messages": {
			call:   func(ctx context.Context, c *Client) error { _, err := collect(c.Messages(ctx, jobID)); return err },
			answer: `{"messages":[],"total":0}`, method: "GET", path: "/v2/runs/" + jobID + "/messages",
			query: url.Values{"limit": {"50"}, "offset": {"0"}},
		},
		"approve": {
			call: func(ctx context.Context, c *Client) error {
				return c.Respond(ctx, Response{JobID: jobID, RequestID: requestID, Approved: yes()})
			},
			answer: `{"human_request":{}}`, method: "POST", path: "/v2/runs/" + jobID + "/human-requests/" + requestID + "/respond",
			body: `{"approved":true}`,
		},
		"deny": {
			call: func(ctx context.Context, c *Client) error {
				return c.Respond(ctx, Response{JobID: jobID, RequestID: requestID, Approved: no()})
			},
			answer: `{"human_request":{}}`, method: "POST", path: "/v2/runs/" + jobID + "/human-requests/" + requestID + "/respond",
			body: `{"approved":false}`,
		},
		"answer": {
			call: func(ctx context.Context, c *Client) error {
				return c.Respond(ctx, Response{JobID: jobID, RequestID: requestID, Answers: map[string]string{"Which?": "A, B"}})
			},
			answer: `{"human_request":{}}`, method: "POST", path: "/v2/runs/" + jobID + "/human-requests/" + requestID + "/respond",
			body: `{"answers":{"Which?":"A, B"}}`,
		},
		"post": {
			call: func(ctx context.Context, c *Client) error {
				_, err := c.PostMessage(ctx, jobID, "go on", "")
				return err
			},
			answer: message, method: "POST", path: "/v2/runs/" + jobID + "/messages", body: `{"message":"go on"}`,
		},
		"stop": {
			call:   func(ctx context.Context, c *Client) error { return c.StopJob(ctx, jobID) },
			answer: `{"success":true}`, method: "POST", path: "/v2/runs/" + jobID + "/stop",
		},
		"sandbox": {
			call:   func(ctx context.Context, c *Client) error { _, err := c.CreateSandbox(ctx); return err },
			answer: `{"sandbox_id":"s1"}`, method: "POST", path: "/v2/sandboxes",
		},
		"files": {
			call:   func(ctx context.Context, c *Client) error { _, err := c.SandboxFiles(ctx, sandboxID, ""); return err },
			answer: `{"files":[]}`, method: "GET", path: "/v2/sandboxes/" + sandboxID + "/files",
		},
		"files of a directory": {
			call: func(ctx context.Context, c *Client) error {
				_, err := c.SandboxFiles(ctx, sandboxID, "/workspace/a b&c")
				return err
			},
			answer: `{"files":null}`, method: "GET", path: "/v2/sandboxes/" + sandboxID + "/files", query: url.Values{"path": {"/workspace/a b&c"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := answers(t, 200, c.answer)
			cl := s.client(t, WithUserAgent("tests/1"))
			require.NoError(t, c.call(t.Context(), cl))
			require.NoError(t, c.call(t.Context(), cl))
			seen := s.saw()
			require.Len(t, seen, 2, "one request a call")
			for _, r := range seen {
				u, err := url.ParseRequestURI(r.uri)
				require.NoError(t, err)
				require.Equal(t, c.method, r.method)
				require.Equal(t, prefix+c.path, u.EscapedPath())
				want := c.query
				if want == nil {
					want = url.Values{}
				}
				require.Equal(t, want, u.Query())
				require.Equal(t, "Bearer "+testKey, r.header.Get("Authorization"))
				require.Equal(t, "application/json", r.header.Get("Accept"))
				require.Equal(t, "tests/1", r.header.Get("User-Agent"))
				require.False(t, r.chunked, "servers that read bodies by their type refuse an untyped chunked one")
				if c.method == "GET" {
					require.Empty(t, r.body)
					require.Empty(t, r.header.Values("Idempotency-Key"))
					require.Empty(t, r.header.Get("Content-Type"))
					continue
				}
				require.Equal(t, int64(len(r.body)), r.length)
				if c.body == "" {
					require.Empty(t, r.body, "its description has none")
					require.Empty(t, r.header.Values("Content-Type"))
				} else {
					require.JSONEq(t, c.body, r.body)
					require.Equal(t, "application/json", r.header.Get("Content-Type"))
				}
				require.Len(t, r.header.Values("Idempotency-Key"), 1)
				require.GreaterOrEqual(t, len(r.header.Get("Idempotency-Key")), 20)
			}
			if c.method == "POST" {
				require.NotEqual(t, seen[0].header.Get("Idempotency-Key"), seen[1].header.Get("Idempotency-Key"), "each mutation has its own")
			}
		})
	}
}

// mutations are the calls that change something.
var mutations = map[string]func(ctx context.Context, c *Client, key string) error{
	"start": func(ctx context.Context, c *Client, key string) error {
		_, err := c.StartJob(ctx, StartJob{AssignmentID: agentID, Message: "hello", IdempotencyKey: key})
		return err
	},
	"respond": func(ctx context.Context, c *Client, key string) error {
		return c.Respond(ctx, Response{JobID: jobID, RequestID: requestID, Approved: yes(), IdempotencyKey: key})
	},
	"post": func(ctx context.Context, c *Client, key string) error {
		_, err := c.PostMessage(ctx, jobID, "hello", key)
		return err
	},
	"stop":    func(ctx context.Context, c *Client, _ string) error { return c.StopJob(ctx, jobID) },
	"sandbox": func(ctx context.Context, c *Client, _ string) error { _, err := c.CreateSandbox(ctx); return err },
	"upload": func(ctx context.Context, c *Client, key string) error {
		_, err := c.UploadSandboxFile(ctx, SandboxUpload{SandboxID: sandboxID, Path: "/workspace/a.txt",
			Content: strings.NewReader("hello"), Size: 5, IdempotencyKey: key})
		return err
	},
}

// repeated are the mutations that are tried again as reads are.
var repeated = []string{"stop", "sandbox", "upload"}

// success is an answer that every operation takes.
const success = `{"run":{"id":"` + jobID + `","status":"pending"},"message":{"id":"m1"},"success":true,"human_request":{},` +
	`"sandbox_id":"` + sandboxID + `","path":"/workspace/a.txt","size_bytes":5,"files":[],"agent":{"id":"` + agentID + `"},"agents":[],"teams":[],"folders":[],"data":[],"messages":[],"total":0}`

func TestOneKeyOverAllAttempts(t *testing.T) {
	for name, mutate := range mutations {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request, n int) {
				if n%3 != 0 {
					answer(w, 429, `{"error":"slow_down"}`)
					return
				}
				answer(w, 200, success)
			})
			c := s.client(t)
			require.NoError(t, mutate(t.Context(), c, ""))
			require.NoError(t, mutate(t.Context(), c, ""))
			require.NoError(t, mutate(t.Context(), c, "mine"))
			var keys, bodies []string
			for _, r := range s.saw() {
				keys, bodies = append(keys, r.header.Get("Idempotency-Key")), append(bodies, r.body)
			}
			require.Len(t, keys, 9)
			require.NotEmpty(t, keys[0])
			require.NotEqual(t, keys[0], keys[3])
			for i, first := range []int{0, 0, 0, 3, 3, 3, 6, 6, 6} {
				require.Equal(t, keys[first], keys[i])
				require.Equal(t, bodies[0], bodies[i], "every attempt is the same to the byte")
			}
			if name != "stop" && name != "sandbox" {
				require.Equal(t, "mine", keys[6])
			}
		})
	}
}

func TestArgumentsThatCannotBeSent(t *testing.T) {
	s := answers(t, 200, success)
	c := s.client(t)
	ctx := t.Context()
	bad := []string{"", ".", "..", "a/b", `a\b`, "a?b", "a#b", "a%2Fb", "a b", "a\nb", "ü", strings.Repeat("x", 201), strings.Repeat("\u202e", 100)}
	for _, id := range bad {
		for name, call := range map[string]func() error{
			"assignment":      func() error { _, err := c.Assignment(ctx, id); return err },
			"start":           func() error { _, err := c.StartJob(ctx, StartJob{AssignmentID: id}); return err },
			"job":             func() error { _, err := c.Job(ctx, id); return err },
			"messages":        func() error { _, err := collect(c.Messages(ctx, id)); return err },
			"respond job":     func() error { return c.Respond(ctx, Response{JobID: id, RequestID: requestID, Approved: yes()}) },
			"respond request": func() error { return c.Respond(ctx, Response{JobID: jobID, RequestID: id, Approved: yes()}) },
			"post":            func() error { _, err := c.PostMessage(ctx, id, "x", ""); return err },
			"stop":            func() error { return c.StopJob(ctx, id) },
			"files":           func() error { _, err := c.SandboxFiles(ctx, id, ""); return err },
			"upload": func() error {
				_, err := c.UploadSandboxFile(ctx, SandboxUpload{SandboxID: id, Path: "/workspace/a", Content: strings.NewReader("")})
				return err
			},
			"team": func() error { _, err := New(WithAPIKey(testKey), WithTeam(id)); return err },
		} {
			err := call()
			requireKind(t, ErrInvalid, err)
			require.Less(t, len(err.Error()), 1000, name)
			if name != "assignment" && name != "job" && name != "messages" && name != "team" && name != "files" {
				require.False(t, MayHaveTakenEffect(err), name)
			}
		}
	}
	for name, err := range map[string]error{
		"both":        c.Respond(ctx, Response{JobID: jobID, RequestID: requestID, Approved: yes(), Answers: map[string]string{"a": "b"}}),
		"neither":     c.Respond(ctx, Response{JobID: jobID, RequestID: requestID}),
		"no answers":  c.Respond(ctx, Response{JobID: jobID, RequestID: requestID, Answers: map[string]string{}}),
		"no text":     func() error { _, err := c.PostMessage(ctx, jobID, "", ""); return err }(),
		"key: line":   func() error { _, err := c.PostMessage(ctx, jobID, "x", "a\r\nX: y"); return err }(),
		"key: script": func() error { _, err := c.PostMessage(ctx, jobID, "x", "schlüssel"); return err }(),
		"key: long":   func() error { _, err := c.PostMessage(ctx, jobID, "x", strings.Repeat("k", 256)); return err }(),
	} {
		requireKind(t, ErrInvalid, err)
		require.False(t, MayHaveTakenEffect(err), name)
	}
	for _, f := range []JobFilter{{PageSize: -1}, {PageSize: 101}, {Offset: -1}} {
		_, err := collect(c.Jobs(ctx, f))
		requireKind(t, ErrInvalid, err)
	}
	require.Empty(t, s.saw(), "none of these was sent")
}

func TestIDsAreEscapedOnce(t *testing.T) {
	s := answers(t, 200, `{"agent":{"id":"x"}}`)
	_, err := s.client(t).Assignment(t.Context(), `a;b,c"d:e@f+g`)
	require.NoError(t, err)
	u, err := url.ParseRequestURI(s.saw()[0].uri)
	require.NoError(t, err)
	require.Equal(t, prefix+`/v2/agents/a;b,c"d:e@f+g`, u.Path)
}

func TestTeamLookup(t *testing.T) {
	team := func(id, name string) string {
		return `{"id":"` + id + `","name":"` + name + `","organization_id":null}`
	}
	lookup := func(t *testing.T, body string) (*server, *Client) {
		s := serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
			if strings.HasSuffix(r.URL.Path, "/v2/teams") {
				answer(w, 200, body)
				return
			}
			answer(w, 200, success)
		})
		c, err := New(WithAPIKey(testKey), WithBaseURL(s.URL), WithHTTPClient(s.Server.Client()), WithRetries(1, 0))
		require.NoError(t, err)
		return s, c
	}
	t.Run("given", func(t *testing.T) {
		s := answers(t, 200, success)
		id, err := s.client(t).Team(t.Context())
		require.NoError(t, err)
		require.Equal(t, teamID, id)
		require.Empty(t, s.saw())
	})
	t.Run("the only one, asked for once", func(t *testing.T) {
		s, c := lookup(t, `{"teams":[`+team(teamID, "A")+`]}`)
		for range 3 {
			_, err := c.Folders(t.Context())
			require.NoError(t, err)
		}
		seen := s.saw()
		require.Len(t, seen, 4)
		require.Equal(t, "/v2/teams", seen[0].uri)
		require.Equal(t, "/v2/teams/"+teamID+"/agent-folders", seen[1].uri)
	})
	t.Run("none", func(t *testing.T) {
		s, c := lookup(t, `{"teams":[]}`)
		_, err := c.StartJob(t.Context(), StartJob{AssignmentID: agentID})
		requireKind(t, ErrInvalid, err)
		require.False(t, MayHaveTakenEffect(err))
		require.ErrorContains(t, err, "no team")
		require.Len(t, s.saw(), 1)
	})
	t.Run("several", func(t *testing.T) {
		var many []string
		for i := range 30 {
			many = append(many, team("team-"+strconv.Itoa(i), `N\u001b[2J`+testKey+strings.Repeat("n", 5000)))
		}
		s, c := lookup(t, `{"teams":[`+strings.Join(many, ",")+`]}`)
		_, err := c.StartJob(t.Context(), StartJob{AssignmentID: agentID})
		requireKind(t, ErrInvalid, err)
		require.False(t, MayHaveTakenEffect(err))
		require.ErrorContains(t, err, EnvTeamID)
		require.ErrorContains(t, err, "team-3")
		require.NotContains(t, err.Error(), "\x1b")
		require.NotContains(t, err.Error(), testKey)
		require.Less(t, len(err.Error()), 2000)
		for _, err := range c.Assignments(t.Context()) {
			requireKind(t, ErrInvalid, err)
		}
		for _, err := range c.Jobs(t.Context(), JobFilter{}) {
			requireKind(t, ErrInvalid, err)
		}
		require.Len(t, s.saw(), 3, "asked anew each time: it may have changed")
	})
	t.Run("one with an ID that is none", func(t *testing.T) {
		_, c := lookup(t, `{"teams":[`+team("../admin", "A")+`]}`)
		_, err := c.Folders(t.Context())
		require.ErrorContains(t, err, "unexpected answer")
		require.NotErrorIs(t, err, ErrInvalid)
	})
	t.Run("decorations of the wrong type", func(t *testing.T) {
		_, c := lookup(t, `{"teams":[{"id":"`+teamID+`","name":7,"organization_id":[]}],"x":1}`)
		teams, err := c.Teams(t.Context())
		require.NoError(t, err)
		require.Equal(t, []Team{{ID: teamID}}, teams)
	})
	t.Run("failing once, then working", func(t *testing.T) {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request, n int) {
			if n == 1 {
				answer(w, 403, `{"error":"forbidden"}`)
				return
			}
			answer(w, 200, `{"teams":[`+team(teamID, "A")+`],"folders":[]}`)
		})
		c, err := New(WithAPIKey(testKey), WithBaseURL(s.URL), WithHTTPClient(s.Server.Client()))
		require.NoError(t, err)
		_, err = c.StartJob(t.Context(), StartJob{AssignmentID: agentID})
		requireKind(t, ErrForbidden, err)
		require.False(t, MayHaveTakenEffect(err), "the Job's own request was never sent")
		_, err = c.Folders(t.Context())
		require.NoError(t, err)
		require.Len(t, s.saw(), 3)
	})
	t.Run("concurrent", func(t *testing.T) {
		s, c := lookup(t, `{"teams":[`+team(teamID, "A")+`]}`)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				id, err := c.Team(t.Context())
				require.NoError(t, err)
				require.Equal(t, teamID, id)
			})
		}
		wg.Wait()
		require.Len(t, s.saw(), 1)
	})
	t.Run("a waiting caller leaves when its context ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, s := stub(func(int, *http.Request) (*http.Response, error) {
				time.Sleep(20 * time.Second)
				return response(200, `{"teams":[`+team(teamID, "A")+`]}`)
			}).client(t)
			c.team.id = ""
			begin := time.Now()
			first := make(chan error)
			go func() { _, err := c.Team(t.Context()); first <- err }()
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := c.StartJob(ctx, StartJob{AssignmentID: agentID})
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.False(t, MayHaveTakenEffect(err))
			require.Equal(t, time.Second, time.Since(begin))
			require.NoError(t, <-first)
			require.Len(t, s.times, 1)
		})
	})
	t.Run("whose finder is cancelled is found by the next", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, _ := stub(func(n int, r *http.Request) (*http.Response, error) {
				if n == 1 {
					<-r.Context().Done()
					return nil, r.Context().Err()
				}
				return response(200, `{"teams":[`+team(teamID, "A")+`]}`)
			}).client(t)
			c.team.id = ""
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			first := make(chan error)
			go func() { _, err := c.Team(ctx); first <- err }()
			synctest.Wait()
			id, err := c.Team(t.Context())
			require.NoError(t, err)
			require.Equal(t, teamID, id)
			require.ErrorIs(t, <-first, context.DeadlineExceeded)
		})
	})
}

// A shelf is a list that a server pages through.
type shelf struct {
	key      string
	rows     []string
	total    string         // "" for len(rows), "none" for no total, else as it is
	most     int            // the server gives no more rows than this at once
	onPage   func(page int) // called before each page
	mu       sync.Mutex
	pages    int
	contents func(offset, limit int) []string // instead of rows
}

func (s *shelf) serve(t *testing.T) *server {
	return serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.onPage != nil {
			s.onPage(s.pages)
		}
		s.pages++
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
		if s.most > 0 {
			limit = min(limit, s.most)
		}
		var page []string
		if s.contents != nil {
			page = s.contents(offset, limit)
		} else {
			page = s.rows[min(offset, len(s.rows)):min(offset+limit, len(s.rows))]
		}
		total := ""
		switch s.total {
		case "":
			total = `,"total":` + strconv.Itoa(len(s.rows))
		case "none":
		default:
			total = `,"total":` + s.total
		}
		answer(w, 200, `{"`+s.key+`":[`+strings.Join(page, ",")+`]`+total+`}`)
	})
}

func rows(from, to int) (r []string) {
	for i := from; i < to; i++ {
		r = append(r, fmt.Sprintf(`{"id":"id-%d","name":"n","status":"running"}`, i))
	}
	return r
}

// lists are the paged lists, reduced to the IDs of their rows.
var lists = map[string]struct {
	key  string
	size int
	list func(ctx context.Context, c *Client) iter.Seq2[string, error]
}{
	"assignments": {"agents", 100, func(ctx context.Context, c *Client) iter.Seq2[string, error] {
		return ids(c.Assignments(ctx), func(a Assignment) string { return a.ID })
	}},
	"jobs": {"data", 100, func(ctx context.Context, c *Client) iter.Seq2[string, error] {
		return ids(c.Jobs(ctx, JobFilter{}), func(j Job) string { return j.ID })
	}},
	"messages": {"messages", 50, func(ctx context.Context, c *Client) iter.Seq2[string, error] {
		return ids(c.Messages(ctx, jobID), func(m Message) string { return m.ID })
	}},
}

func ids[T any](seq iter.Seq2[T, error], id func(T) string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for r, err := range seq {
			if !yield(id(r), err) {
				return
			}
		}
	}
}

func wantIDs(from, to int) (r []string) {
	for i := from; i < to; i++ {
		r = append(r, "id-"+strconv.Itoa(i))
	}
	return r
}

func TestPaging(t *testing.T) {
	for name, l := range lists {
		t.Run(name, func(t *testing.T) {
			for name, c := range map[string]struct {
				shelf *shelf
				n     int
				pages int
			}{
				"empty":                    {&shelf{}, 0, 1},
				"one row":                  {&shelf{}, 1, 1},
				"a full page":              {&shelf{}, l.size, 1},
				"and one more":             {&shelf{}, l.size + 1, 2},
				"several pages":            {&shelf{}, 3*l.size - 1, 3},
				"the server gives fewer":   {&shelf{most: 7}, 20, 3},
				"no total":                 {&shelf{total: "none"}, 2*l.size + 3, 3},
				"no total, a full page":    {&shelf{total: "none"}, l.size, 2},
				"null total":               {&shelf{total: "null"}, l.size + 1, 2},
				"a total that is a string": {&shelf{total: `"12"`}, l.size + 1, 2},
				"a fractional total":       {&shelf{total: "3.0"}, 3, 1},
				"a total too large":        {&shelf{total: "99"}, 3, 2},
				"a negative total":         {&shelf{total: "-1"}, l.size + 1, 2},
				"a total too small":        {&shelf{total: "0"}, l.size + 1, 2},
				"an endless total":         {&shelf{total: "1e300"}, 3, 2},
			} {
				t.Run(name, func(t *testing.T) {
					shelf := c.shelf
					shelf.key, shelf.rows = l.key, rows(0, c.n)
					s := shelf.serve(t)
					got, err := collect(l.list(t.Context(), s.client(t)))
					require.NoError(t, err)
					require.Equal(t, wantIDs(0, c.n), got)
					require.Len(t, s.saw(), c.pages)
				})
			}
			t.Run("ranged twice", func(t *testing.T) {
				shelf := &shelf{key: l.key, rows: rows(0, l.size+5)}
				s := shelf.serve(t)
				seq := l.list(t.Context(), s.client(t))
				first, err := collect(seq)
				require.NoError(t, err)
				shelf.mu.Lock()
				shelf.rows = append(shelf.rows, rows(l.size+5, l.size+6)...)
				shelf.mu.Unlock()
				second, err := collect(seq)
				require.NoError(t, err)
				require.Equal(t, wantIDs(0, l.size+5), first)
				require.Equal(t, wantIDs(0, l.size+6), second, "ranging again asks again")
			})
			t.Run("left early", func(t *testing.T) {
				s := (&shelf{key: l.key, rows: rows(0, 3*l.size)}).serve(t)
				n := 0
				for _, err := range l.list(t.Context(), s.client(t)) {
					require.NoError(t, err)
					if n++; n == l.size {
						break
					}
				}
				require.Len(t, s.saw(), 1, "no page is asked for ahead")
			})
			t.Run("a server that repeats a page", func(t *testing.T) {
				s := (&shelf{key: l.key, total: "1000", contents: func(_, limit int) []string { return rows(0, limit) }}).serve(t)
				got, err := collect(l.list(t.Context(), s.client(t)))
				require.ErrorContains(t, err, "repeats a page")
				require.Equal(t, wantIDs(0, l.size), got)
				require.Len(t, s.saw(), 2)
			})
			t.Run("a server that repeats a page in another order", func(t *testing.T) {
				s := (&shelf{key: l.key, total: "1000", contents: func(offset, limit int) []string {
					page := rows(0, limit)
					if offset > 0 {
						slices.Reverse(page)
					}
					return page
				}}).serve(t)
				got, err := collect(l.list(t.Context(), s.client(t)))
				require.ErrorContains(t, err, "repeats a page")
				require.Equal(t, wantIDs(0, l.size), got)
				require.Len(t, s.saw(), 2)
			})
			t.Run("a list without end", func(t *testing.T) {
				s := (&shelf{key: l.key, total: "1e18", contents: func(offset, limit int) []string { return rows(offset, offset+limit) }}).serve(t)
				got, err := collect(l.list(t.Context(), s.client(t, WithMaxRows(2*l.size+1))))
				require.ErrorContains(t, err, "more than")
				require.Equal(t, wantIDs(0, 2*l.size+1), got)
				require.Len(t, s.saw(), 3)
			})
			t.Run("rows move to the next page", func(t *testing.T) {
				shelf := &shelf{key: l.key, rows: rows(0, 2*l.size)}
				shelf.onPage = func(page int) {
					if page == 1 { // three newer rows push the others down
						shelf.rows = append(rows(9000, 9003), shelf.rows...)
					}
				}
				got, err := collect(l.list(t.Context(), shelf.serve(t).client(t)))
				require.NoError(t, err)
				require.Equal(t, wantIDs(0, 2*l.size), got, "each once")
			})
			t.Run("rows vanish", func(t *testing.T) {
				shelf := &shelf{key: l.key, rows: rows(0, l.size+2)}
				shelf.onPage = func(page int) {
					if page == 1 {
						shelf.rows = nil
					}
				}
				got, err := collect(l.list(t.Context(), shelf.serve(t).client(t)))
				require.NoError(t, err)
				require.Equal(t, wantIDs(0, l.size), got)
			})
			t.Run("a page fails", func(t *testing.T) {
				s := serve(t, func(w http.ResponseWriter, _ *http.Request, n int) {
					if n > 1 {
						answer(w, 403, `{"error":"forbidden"}`)
						return
					}
					answer(w, 200, `{"`+l.key+`":[`+strings.Join(rows(0, l.size), ",")+`],"total":1000}`)
				})
				got, err := collect(l.list(t.Context(), s.client(t)))
				requireKind(t, ErrForbidden, err)
				require.Len(t, got, l.size, "what came before it is told")
			})
			t.Run("a page fails once", func(t *testing.T) {
				shelf := &shelf{key: l.key, rows: rows(0, l.size+1)}
				inner := shelf.serve(t)
				s := serve(t, func(w http.ResponseWriter, r *http.Request, n int) {
					if n%2 == 1 {
						answer(w, 502, "<html>")
						return
					}
					inner.Config.Handler.ServeHTTP(w, r)
				})
				got, err := collect(l.list(t.Context(), s.client(t)))
				require.NoError(t, err)
				require.Equal(t, wantIDs(0, l.size+1), got)
			})
			t.Run("no such field, or no rows", func(t *testing.T) {
				for body, ok := range map[string]bool{
					`{}`: false, `{"` + l.key + `":null}`: true, `{"` + l.key + `":{}}`: false, `{"` + l.key + `":"x"}`: false, `[]`: false, `null`: false,
				} {
					got, err := collect(l.list(t.Context(), answers(t, 200, body).client(t)))
					require.Equal(t, ok, err == nil, body)
					require.Empty(t, got)
				}
			})
			t.Run("cancelled between pages", func(t *testing.T) {
				s := (&shelf{key: l.key, rows: rows(0, 2*l.size)}).serve(t)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				n := 0
				var last error
				for _, err := range l.list(ctx, s.client(t)) {
					n++
					last = err
					cancel()
				}
				require.ErrorIs(t, last, context.Canceled)
				require.Equal(t, l.size+1, n, "the rows at hand are told, then the error")
				require.Len(t, s.saw(), 1)
			})
		})
	}
}

func TestMessagesWithoutIDsThatRepeat(t *testing.T) {
	s := answers(t, 200, `{"messages":[{"role":"assistant","text_content":"x"}],"total":1000}`)
	got, err := collect(s.client(t).Messages(t.Context(), jobID))
	require.ErrorContains(t, err, "repeats a page")
	require.Len(t, got, 1)
	require.Len(t, s.saw(), 2)
}

func TestMessagesThatShareAnID(t *testing.T) {
	page := func(m ...string) string {
		return `{"messages":[` + strings.Join(m, ",") + `],"total":` + strconv.Itoa(len(m)) + `}`
	}
	s := answers(t, 200, page(
		`{"id":"a","role":"assistant","text_content":"one"}`,
		`{"id":"a","role":"tool"}`, // the result of the call in the first
		`{"id":"a","role":"assistant","text_content":"one"}`,
		`{"role":"assistant","text_content":"x"}`, `{"role":"assistant","text_content":"x"}`,
		`null`, `"odd"`))
	got, err := collect(s.client(t).Messages(t.Context(), jobID))
	require.NoError(t, err)
	require.Len(t, got, 6)
	require.Equal(t, "x", got[3].Text)
	require.Equal(t, Message{}, got[5], "an odd entry does not lose the others")
}

func TestJobThatIsGone(t *testing.T) {
	for name, s := range map[string]*server{
		"null": answers(t, 200, `{"run":null,"pending_human_request":null}`),
		"404":  answers(t, 404, `{"error":"not_found"}`),
		"410":  answers(t, 410, ``),
	} {
		_, err := s.client(t).Job(t.Context(), jobID)
		requireKind(t, ErrNotFound, err)
		require.False(t, Temporary(err), name)
		var api *APIError
		require.ErrorAs(t, err, &api)
		require.Equal(t, "getRun", api.Operation)
		require.Len(t, s.saw(), 1)
	}
}

func TestJobOfAnotherName(t *testing.T) {
	upper := strings.Replace(runBody("running", ""), jobID, strings.ToUpper(jobID), 1)
	j, err := answers(t, 200, upper).client(t).Job(t.Context(), jobID)
	require.NoError(t, err)
	require.Equal(t, StatusRunning, j.Status)

	other := strings.Replace(runBody("running", ""), jobID, testKey+strings.Repeat("x", 1<<20), 1)
	_, err = answers(t, 200, other).client(t).Job(t.Context(), jobID)
	require.ErrorContains(t, err, "another")
	require.NotContains(t, err.Error(), testKey)
	require.Less(t, len(err.Error()), 300)
}

// A success that makes no sense is none; for a mutation it leaves the effect
// in doubt.
func TestSuccessesThatMakeNoSense(t *testing.T) {
	for _, body := range []string{`{}`, `[]`, `null`, `7`, `{"run":null}`, `{"run":[]}`, `{"run":{}}`, `{"run":{"id":7}}`,
		`{"run":{"id":"a/b"}}`, `{"run":{"id":"x","status":7}}`, `{"run":"x"}`} {
		s := answers(t, 201, body)
		_, err := s.client(t).StartJob(t.Context(), StartJob{AssignmentID: agentID})
		require.ErrorContains(t, err, "duvo: startRun: unexpected answer", body)
		require.True(t, MayHaveTakenEffect(err), body)
		require.False(t, Temporary(err), body)
		require.NotErrorIs(t, err, ErrInvalid, body)
		require.Len(t, s.saw(), 1)
	}
	for _, body := range []string{`{}`, `[]`, `{"message":null}`, `{"message":"x"}`} {
		_, err := answers(t, 201, body).client(t).PostMessage(t.Context(), jobID, "x", "")
		require.ErrorContains(t, err, "unexpected answer", body)
		require.True(t, MayHaveTakenEffect(err), body)
	}
	for _, body := range []string{`{}`, `[]`, `{"run":[]}`, `{"run":{}}`, `{"run":{"id":"x","status":7}}`, `{"agent":null}`, `{"agent":{}}`, `{"teams":[{}]}`, `{"folders":[{}]}`} {
		s := answers(t, 200, body)
		c := s.client(t)
		_, jobErr := c.Job(t.Context(), jobID)
		_, assignmentErr := c.Assignment(t.Context(), agentID)
		_, teamsErr := c.Teams(t.Context())
		_, foldersErr := c.Folders(t.Context())
		for _, err := range []error{jobErr, assignmentErr, teamsErr, foldersErr} {
			require.ErrorContains(t, err, "unexpected answer", body)
			require.False(t, MayHaveTakenEffect(err), body)
			require.False(t, Temporary(err), body)
		}
		require.Len(t, s.saw(), 4, "asking again would bring the same")
	}
}

// What says all by its status needs no body.
func TestSuccessesWithoutABody(t *testing.T) {
	for _, status := range []int{200, 202, 204} {
		c := answers(t, status, "").client(t)
		require.NoError(t, mutations["respond"](t.Context(), c, ""))
		require.NoError(t, mutations["stop"](t.Context(), c, ""))
		for _, name := range []string{"start", "post"} {
			err := mutations[name](t.Context(), c, "")
			require.True(t, MayHaveTakenEffect(err))
			requireKind(t, ErrUnavailable, err)
		}
	}
}

func TestAssignmentsAndFolders(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/agent-folders"):
			answer(w, 200, `{"folders":[{"id":"f1","name":"Money","team_id":"t","parent_folder_id":null,"agent_count":2},{"id":"f2","name":[],"parent_folder_id":"f1"}]}`)
		case strings.HasSuffix(r.URL.Path, "/agents"):
			answer(w, 200, `{"agents":[
				{"id":"a1","name":"Refunds","folder_id":"f1","created_at":"2026-01-02T03:04:05Z","created_by":7,"integration_configs":"none",
				 "latest_build":{"id":"b1","revision_description":"Refunds an order","revision_number":3,"config":{"version":"v9"},"created_at":null}},
				{"id":"a2","name":null,"latest_build":null},{"id":"a3","latest_build":"?"}],"total":3}`)
		default:
			answer(w, 200, `{"agent":{"id":"a1","name":"Refunds"},"user_context":null}`)
		}
	})
	c := s.client(t)
	a, err := collect(c.Assignments(t.Context()))
	require.NoError(t, err)
	require.Equal(t, []Assignment{
		{ID: "a1", Name: "Refunds", FolderID: "f1", CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			LatestBuild: &Build{ID: "b1", Description: "Refunds an order", Number: 3}},
		{ID: "a2"}, {ID: "a3"}}, a)
	f, err := c.Folders(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Folder{{ID: "f1", Name: "Money", TeamID: "t"}, {ID: "f2", ParentID: "f1"}}, f)
	one, err := c.Assignment(t.Context(), "a1")
	require.NoError(t, err)
	require.Equal(t, Assignment{ID: "a1", Name: "Refunds"}, one)
}

func TestPostedMessage(t *testing.T) {
	m, err := answers(t, 201, `{"message":{"id":"m","type":"text","role":"user","timestamp":"2026-01-02T03:04:05Z","text_content":"hi"}}`).
		client(t).PostMessage(t.Context(), jobID, "hi", "")
	require.NoError(t, err)
	require.Equal(t, Message{ID: "m", Type: "text", Role: "user", Text: "hi", Timestamp: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, m)
}

func TestStopThatStoppedNothing(t *testing.T) {
	s := answers(t, 200, `{"success":false,"message":"not running"}`)
	require.NoError(t, s.client(t).StopJob(t.Context(), jobID))
}

// The client's own JSON can be read back, for those who keep it.
func TestJobIsWrittenAsItIsRead(t *testing.T) {
	j := Job{ID: "j", Status: StatusWaiting, CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Number: 4,
		Pending: &HumanRequest{ID: "r", Type: Question, Title: "T", Questions: []QuestionItem{{Question: "Q", Options: []Choice{{Label: "a"}}, MultiSelect: true}}}}
	b, err := json.Marshal(j)
	require.NoError(t, err)
	var back Job
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, j, back)
}
