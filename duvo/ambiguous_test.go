package duvo

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// answering is a client whose server gives one answer to everything.
func answering(t *testing.T, status int, body string) *Client {
	t.Helper()
	c, err := New(WithAPIKey("dv_key"), WithTeam("t"), WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})}))
	require.NoError(t, err)
	return c
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestAmbiguousRuns: of an answer that says two things nothing is taken in.
func TestAmbiguousRuns(t *testing.T) {
	const run = `"run":{"id":"j","agent_id":"a","status":"waiting"`
	other := strings.Replace(approval, "120", "9000", 1)
	for name, body := range map[string]string{
		"two pending requests":            `{` + run + `,"pending_human_request":` + approval + `},"pending_human_request":` + other + `}`,
		"one of them malformed":           `{` + run + `,"pending_human_request":` + approval + `},"pending_human_request":[]}`,
		"the other malformed":             `{` + run + `,"pending_human_request":7},"pending_human_request":` + approval + `}`,
		"a pending request twice":         `{` + run + `},"pending_human_request":` + approval + `,"pending_human_request":` + other + `}`,
		"a pending request in capitals":   `{` + run + `},"pending_human_request":` + approval + `,"PENDING_human_request":` + other + `}`,
		"a status twice":                  `{` + run + `,"status":"completed"}}`,
		"a Status after the status":       `{` + run + `,"Status":"completed"}}`,
		"a status with a long s":          "{" + run + ",\"\u017ftatus\":\"completed\"}}",
		"an escaped key":                  `{` + run + `,"\u0073tatus":"completed"}}`,
		"two runs":                        `{` + run + `},"Run":{"id":"j","status":"completed"}}`,
		"two Assignments":                 `{` + run + `,"agent_id":"b"}}`,
		"two titles":                      `{` + run + `},"pending_human_request":{"id":"r","type":"approval","title":"a","Title":"b"}}`,
		"two questions in one":            `{` + run + `},"pending_human_request":{"id":"r","type":"question","title":"t","questions":[{"question":"a","Question":"b"}]}}`,
		"two labels in one":               `{` + run + `},"pending_human_request":{"id":"r","type":"question","title":"t","questions":[{"question":"a","options":[{"label":"a","LABEL":"b"}]}]}}`,
		"a request of another run":        `{` + run + `},"pending_human_request":{"run_id":"k","id":"r","type":"approval","title":"t"}}`,
		"a request of another run within": `{` + run + `,"pending_human_request":{"run_id":"k","id":"r","type":"approval","title":"t"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			j, err := decodeRun([]byte(body))
			require.Error(t, err)
			require.Zero(t, j)
			c := answering(t, 200, body)
			_, err = c.Job(t.Context(), "j")
			require.ErrorIs(t, err, ErrMalformed)
			require.NotErrorIs(t, err, ErrNotFound)
			require.False(t, Temporary(err))
			_, err = answering(t, 201, body).StartJob(t.Context(), StartJob{AssignmentID: "a", Message: "m"})
			require.ErrorIs(t, err, ErrMalformed)
			require.True(t, MayHaveTakenEffect(err), "a Job was started, and nobody knows which")
		})
	}
}

// What says one thing twice over, or differs where nobody looks, is read.
func TestUnambiguousRuns(t *testing.T) {
	for name, body := range map[string]string{
		"the same request twice":  `{"run":{"id":"j","status":"waiting","pending_human_request":` + approval + `},"pending_human_request":` + approval + `}`,
		"a request of this run":   `{"run":{"id":"J","status":"waiting"},"pending_human_request":{"run_id":"j","id":"r","type":"approval","title":"t"}}`,
		"somebody's own keys":     `{"run":{"id":"j","status":"waiting","metadata":{"a":1,"A":2}},"pending_human_request":` + approval + `}`,
		"other fields, once each": `{"run":{"id":"j","status":"waiting","new":1,"newer":1},"pending_human_request":` + approval + `}`,
	} {
		j, err := decodeRun([]byte(body))
		require.NoError(t, err, name)
		require.Equal(t, Approval, j.Pending.Type, name)
	}
}

func TestAmbiguousLists(t *testing.T) {
	t.Run("rows", func(t *testing.T) {
		for _, body := range []string{
			`{"data":[{"id":"j","status":"running","Status":"completed"}],"total":1}`,
			`{"data":[{"id":"j","status":"running"}],"Data":[{"id":"j","status":"completed"}],"total":1}`,
			`{"data":[{"id":"j","status":"running"},{"id":"j","status":"completed"}],"total":2}`,
			`{"data":[{"id":"j","status":"waiting","pending_human_request":{"run_id":"k","id":"r","type":"approval","title":"t"}}],"total":1}`,
		} {
			p, err := answering(t, 200, body).JobPage(t.Context(), JobFilter{})
			require.ErrorIs(t, err, ErrMalformed, body)
			require.Empty(t, p.Jobs)
		}
		p, err := answering(t, 200, `{"data":[{"id":"j","status":"running"},{"id":"j","status":"running"}],"total":2}`).JobPage(t.Context(), JobFilter{})
		require.NoError(t, err)
		require.Len(t, p.Jobs, 2)
	})
	t.Run("messages", func(t *testing.T) {
		read := func(body string) (n int, failed error) {
			for _, err := range answering(t, 200, body).Messages(t.Context(), "j") {
				if n, failed = n+1, err; err != nil {
					break
				}
			}
			return n, failed
		}
		for _, body := range []string{
			`{"messages":[{"id":"m","role":"assistant","text_content":"done","Text_Content":"failed"}],"total":1}`,
			`{"messages":[{"id":"m","role":"assistant","role":"user","text_content":"done"}],"total":1}`,
			`{"messages":[{"id":"m","role":"tool","tool_result":{"error":"e","Error":""}}],"total":1}`,
		} {
			_, err := read(body)
			require.ErrorIs(t, err, ErrMalformed, body)
		}
		n, err := read(`{"messages":[{"id":"m","role":"tool","tool_result":{"result":{"a":1,"A":2}}},{"id":"n","role":"tool","tool_call":{"arguments":{"b":1,"b":2}}}],"total":2}`)
		require.NoError(t, err, "what a tool was given or gave is data")
		require.Equal(t, 2, n)
	})
	t.Run("Assignments and folders", func(t *testing.T) {
		for _, body := range []string{
			`{"agents":[{"id":"a","name":"Refunds"},{"id":"a","name":"Survey"}],"total":2}`,
			`{"agents":[{"id":"a","ID":"b","name":"Refunds"}],"total":1}`,
			`{"agents":[{"id":"a","name":"Refunds","latest_build":{"id":"1","id":"2"}}],"total":1}`,
		} {
			for _, err := range answering(t, 200, body).Assignments(t.Context()) {
				require.ErrorIs(t, err, ErrMalformed, body)
			}
		}
		_, err := answering(t, 200, `{"folders":[{"id":"f","name":"a"},{"id":"f","name":"b"}]}`).Folders(t.Context())
		require.ErrorIs(t, err, ErrMalformed)
		_, err = answering(t, 200, `{"agent":{"id":"a"},"Agent":{"id":"a","name":"x"}}`).Assignment(t.Context(), "a")
		require.ErrorIs(t, err, ErrMalformed)
	})
}

// TestAmbiguousResponses: an answer to a response that is about something else
// leaves in doubt whether it was taken.
func TestAmbiguousResponses(t *testing.T) {
	yes := true
	respond := func(body string) error {
		return answering(t, 200, body).Respond(t.Context(), Response{JobID: "j", RequestID: "r", Approved: &yes})
	}
	for _, body := range []string{
		`{"human_request":{"id":"q","run_id":"j"}}`, `{"human_request":{"id":"r","run_id":"k"}}`,
		`{"human_request":{"id":"r","ID":"q"}}`, `{"human_request":{"id":"r"},"human_request":{"id":"q"}}`,
	} {
		err := respond(body)
		require.ErrorIs(t, err, ErrMalformed, body)
		require.True(t, MayHaveTakenEffect(err), body)
	}
	for _, body := range []string{"", "{}", "null", `"ok"`, `{"human_request":null}`, `{"human_request":"r"}`, `{"human_request":{"id":"R","run_id":"J","response":"x"}}`} {
		require.NoError(t, respond(body), body)
	}
	require.Error(t, respond("<html>"))
	_, err := answering(t, 200, `{"message":{"id":"m","role":"user"},"Message":{"id":"n"}}`).PostMessage(t.Context(), "j", "x", "")
	require.ErrorIs(t, err, ErrMalformed)
	require.True(t, MayHaveTakenEffect(err))
}
