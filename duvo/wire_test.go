package duvo

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/duvotool/duvotool/internal/jsonkeys"
	"github.com/stretchr/testify/require"
)

const approval = `{"id":"` + requestID + `","title":"Refund 120 EUR?","description":"It arrived damaged.","created_at":"2026-01-02T03:04:05Z","type":"approval"}`

func TestPendingRequestInBothPlaces(t *testing.T) {
	want := &HumanRequest{ID: requestID, Type: Approval, Title: "Refund 120 EUR?", Description: "It arrived damaged.", CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	within := func(p string) string { return `"pending_human_request":` + p }
	run := func(more string) string { return `{"id":"j","status":"waiting"` + more + `}` }
	for name, c := range map[string]struct {
		body string
		want *HumanRequest
	}{
		"none":                {`{"run":` + run("") + `}`, nil},
		"null":                {`{"run":` + run(","+within("null")) + `,` + within("null") + `}`, nil},
		"beside":              {`{"run":` + run("") + `,` + within(approval) + `}`, want},
		"within":              {`{"run":` + run(","+within(approval)) + `}`, want},
		"within, null beside": {`{` + within("null") + `,"run":` + run(","+within(approval)) + `}`, want},
		"beside, null within": {`{` + within(approval) + `,"run":` + run(","+within("null")) + `}`, want},
		"both":                {`{` + within(approval) + `,"run":` + run(","+within(approval)) + `}`, want},
		"malformed beside":    {`{` + within(`{"id":"r"}`) + `,"run":` + run("") + `}`, &HumanRequest{ID: "r"}},
	} {
		j, err := decodeRun([]byte(c.body))
		require.NoError(t, err, name)
		require.Equal(t, c.want, j.Pending, name)
		require.Equal(t, StatusWaiting, j.Status)
	}
}

// What a person cannot see whole, nobody answers.
func TestMalformedRequests(t *testing.T) {
	for name, c := range map[string]struct{ body, id string }{
		"a string":                       {`"approve?"`, ""},
		"a number":                       {`7`, ""},
		"false":                          {`false`, ""},
		"a list":                         {`[` + approval + `]`, ""},
		"empty":                          {`{}`, ""},
		"no id":                          {`{"type":"approval","title":"t"}`, ""},
		"an empty id":                    {`{"id":"","type":"approval","title":"t"}`, ""},
		"a null id":                      {`{"id":null,"type":"approval","title":"t"}`, ""},
		"a numeric id":                   {`{"id":7,"type":"approval","title":"t"}`, ""},
		"a title that is none":           {`{"id":"r","type":"approval","title":{"text":"t"}}`, "r"},
		"a description that is none":     {`{"id":"r","type":"approval","title":"t","description":["a"]}`, "r"},
		"a type that is none":            {`{"id":"r","type":1,"title":"t"}`, "r"},
		"the name of what is malformed":  {`{"id":"r","type":"malformed","title":"t"}`, "r"},
		"no questions":                   {`{"id":"r","type":"question","title":"t"}`, "r"},
		"null questions":                 {`{"id":"r","type":"question","title":"t","questions":null}`, "r"},
		"empty questions":                {`{"id":"r","type":"question","title":"t","questions":[]}`, "r"},
		"questions that are none":        {`{"id":"r","type":"question","title":"t","questions":"which?"}`, "r"},
		"a question that is a string":    {`{"id":"r","type":"question","title":"t","questions":["which?"]}`, "r"},
		"a null question":                {`{"id":"r","type":"question","title":"t","questions":[{"question":"q"},null]}`, "r"},
		"a question without text":        {`{"id":"r","type":"question","title":"t","questions":[{"question":" \n"}]}`, "r"},
		"options that are none":          {`{"id":"r","type":"question","title":"t","questions":[{"question":"q","options":{}}]}`, "r"},
		"an option that is a string":     {`{"id":"r","type":"question","title":"t","questions":[{"question":"q","options":["a"]}]}`, "r"},
		"a null option":                  {`{"id":"r","type":"question","title":"t","questions":[{"question":"q","options":[null]}]}`, "r"},
		"an option without a label":      {`{"id":"r","type":"question","title":"t","questions":[{"question":"q","options":[{"label":"a"},{"label":" "}]}]}`, "r"},
		"an option with a number":        {`{"id":"r","type":"question","title":"t","questions":[{"question":"q","options":[{"label":1}]}]}`, "r"},
		"multi_select that is none":      {`{"id":"r","type":"question","title":"t","questions":[{"question":"q","multi_select":"yes"}]}`, "r"},
		"an approval with bad questions": {`{"id":"r","type":"approval","title":"t","questions":[{}]}`, "r"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, body := range []string{
				`{"run":{"id":"j","status":"waiting"},"pending_human_request":` + c.body + `}`,
				`{"run":{"id":"j","status":"waiting","pending_human_request":` + c.body + `}}`,
			} {
				j, err := decodeRun([]byte(body))
				require.NoError(t, err, "the Job is read all the same")
				require.Equal(t, &HumanRequest{ID: c.id, Type: Malformed}, j.Pending, "never in part")
			}
			var r HumanRequest
			require.Error(t, json.Unmarshal([]byte(c.body), &r))
			require.Zero(t, r)
		})
	}
}

