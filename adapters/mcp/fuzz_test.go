package mcp

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
)

// Whatever a server answers, there is an error or a response to this very
// request, and never a panic.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		`{"jsonrpc":"2.0","id":7,"result":{"content":[]}}`, `[{"id":7,"result":1},{"id":8,"error":{"code":1}}]`, `{"id":null,"error":{"code":-32700,"message":"x"}}`,
		"event: message\ndata: {\"id\":7,\ndata: \"result\":{}}\n\n", "data: {\"id\":7,\"result\":{}}", "id: 1\nretry: 5\n\n: comment\n\ndata:\n\n", "", "[[", `{"id":7,"result":null}`,
	} {
		f.Add("application/json", []byte(s))
		f.Add("text/event-stream; charset=utf-8", []byte(s))
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		m, err := readAnswer(contentType, bytes.NewReader(body), json.RawMessage("7"))
		if err != nil {
			return
		}
		if (m.Result == nil) == (m.Error == nil) || m.Method != "" {
			t.Fatalf("not one of result and error: %+v", m)
		}
		if id := strings.TrimSpace(string(m.ID)); id != "7" && (m.Error == nil || id != "" && id != "null") {
			t.Fatalf("the answer to %s", m.ID)
		}
		for _, o := range []operation{operations[0], op("stopRun", "POST", "v2/runs/:run_id/stop")} {
			checkReply(t, m.Result, o)
		}
	})
}

func checkReply(t *testing.T, raw json.RawMessage, o operation) {
	t.Helper()
	r, err := decodeResult(raw, o)
	if err != nil {
		return
	}
	switch {
	case r.status == 200 && r.body == nil && !o.bare:
		t.Fatal("a success without a body")
	case r.body != nil && !isObject(r.body):
		t.Fatalf("a body that is no object: %s", r.body)
	case r.status != 200 && (r.status < 400 || r.status > 599):
		t.Fatalf("the status %d", r.status)
	}
}

func FuzzResult(f *testing.F) {
	for _, s := range []string{
		`{"structuredContent":{"run":{}}}`, `{"content":[{"type":"text","text":"{\"run\":{}}"}]}`, `{"isError":true,"content":[{"type":"text","text":"{\"error\":\"not_found\",\"status\":404}"}]}`,
		`{"isError":true,"content":[{"type":"text","text":"Error 429: slow down"}]}`, `{"isError":true,"_meta":{"status":"503"}}`, `{"isError":true,"structuredContent":{"error":{"code":{"error":"conflict"}}}}`,
		`{"resultType":"input_required"}`, `null`, `{"content":{}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		checkReply(t, raw, operations[0])
		checkReply(t, raw, op("respondToHumanRequest", "POST", "x"))
	})
}

// No state that this server has not signed opens.
func FuzzState(f *testing.F) {
	s := &Server{secret: []byte("0123456789abcdef0123456789abcdef")}
	good := s.seal(state{"call", "thread", 1, "digest", "what"})
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("." + good)
	f.Add((&Server{secret: []byte("another")}).seal(state{"call", "thread", 1, "digest", "what"}))
	f.Fuzz(func(t *testing.T, sealed string) {
		st, ok := s.open(sealed)
		if ok && s.seal(st) != strings.TrimRight(sealed, "\r\n") && sealed != good {
			t.Fatalf("%q opens as %+v", sealed, st)
		}
	})
}

// Only an approve that is true approves, and answers fit or are none.
func FuzzForm(f *testing.F) {
	for _, s := range []string{`{"approve":true}`, `{"approve":"true"}`, `{"q01":["a, b","c"],"q02":"x"}`, `{"q01":"c","q02":""}`, `{"q01":["c","c"]}`, `{"q01_01":true,"q01_03":true,"q02":"x"}`, `{"q01_01":"true","q02":"x"}`, `null`, `{}`} {
		f.Add([]byte(s))
	}
	approval := hitl.Request{Kind: duvo.Approval, Title: "t"}
	question := hitl.Request{Kind: duvo.Question, Questions: []duvo.QuestionItem{
		{Question: "one", MultiSelect: true, Options: []duvo.Choice{{Label: "a, b"}, {Label: "c"}, {Label: "\u202e"}, {Label: ""}}}, {Question: "two"}}}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var content map[string]any
		if json.Unmarshal(raw, &content) != nil {
			return
		}
		a := formAnswer{content: content, by: "x"}
		d, ok := formOf(approval, true).decision(approval, a)
		if yes, _ := content["approve"].(bool); ok && (d.Verdict == hitl.Approved) != yes {
			t.Fatalf("%s is %v", raw, d.Verdict)
		}
		for _, lists := range []bool{true, false} {
			if d, ok := formOf(question, lists).decision(question, a); ok && d.Verdict != hitl.Answered {
				t.Fatalf("%s is %v", raw, d.Verdict)
			}
		}
	})
}

// A failure is not looked for endlessly deep: each level is read once more, so a
// hostile server could keep us busy for hours.
func TestStatusIsNotLookedForInTheDeep(t *testing.T) {
	nested := func(n int) json.RawMessage {
		return json.RawMessage(strings.Repeat(`{"error":`, n) + `{"status":404}` + strings.Repeat("}", n))
	}
	for n, want := range map[int]int{0: 404, 1: 404, maxErrorDepth: 404, maxErrorDepth + 1: 500, 5000: 500} {
		if got := statusOf(nested(n), nil); got != want {
			t.Errorf("%d deep: %d, not %d", n, got, want)
		}
	}
}
