package mcp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/jsonkeys"
)

// maxAnswer bounds what is read of one answer, in bytes: a result may stand in
// it twice, as structured content and escaped in a text block.
const maxAnswer = 40 << 20

// A message is a JSON-RPC message, as far as answers go.
type message struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Result json.RawMessage `json:"result"`
	Error  *rpcError       `json:"error"`

	raw []byte
}

type rpcError struct {
	Code    float64 `json:"code"`
	Message string  `json:"message"`
}

var (
	errTooLarge = fmt.Errorf("%w: it has more than %d bytes", duvo.ErrTooLarge, maxAnswer)
	errNoAnswer = errors.New("the answer holds no response to the request")
)

// readAnswer finds the response to the request with this ID in what an MCP
// server answered: a JSON-RPC message, a batch of them, or a stream of events,
// which it reads no further than the response.
func readAnswer(contentType string, body io.Reader, id json.RawMessage) (message, error) {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		media = strings.ToLower(strings.TrimSpace(contentType))
	}
	limited := &io.LimitedReader{R: body, N: maxAnswer + 1}
	var m message
	switch media {
	case "text/event-stream":
		m, err = readEvents(limited, id)
	case "application/json":
		m, err = readJSON(limited, id)
	default:
		return message{}, fmt.Errorf("the answer is of type %.80q, neither JSON nor a stream of events; is the base URL right?", contentType)
	}
	if err != nil && limited.N <= 0 {
		err = errTooLarge
	}
	return m, err
}

func readJSON(r io.Reader, id json.RawMessage) (message, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return message{}, err
	}
	all := []json.RawMessage{data}
	if t := bytes.TrimSpace(data); len(t) > 0 && t[0] == '[' {
		if err := json.Unmarshal(data, &all); err != nil {
			return message{}, err
		}
	}
	var found []message
	for _, raw := range all {
		if m, ok := responseTo(raw, id); ok {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 0:
		return message{}, errNoAnswer
	case 1:
		return found[0], nil
	}
	return message{}, fmt.Errorf("%w: %d responses to one request", duvo.ErrMalformed, len(found))
}

// readEvents reads server-sent events: lines of data, ended by an empty one.
func readEvents(r io.Reader, id json.RawMessage) (message, error) {
	lines := bufio.NewReader(r)
	var data []byte
	for {
		line, err := lines.ReadBytes('\n')
		line = bytes.TrimRight(line, "\r\n")
		switch value, isData := bytes.CutPrefix(line, []byte("data:")); {
		case isData:
			if data != nil {
				data = append(data, '\n')
			}
			data = append(data, bytes.TrimPrefix(value, []byte(" "))...)
		case len(line) == 0:
			if m, ok := responseTo(data, id); ok {
				return m, nil
			}
			data = nil
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
			if m, ok := responseTo(data, id); ok { // the last event was not ended
				return m, nil
			}
		}
		if err != nil {
			return message{}, fmt.Errorf("the stream ended before the response: %w", err)
		}
	}
}

// responseTo decodes a response to the request with this ID, or an error that
// is about no request in particular.
func responseTo(raw []byte, id json.RawMessage) (message, bool) {
	var m message
	if len(raw) == 0 || json.Unmarshal(raw, &m) != nil || m.Method != "" || (m.Error == nil) == (m.Result == nil) {
		return message{}, false
	}
	got := bytes.TrimSpace(m.ID)
	if m.Error != nil && (len(got) == 0 || string(got) == "null") {
		got = id
	}
	if jsonkeys.Check(raw, jsonkeys.Shape{"error": nil}) != nil {
		return message{}, false // to two requests, or two in one
	}
	m.raw = raw
	return m, bytes.Equal(got, bytes.TrimSpace(id))
}

// A reply is what a tool call comes to, as REST would tell it.
type reply struct {
	status int
	body   []byte
}