func TestWholeRequests(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want HumanRequest
	}{
		"question": {`{"id":"r","type":"question","title":"T","description":null,"created_at":"?","x":1,"questions":[
			{"question":"Which?","header":"H","multi_select":true,"options":[{"label":"A","description":"first","y":2},{"label":"B"}],"z":3},{"question":"Why?","options":null}]}`,
			HumanRequest{ID: "r", Type: Question, Title: "T", Questions: []QuestionItem{
				{Question: "Which?", Header: "H", MultiSelect: true, Options: []Choice{{Label: "A", Description: "first"}, {Label: "B"}}}, {Question: "Why?"}}}},
		"a type not known": {`{"id":"r","type":"login","title":"Log in"}`, HumanRequest{ID: "r", Type: "login", Title: "Log in"}},
		"no type":          {`{"id":"r","title":"T"}`, HumanRequest{ID: "r", Title: "T"}},
		"null title":       {`{"id":"r","type":"approval","title":null,"description":null,"created_at":7}`, HumanRequest{ID: "r", Type: Approval, CreatedAt: time.Unix(7, 0).UTC()}},
		"text to the byte": {`{"id":"r","type":"approval","title":" a\u202eb\u0000\n ","description":"\u001b"}`, HumanRequest{ID: "r", Type: Approval, Title: " a\u202eb\x00\n ", Description: "\x1b"}},
	} {
		var r HumanRequest
		require.NoError(t, json.Unmarshal([]byte(c.body), &r), name)
		require.Equal(t, c.want, r, name)
	}
}

func TestJobDecorationsNeverFail(t *testing.T) {
	wrong := func(v string) string {
		fields := []string{"agent_id", "build_id", "source", "sandbox_id", "created_at", "updated_at", "started_at", "completed_at",
			"human_in_the_loop_enabled", "title", "run_number", "agent_name", "created_by", "eval_summaries", "something_new"}
		var b strings.Builder
		for _, f := range fields {
			b.WriteString(`,"` + f + `":` + v)
		}
		return `{"run":{"id":"j","status":"running"` + b.String() + `},"also_new":` + v + `}`
	}
	for _, v := range []string{"null", "[]", "{}", `{"a":[1]}`, `[null]`, "-1", "1e400", `""`, "false"} {
		j, err := decodeRun([]byte(wrong(v)))
		require.NoError(t, err, v)
		j.HumanInTheLoop = false
		require.Equal(t, Job{ID: "j", Status: StatusRunning}, j, v)
	}
	j, err := decodeRun([]byte(`{"run":{"id":"j","agent_id":"a","build_id":"b","status":"needs_attention","source":"api","sandbox_id":"s",
		"created_at":"2026-01-02T03:04:05.678+02:00","updated_at":1767323045,"started_at":"2026-01-02 03:04:05Z","completed_at":"2026-01-02T03:04:05",
		"human_in_the_loop_enabled":true,"title":"T","run_number":12.0,"agent_name":"A"}}`))
	require.NoError(t, err)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	require.Equal(t, Job{ID: "j", AssignmentID: "a", BuildID: "b", Status: StatusNeedsAttention, Source: "api", SandboxID: "s",
		CreatedAt: at.Add(678*time.Millisecond - 2*time.Hour), UpdatedAt: at, StartedAt: at, CompletedAt: at,
		HumanInTheLoop: true, Title: "T", Number: 12, AssignmentName: "A"}, j)
}

