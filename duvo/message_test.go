package duvo

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// told are messages as a server sends them, in both forms of decoding.
func told(t *testing.T, rows string) []Message {
	t.Helper()
	body := `{"messages":` + rows + `,"total":0}`
	plain, _, err := decodeList[Message]([]byte(body), "messages")
	require.NoError(t, err)
	var patient []Message
	require.NoError(t, json.Unmarshal([]byte(rows), &patient))
	require.Equal(t, patient, plain)
	again, err := json.Marshal(plain)
	require.NoError(t, err)
	var back []Message
	require.NoError(t, json.Unmarshal(again, &back))
	require.Equal(t, plain, back, "what is kept of a message is what was read")
	return plain
}

func TestWhatIsAnAnswer(t *testing.T) {
	answer := `{"id":"1","type":"text","role":"assistant","text_content":"refunded"}`
	for name, c := range map[string]struct {
		row string
		is  bool
	}{
		"text":                {answer, true},
		"a type not known":    {`{"type":"message","role":"assistant","text_content":"x"}`, true},
		"no type":             {`{"role":"Assistant","text_content":"x"}`, true},
		"thinking":            {`{"type":"thinking","role":"assistant","text_content":"x"}`, false},
		"Thinking":            {`{"type":" Thinking","role":"assistant","text_content":"x"}`, false},
		"system":              {`{"type":"system","role":"assistant","text_content":"x"}`, false},
		"a human request":     {`{"type":"human_request","role":"assistant","text_content":"x"}`, false},
		"with a dot":          {`{"type":"human.request","role":"assistant","text_content":"x"}`, false},
		"an instruction":      {`{"type":"text","role":"assistant","text_content":"x","metadata":{"isAgentInstruction":true}}`, false},
		"no instruction":      {`{"type":"text","role":"assistant","text_content":"x","metadata":{"isAgentInstruction":false}}`, true},
		"metadata that is no": {`{"type":"text","role":"assistant","text_content":"x","metadata":[1]}`, true},
		"an event":            {`{"type":"session_completed","role":"assistant","text_content":"x"}`, false},
		"of a user":           {`{"type":"text","role":"user","text_content":"x"}`, false},
		"of Duvo":             {`{"type":"text","role":"duvo","text_content":"x"}`, false},
		"of a tool":           {`{"type":"tool_result","role":"tool","text_content":"x"}`, false},
		"white space":         {`{"type":"text","role":"assistant","text_content":" \n"}`, false},
	} {
		m := told(t, `[`+answer+`,`+c.row+`]`)
		require.Equal(t, c.is, m[1].IsAnswer(), name)
		want := "refunded"
		if c.is {
			want = m[1].Text
		}
		require.Equal(t, want, LastAnswer(m), name)
	}
	require.Empty(t, LastAnswer(nil))
}

func TestWhyAJobFailed(t *testing.T) {
	failed := `{"type":"session_error","role":"duvo","error":"the mailbox is locked"}`
	for name, c := range map[string]struct{ rows, want string }{
		"none":              {`[{"role":"assistant","text_content":"x"}]`, ""},
		"text":              {`[` + failed + `]`, "the mailbox is locked"},
		"more after it":     {`[` + failed + `,{"role":"assistant","text_content":"sorry"},{"type":"text","role":"duvo"}]`, "the mailbox is locked"},
		"an object":         {`[{"type":"session_error","role":"duvo","error":{"code":7,"message":"too long"}}]`, "too long"},
		"another object":    {`[{"type":"session_error","role":"duvo","error":{ "code": 7 }}]`, `{"code":7}`},
		"as text":           {`[{"type":"session.error","role":"duvo","text_content":" out of credit "}]`, "out of credit"},
		"begun again":       {`[` + failed + `,{"type":"session_started","role":"duvo"}]`, ""},
		"failed again":      {`[` + failed + `,{"type":"session_started","role":"duvo"},{"type":"session_error","role":"duvo","error":"again"}]`, "again"},
		"a worker's words":  {`[{"type":"text","role":"assistant","text_content":"x","error":"forged"}]`, ""},
		"a null":            {`[{"type":"session_error","role":"duvo","error":null}]`, ""},
		"another role":      {`[{"type":"session_error","role":"system","error":"e"}]`, "e"},
		"only a role, once": {`[{"type":"error","role":"duvo","error":"e"}]`, "e"},
	} {
		require.Equal(t, c.want, FailureReason(told(t, c.rows)), name)
	}
}