// decodeResult reads the result of a tool call. A success is the JSON object of
// its structured content, or else of its only text block; where both are there
// they must be the same. A failure says by its own words what kind it is of.
func decodeResult(raw json.RawMessage, o operation) (reply, error) {
	var res struct {
		Content []struct {
			Type string          `json:"type"`
			Text json.RawMessage `json:"text"`
		} `json:"content"`
		Structured json.RawMessage `json:"structuredContent"`
		IsError    bool            `json:"isError"`
		Type       string          `json:"resultType"`
		Meta       json.RawMessage `json:"_meta"`
	}
	if err := json.Unmarshal(raw, &res); err != nil {
		return reply{}, errors.New("the tool's result cannot be read")
	}
	if err := jsonkeys.Check(raw, jsonkeys.Shape{"content": nil}); err != nil {
		return reply{}, fmt.Errorf("%w: the tool's result: %w", duvo.ErrMalformed, err)
	}
	if res.Type != "" && res.Type != "complete" {
		return reply{}, fmt.Errorf("the tool's result is of type %.40q, which this client cannot serve", res.Type)
	}
	var texts []string
	kinds := map[string]int{}
	for _, c := range res.Content {
		var text string
		if c.Type == "text" && json.Unmarshal(c.Text, &text) == nil {
			texts = append(texts, text)
		}
		kinds[c.Type]++
	}
	var body []byte
	switch {
	case isObject(res.Structured):
		body = res.Structured
		if slices.ContainsFunc(texts, func(text string) bool { return isObject([]byte(text)) && !sameJSON(body, []byte(text)) }) {
			return reply{}, fmt.Errorf("%w: the tool's result tells one thing in its structured content and another in its text", duvo.ErrMalformed)
		}
	case len(texts) == 1 && isObject([]byte(texts[0])):
		body = []byte(texts[0])
	}
	switch {
	case res.IsError:
		if body == nil {
			body, _ = json.Marshal(map[string]string{"message": strings.Join(texts, "\n")})
		}
		return reply{statusOf(body, res.Meta), body}, nil
	case body == nil && o.bare:
		return reply{http.StatusOK, nil}, nil
	case body == nil:
		return reply{}, fmt.Errorf("the tool's result holds no JSON object: it has %d content blocks, %d of them text", len(res.Content), kinds["text"])
	}
	return reply{http.StatusOK, body}, nil
}

func isObject(b []byte) bool {
	t := bytes.TrimSpace(b)
	return len(t) > 0 && t[0] == '{' && json.Valid(t)
}

// sameJSON reports whether two JSON values are the same, to the digit.
func sameJSON(a, b []byte) bool {
	read := func(data []byte) (v any) {
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		_ = dec.Decode(&v)
		return v
	}
	return bytes.Equal(a, b) || reflect.DeepEqual(read(a), read(b))
}

// statusOf tells with which HTTP status REST would have told a failure. The
// form of failures is not published: a status that is told as a number counts,
// or else a code that is a word, or a status at the beginning of a text. What
// cannot be told is 500: it may have had an effect.
func statusOf(body, meta json.RawMessage) int { return statusWithin(body, meta, maxErrorDepth) }

// maxErrorDepth is how deep a failure may stand in others; each level is read
// once more.
const maxErrorDepth = 4

func statusWithin(body, meta json.RawMessage, depth int) int {
	for _, part := range []json.RawMessage{meta, body} {
		var fields map[string]json.RawMessage
		if json.Unmarshal(part, &fields) != nil {
			continue
		}
		for _, name := range []string{"status", "statusCode", "status_code", "http_status", "code"} {
			if n := number(fields[name]); n >= 400 && n <= 599 {
				return n
			}
		}
		for _, name := range []string{"error", "code", "message"} {
			value := fields[name]
			var inner map[string]json.RawMessage
			if depth > 0 && json.Unmarshal(value, &inner) == nil && inner != nil {
				if n := statusWithin(value, nil, depth-1); n != http.StatusInternalServerError {
					return n
				}
			}
			var text string
			if json.Unmarshal(value, &text) != nil || text == "" {
				continue
			}
			if s, ok := statusByCode[strings.ToLower(text)]; ok {
				return s
			}
			if m := leadingStatus.FindStringSubmatch(text); m != nil {
				n, _ := strconv.Atoi(m[1])
				return n
			}
		}
	}
	return http.StatusInternalServerError
}

// number reads a number, or one that is written as a string; else 0.
func number(raw json.RawMessage) int {
	var n float64
	if json.Unmarshal(raw, &n) == nil && n == float64(int(n)) {
		return int(n)
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		if n, err := strconv.Atoi(s); err == nil {
			return n
		}
	}
	return 0
}

var leadingStatus = regexp.MustCompile(`^(?i:(?:api |http |request )?(?:error|status|failed)?(?: code| with status)?[ :(\[]*)([45]\d\d)\b`)

var statusByCode = map[string]int{
	"invalid_request": 400, "bad_request": 400, "validation_error": 400, "invalid_params": 400, "not_waiting": 400, "not_pending": 400,
	"unauthorized": 401, "unauthenticated": 401, "invalid_token": 401,
	"forbidden": 403, "permission_denied": 403, "insufficient_scope": 403,
	"not_found": 404, "conflict": 409, "payload_too_large": 413, "unprocessable_entity": 422, "idempotency_key_reused": 422,
	"rate_limited": 429, "too_many_requests": 429, "rate_limit_exceeded": 429,
	"bad_gateway": 502, "unavailable": 503, "service_unavailable": 503, "gateway_timeout": 504,
}

// statusOfRPC is the same for a failure of the protocol: what the server did
// not take as a call at all was refused, everything else is in doubt.
func statusOfRPC(e *rpcError) int {
	switch int(e.Code) {
	case -32700, -32600, -32601, -32602:
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}