func TestWhatDecidesIsStrict(t *testing.T) {
	for body, want := range map[string]error{
		`{"run":null}`: errNullRun, `{"run":null,"pending_human_request":` + approval + `}`: errNullRun,
	} {
		_, err := decodeRun([]byte(body))
		require.ErrorIs(t, err, want)
	}
	for _, body := range []string{``, ` `, `null`, `[]`, `"x"`, `{`, `{"run":`, `{}`, `{"pending_human_request":` + approval + `}`, `{"run":[]}`, `{"run":{}}`,
		`{"run":{"status":"running"}}`, `{"run":{"id":7}}`, `{"run":{"id":"j","status":7}}`, `{"run":{"id":"j","status":{}}}`} {
		j, err := decodeRun([]byte(body))
		require.Error(t, err, body)
		require.NotErrorIs(t, err, errNullRun)
		require.Zero(t, j)
	}
}

var (
	terminal    = []Status{"completed", "failed", "stopped", "interrupted", "canceled", "cancelled"}
	notTerminal = []Status{"", "not_started", "pending", "starting", "running", "waiting", "needs_attention", "Completed", "completed ", "paused"}
)

func TestTerminal(t *testing.T) {
	for _, s := range terminal {
		require.True(t, s.Terminal(), s)
	}
	for _, s := range notTerminal {
		require.False(t, s.Terminal(), s)
	}
	for s, is := range map[Status]bool{StatusNotStarted: false, StatusPending: false, StatusStarting: false, StatusRunning: false, StatusWaiting: false,
		StatusNeedsAttention: false, StatusCompleted: true, StatusFailed: true, StatusInterrupted: true, StatusStopped: true} {
		require.Equal(t, is, s.Terminal())
		j, err := decodeRun([]byte(`{"run":{"id":"j","status":"` + string(s) + `"}}`))
		require.NoError(t, err)
		require.Equal(t, s, j.Status)
	}
}

func TestMessages(t *testing.T) {
	for body, want := range map[string]Message{
		`{"id":"m","type":"text","role":"assistant","timestamp":"2026-01-02T03:04:05Z","text_content":"done"}`: {ID: "m", Type: "text", Role: "assistant", Text: "done", Timestamp: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)},
		`{"id":"m","role":"assistant","tool_call":{"id":"c","name":"find","arguments":{"a": [1]}}}`:            {ID: "m", Role: "assistant", ToolCall: &ToolCall{ID: "c", Name: "find", Arguments: json.RawMessage(`{"a": [1]}`)}},
		`{"id":"m","role":"tool","text_content":null,"tool_result":{"tool_call_id":"c","result":7}}`:           {ID: "m", Role: "tool", ToolResult: &ToolResult{CallID: "c", Result: json.RawMessage(`7`)}},
		`{"id":"m","role":"tool","tool_result":{"tool_call_id":"c","error":"no"},"tool_call":null}`:            {ID: "m", Role: "tool", ToolResult: &ToolResult{CallID: "c", Error: "no"}},
		`{"id":1,"type":2,"role":3,"timestamp":[],"text_content":{},"tool_call":"x","tool_result":7,"new":1}`:  {},
		`{"tool_call":{"id":1,"name":2},"tool_result":{"tool_call_id":3,"error":4}}`:                           {ToolCall: &ToolCall{}, ToolResult: &ToolResult{}},
		`{}`: {}, `null`: {}, `[]`: {}, `"text"`: {},
	} {
		m := Message{ID: "old", Text: "old"}
		require.NoError(t, m.UnmarshalJSON([]byte(body)), body)
		require.Equal(t, want, m, body)
	}
}

func TestTimesCanBeWritten(t *testing.T) {
	for in, want := range map[string]string{
		`"2026-01-02T03:04:05+24:00"`: `"2026-01-01T03:04:05Z"`, `"9999-12-31T23:59:59-01:00"`: `"0001-01-01T00:00:00Z"`,
		`"0000-01-01T00:00:00Z"`: `"0001-01-01T00:00:00Z"`, `1e300`: `"0001-01-01T00:00:00Z"`, `-5`: `"0001-01-01T00:00:00Z"`,
		`99999999999`: `"5138-11-16T09:46:39Z"`, `true`: `"0001-01-01T00:00:00Z"`,
	} {
		var l looseTime
		require.NoError(t, json.Unmarshal([]byte(in), &l))
		b, err := json.Marshal(l.v)
		require.NoError(t, err, in)
		require.Equal(t, want, string(b), in)
	}
}