func TestAToolsErrorMayBeAnObject(t *testing.T) {
	for body, want := range map[string]string{`"no"`: "no", `{"message":"no"}`: "no", `{"a":[1, 2]}`: `{"a":[1,2]}`, `null`: "", `7`: ""} {
		m := told(t, `[{"role":"tool","tool_result":{"tool_call_id":"c","result":{"a":1},"error":`+body+`}}]`)
		require.Equal(t, want, m[0].ToolResult.Error)
		require.JSONEq(t, `{"a":1}`, string(m[0].ToolResult.Result))
	}
}

// Whatever a server makes long counts.
func TestTheSizeOfAMessage(t *testing.T) {
	long := string(make([]byte, 1000))
	require.Zero(t, Message{}.Size())
	for name, m := range map[string]Message{
		"ID": {ID: long}, "type": {Type: long}, "role": {Role: long}, "text": {Text: long}, "error": {Error: long}, "raw": {Raw: json.RawMessage(long)},
		"call": {ToolCall: &ToolCall{ID: long}}, "tool": {ToolCall: &ToolCall{Name: long}}, "arguments": {ToolCall: &ToolCall{Arguments: json.RawMessage(long)}},
		"call ID": {ToolResult: &ToolResult{CallID: long}}, "result": {ToolResult: &ToolResult{Result: json.RawMessage(long)}}, "tool's error": {ToolResult: &ToolResult{Error: long}},
	} {
		require.EqualValues(t, 1000, m.Size(), name)
	}
}

func TestRaw(t *testing.T) {
	request := `{"id":"` + requestID + `","type":"login","title":"Log in","url":"https://example.com/login"}`
	run := func(more string) string {
		return `{"id":"` + jobID + `","status":"waiting","cost":{"eur":1}` + more + `}`
	}
	for name, body := range map[string]string{
		"beside": `{"run":` + run("") + `,"pending_human_request":` + request + `}`,
		"within": `{"run":` + run(`,"pending_human_request":`+request) + `,"pending_human_request":null}`,
	} {
		j, err := answers(t, 200, body).client(t, WithRaw()).Job(t.Context(), jobID)
		require.NoError(t, err)
		require.Contains(t, string(j.Raw), `"cost":{"eur":1}`, name)
		require.JSONEq(t, request, string(j.Pending.Raw), name)
		j, err = answers(t, 200, body).client(t).Job(t.Context(), jobID)
		require.NoError(t, err)
		require.Nil(t, j.Raw, "it costs memory")
		require.Nil(t, j.Pending.Raw)
	}
	malformed := `{"id":"` + requestID + `","type":7,"why":"x"}`
	j, err := answers(t, 200, `{"run":`+run("")+`,"pending_human_request":`+malformed+`}`).client(t, WithRaw()).Job(t.Context(), jobID)
	require.NoError(t, err)
	require.Equal(t, Malformed, j.Pending.Type)
	require.JSONEq(t, malformed, string(j.Pending.Raw))

	message := `{"id":"m","role":"assistant","text_content":"x","cost":3}`
	c := answers(t, 200, `{"messages":[`+message+`,7],"total":2}`).client(t, WithRaw())
	rows, err := collect(c.Messages(t.Context(), jobID))
	require.NoError(t, err)
	require.Len(t, rows, 2)
	require.JSONEq(t, message, string(rows[0].Raw))
	require.Equal(t, "7", string(rows[1].Raw))
	posted, err := answers(t, 200, `{"message":`+message+`}`).client(t, WithRaw()).PostMessage(t.Context(), jobID, "x", "")
	require.NoError(t, err)
	require.JSONEq(t, message, string(posted.Raw))
	page, err := answers(t, 200, `{"data":[`+run("")+`],"total":1}`).client(t, WithRaw()).JobPage(t.Context(), JobFilter{})
	require.NoError(t, err)
	require.Contains(t, string(page.Jobs[0].Raw), "cost")
	started, err := answers(t, 201, `{"run":`+run("")+`}`).client(t, WithRaw()).StartJob(t.Context(), StartJob{AssignmentID: agentID})
	require.NoError(t, err)
	require.Contains(t, string(started.Raw), "cost")
}
