package inbox_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

const (
	eventually = 30 * time.Second
	tick       = 5 * time.Millisecond
)

// A spec checks answers against the description of the API.
type spec struct {
	doc map[string]any
	c   *jsonschema.Compiler
}

func describes(b *bench) spec {
	page := b.as("", "GET", "/api/openapi.json", nil)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(page.text))
	require.NoError(b, err)
	c := jsonschema.NewCompiler()
	require.NoError(b, c.AddResource("openapi.json", doc))
	return spec{doc.(map[string]any), c}
}

// check holds an answer against what the description says of it.
func (s spec) check(b *bench, method, path string, status int, body []byte) {
	b.Helper()
	at := s.doc["paths"].(map[string]any)[path].(map[string]any)[strings.ToLower(method)].(map[string]any)["responses"].(map[string]any)
	code := fmt.Sprint(status)
	require.Contains(b, at, code, "%s %s answered %d, which is not described: %s", method, path, status, body)
	pointer := "#/paths/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(path) + "/" + strings.ToLower(method) + "/responses/" + code
	if ref, ok := at[code].(map[string]any)["$ref"].(string); ok {
		pointer = ref
	}
	pointer += "/content/application~1json/schema"
	schema, err := s.c.Compile("openapi.json" + strings.ReplaceAll(pointer, "{", "%7B"))
	require.NoError(b, err)
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	require.NoError(b, err, string(body))
	require.NoError(b, schema.Validate(v), string(body))
}

// json makes a request of a program and checks the answer.
func (b *bench) json(s spec, who, method, described, path string, in any, out any) int {
	b.Helper()
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		require.NoError(b, err)
		body = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(b.Context(), method, b.http.URL+"/desk"+path, body)
	require.NoError(b, err)
	r.Header.Set("X-Person", who)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	require.NoError(b, err)
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	require.NoError(b, err)
	s.check(b, method, described, res.StatusCode, raw)
	if out != nil {
		require.NoError(b, json.Unmarshal(raw, out))
	}
	return res.StatusCode
}

type waitingJSON struct {
	Ref, Digest, Display string
	Request              hitl.Request
}

type answersJSON struct {
	Taken   bool
	Answers []struct{ Ending, Text, By string }
}

// Programs list, read, decide, note and look back, as the description says.
func TestTheAPIIsAsDescribed(t *testing.T) {
	b := newBench(t, nil)
	s := describes(b)
	ref := b.start("refunds", "Refund 120 EUR|For order 4711.")
	question := b.start("addresses", "Order 4698")
	var list struct{ Requests []waitingJSON }
	require.Equal(t, 200, b.json(s, kim, "GET", "/api/requests", "/api/requests", nil, &list))
	require.Len(t, list.Requests, 2)
	require.Equal(t, 401, b.json(s, "", "GET", "/api/requests", "/api/requests", nil, nil))
	var one waitingJSON
	require.Equal(t, 200, b.json(s, kim, "GET", "/api/requests/{ref}", "/api/requests/"+ref, nil, &one))
	require.Equal(t, "For order 4711.", one.Request.Description)
	require.Equal(t, 404, b.json(s, kim, "GET", "/api/requests/{ref}", "/api/requests/nothing", nil, nil))
	require.Equal(t, 201, b.json(s, kim, "POST", "/api/requests/{ref}/notes", "/api/requests/"+ref+"/notes", map[string]string{"text": "I would pay it."}, nil))
	require.Equal(t, 422, b.json(s, kim, "POST", "/api/requests/{ref}/notes", "/api/requests/"+ref+"/notes", map[string]string{"text": " "}, nil))
	require.Equal(t, 404, b.json(s, kim, "POST", "/api/requests/{ref}/notes", "/api/requests/nothing/notes", map[string]string{"text": "x"}, nil))

	order := func(w waitingJSON, verdict string, answers map[string]string) map[string]any {
		return map[string]any{"decisions": []any{map[string]any{"ref": w.Ref, "display": w.Display, "verdict": verdict, "answers": answers}}}
	}
	var a answersJSON
	decide := func(who string, in any) int {
		return b.json(s, who, "POST", "/api/decisions", "/api/decisions", in, &a)
	}
	require.Equal(t, 422, decide(kim, map[string]any{"decisions": []any{}}))
	require.Equal(t, 422, decide(lee, order(one, "approve", nil)), "another's display")
	require.Equal(t, "unread", a.Answers[0].Ending)
	require.False(t, a.Taken)
	require.Zero(t, b.responses())
	require.Equal(t, 200, decide(kim, order(one, "approve", nil)))
	require.Equal(t, "sent", a.Answers[0].Ending)
	require.Equal(t, 1, b.responses())
	require.Equal(t, 409, decide(kim, order(one, "approve", nil)))
	require.Equal(t, "elsewhere", a.Answers[0].Ending)
	require.Equal(t, kim, a.Answers[0].By)
	for _, w := range list.Requests {
		if w.Ref == question {
			require.Equal(t, 200, decide(kim, order(w, "answer", map[string]string{"Which address?": "Linden Street 4", "Which parcels?": "Parcel 1", "What is the customer told?": "Nothing."})))
		}
	}
	var past struct {
		Decided []struct{ Ref, Verdict, By string }
	}
	require.Equal(t, 200, b.json(s, lee, "GET", "/api/history", "/api/history?by="+url.QueryEscape(kim), nil, &past))
	require.Len(t, past.Decided, 2)
	looksBack := func(query string) int {
		require.Equal(t, 200, b.json(s, lee, "GET", "/api/history", "/api/history?"+query, nil, &past))
		return len(past.Decided)
	}
	require.Equal(t, 1, looksBack("ref="+ref))
	require.Equal(t, 0, looksBack("ref=nothing"))
	hour := func(n time.Duration) string {
		return url.QueryEscape(time.Now().Add(n * time.Hour).Format(time.RFC3339))
	}
	require.Equal(t, 2, looksBack("since="+hour(-1)+"&until="+hour(1)))
	require.Equal(t, 0, looksBack("since="+hour(1)))
	require.Equal(t, 0, looksBack("until="+hour(-1)), "a time is not still counted, as a day is")
	var me struct{ Login string }
	require.Equal(t, 200, b.json(s, kim, "GET", "/api/me", "/api/me", nil, &me))
	require.Equal(t, kim, me.Login)
	require.Equal(t, 401, b.json(s, "", "GET", "/api/me", "/api/me", nil, nil))
}

// Everybody who watches is told at once that something waits.
func TestTheDeskIsLive(t *testing.T) {
	b := newBench(t, nil)
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", b.http.URL+"/desk/events", nil)
	require.NoError(t, err)
	r.Header.Set("X-Person", kim)
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	told := make(chan string)
	go func() {
		defer close(told)
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				told <- data
			}
		}
	}()
	first := <-told
	b.start("refunds", "Refund 120 EUR|")
	require.NotEqual(t, first, <-told)
	leave()
	for range told {
	}
	b.desk.Close()
	require.Equal(t, http.StatusServiceUnavailable, b.as(kim, "GET", "/events", nil).status)
}