func TestTotals(t *testing.T) {
	for total, want := range map[string]int{``: -1, `,"total":null`: -1, `,"total":"3"`: -1, `,"total":[]`: -1, `,"total":-1`: -1, `,"total":1e400`: -1,
		`,"total":0`: 0, `,"total":3`: 3, `,"total":3.7`: 3, `,"total":1e300`: 1<<31 - 1} {
		_, got, err := decodeList[Message]([]byte(`{"messages":[]`+total+`}`), "messages")
		require.NoError(t, err)
		require.Equal(t, want, got, total)
	}
}

// seeds are bodies that each of the decoders may meet.
var seeds = []string{
	success, runBody("waiting", `,"pending_human_request":`+approval),
	`{"run":{"id":"j","status":"waiting","pending_human_request":` + approval + `}}`,
	`{"run":null}`, `{"run":{}}`, `{}`, `null`, ``, "\xff", `{"run":{"id":"j","status":"paused","created_at":1e10,"run_number":1e40}}`,
	`{"run":{"id":"j"},"pending_human_request":{"id":"r","type":"question","title":"t","questions":[{"question":"q","options":[{"label":"<&>"}],"multi_select":true}]}}`,
	`{"run":{"id":"j"},"pending_human_request":{"id":"r","type":"malformed","title":"t"}}`,
	`{"run":{"id":"j","started_at":"9999-12-31T23:59:59-01:00","updated_at":"2026-01-02T03:04:05+24:00"},"pending_human_request":[]}`,
	`{"agents":[{"id":"a","name":"n","latest_build":{"id":"b","revision_number":1e9}}],"total":1}`,
	`{"data":[{"id":"j","status":"running","title":"t"}],"total":1.5}`,
	`{"messages":[{"id":"m","tool_call":{"id":"c","name":"n","arguments":{"<":"\u2028"}}},{"tool_result":{"tool_call_id":"c","result":null,"error":"e"}},null],"total":"3"}`,
	`{"folders":[{"id":"f","parent_folder_id":null}],"total":-1}`, `{"teams":[{"id":"t","name":7}]}`,
	`{"sandbox_id":"s","expires_at":"2026-01-02T03:04:05Z"}`, `{"path":"/workspace/a","size_bytes":5}`, `{"path":"/workspace/a","size_bytes":6}`,
	`{"files":[{"name":"a","path":"/workspace/a","type":"file","size_bytes":1e300},{"path":"/workspace/b/","type":7,"size_bytes":-1}]}`,
	`{"RUN":{"ID":"j"},"Pending_Human_Request":{"id":"r"}}`,
}

func FuzzDecodeRun(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		j, err := decodeRun(body)
		if err != nil {
			require.Zero(t, j)
			return
		}
		require.NotEmpty(t, j.ID)
		require.Equal(t, slices.Contains(terminal, j.Status), j.Status.Terminal())
		requireSound(t, j.Pending)
		require.Equal(t, holdsRequest(t, body), j.Pending != nil, "no request is lost or made up")
		requireStable(t, j, func(b []byte) (Job, error) { return decodeRun([]byte(`{"run":` + string(b) + `}`)) })
	})
}

// requireSound asserts that a request is either whole or nothing but malformed.
func requireSound(t *testing.T, p *HumanRequest) {
	t.Helper()
	if p == nil {
		return
	}
	if p.Type == Malformed {
		require.Equal(t, &HumanRequest{ID: p.ID, Type: Malformed}, p)
		return
	}
	require.NotEmpty(t, p.ID)
	require.False(t, p.Type == Question && len(p.Questions) == 0)
	for _, q := range p.Questions {
		require.NotEmpty(t, strings.TrimSpace(q.Question))
		for _, o := range q.Options {
			require.NotEmpty(t, strings.TrimSpace(o.Label))
		}
	}
}

// holdsRequest finds a pending request without the code under test. Names are
// compared as encoding/json does, and the last of several counts.
func holdsRequest(t *testing.T, body []byte) bool {
	t.Helper()
	var outer struct {
		Run struct {
			Pending any `json:"pending_human_request"`
		} `json:"run"`
		Pending any `json:"pending_human_request"`
	}
	require.NoError(t, json.Unmarshal(body, &outer))
	return outer.Pending != nil || outer.Run.Pending != nil
}

// requireStable asserts that what was read, written and read again is the same.
func requireStable[T any](t *testing.T, v T, read func([]byte) (T, error)) {
	t.Helper()
	first, err := json.Marshal(v)
	require.NoError(t, err, "what was read can be written")
	back, err := read(first)
	require.NoError(t, err, "and read again")
	second, err := json.Marshal(back)
	require.NoError(t, err)
	require.Equal(t, string(first), string(second))
}

func FuzzDecodeList(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fuzzList(t, body, "agents", func(a Assignment) {
			require.NotEmpty(t, a.ID)
			if b := a.LatestBuild; b != nil {
				require.GreaterOrEqual(t, b.Number, 0)
			}
		})
		fuzzList(t, body, "data", func(j Job) {
			require.NotEmpty(t, j.ID)
			require.GreaterOrEqual(t, j.Number, 0)
			requireSound(t, j.Pending)
		})
		fuzzList(t, body, "folders", func(f Folder) { require.NotEmpty(t, f.ID) })
		fuzzList(t, body, "teams", func(team Team) { require.NotEmpty(t, team.ID) })
		messages := fuzzList(t, body, "messages", func(Message) {})
		if _, _, err := decodeList[Message](body, "messages"); errors.Is(err, jsonkeys.ErrTwice) {
			return // what is ambiguous is lost as a whole
		}
		var page struct {
			Messages []json.RawMessage `json:"messages"`
		}
		var exact map[string]json.RawMessage
		if json.Unmarshal(body, &exact) == nil && json.Unmarshal(exact["messages"], &page.Messages) == nil {
			require.Len(t, messages, len(page.Messages), "no odd message loses the others")
		}
	})
}

func fuzzList[T any](t *testing.T, body []byte, key string, check func(T)) []T {
	t.Helper()
	rows, total, err := decodeList[T](body, key)
	if err != nil {
		require.Empty(t, rows)
		return nil
	}
	require.GreaterOrEqual(t, total, -1)
	var exact map[string][]json.RawMessage
	var outer map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(body, &outer))
	exact = map[string][]json.RawMessage{}
	var raw []json.RawMessage
	for name, value := range outer { // encoding/json looks at no case, and no two are there
		if strings.EqualFold(name, key) {
			require.NoError(t, json.Unmarshal(value, &raw))
		}
	}
	exact[key] = raw
	require.Len(t, rows, len(exact[key]), "no row is lost or made up")
	for _, r := range rows {
		check(r)
	}
	requireStable(t, rows, func(b []byte) ([]T, error) {
		again, n, err := decodeList[T]([]byte(`{"`+key+`":`+string(b)+`}`), key)
		require.Equal(t, -1, n)
		return again, err
	})
	return rows
}

// FuzzAnswers gives the whole client any answer to any operation.
func FuzzAnswers(f *testing.F) {
	for _, s := range seeds {
		f.Add(200, []byte(s))
	}
	for _, status := range []int{201, 204, 302, 400, 404, 409, 429, 500} {
		f.Add(status, []byte(`{"error":"x","message":"`+testKey+`"}`))
		f.Add(status, []byte(`{"run":{"id":"`+testKey+`","status":"\u001b"}}`))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		c, s := stub(func(int, *http.Request) (*http.Response, error) { return response(status, string(body)) }).
			client(t, WithRetries(2, 0), WithMaxRows(500))
		ctx := t.Context()
		ok := status < 300
		check := func(err error, mutation bool) {
			t.Helper()
			if err == nil {
				require.True(t, ok)
				return
			}
			require.Less(t, len(err.Error()), 16<<10)
			require.NotContains(t, err.Error(), testKey)
			for _, r := range err.Error() {
				require.False(t, unicode.IsControl(r), "%U", r)
			}
			require.Equal(t, mutation && (ok || !provesNoEffect(status)), MayHaveTakenEffect(err))
		}
		for name, mutate := range mutations {
			s.times = nil
			err := mutate(ctx, c, "")
			check(err, true)
			require.True(t, len(s.times) == 1 || slices.Contains(repeated, name) || status == 429)
		}
		j, err := c.Job(ctx, jobID)
		check(err, false)
		if err == nil {
			require.True(t, strings.EqualFold(jobID, j.ID))
			requireSound(t, j.Pending)
		}
		_, err = c.Assignment(ctx, agentID)
		check(err, false)
		_, err = c.Folders(ctx)
		check(err, false)
		_, err = c.SandboxFiles(ctx, sandboxID, "")
		check(err, false)
		for name, l := range lists {
			s.times = nil
			_, err := collect(l.list(ctx, c))
			check(err, false)
			require.LessOrEqual(t, len(s.times), 20, "%s: a page that repeats ends the list", name)
		}
		c.team.id = ""
		_, err = c.Team(ctx)
		check(err, false)
	})
}
