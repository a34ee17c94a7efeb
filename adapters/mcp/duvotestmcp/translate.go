package duvotestmcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/duvotool/duvotool/duvotest"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// ask sends a call to the Duvo.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, op duvotest.Operation, args map[string]json.RawMessage) (rec recorded, err error) {
	req, err := request(r.Context(), op, args, s.duvo.TeamID())
	if err != nil {
		return rec, err
	}
	// As if it had come by the same way, for URLs that the Duvo gives out.
	req.Host, req.TLS = r.Host, r.TLS
	req.URL.Scheme, req.URL.Host = r.URL.Scheme, r.URL.Host
	req.URL.Path = strings.TrimSuffix(r.URL.Path, "/v2/mcp") + req.URL.Path
	req.RequestURI = req.URL.RequestURI()
	for _, name := range []string{"Authorization", "Idempotency-Key", "User-Agent"} {
		if v := r.Header.Values(name); len(v) > 0 {
			req.Header[http.CanonicalHeaderKey(name)] = v
		}
	}
	rec.header = http.Header{}
	writer := &recorder{recorded: &rec, outer: w}
	func() {
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				rec.aborted = true
			}
		}()
		s.duvo.ServeHTTP(writer, req)
	}()
	return rec, nil
}

// request makes a REST request of a call.
func request(ctx context.Context, op duvotest.Operation, args map[string]json.RawMessage, team string) (*http.Request, error) {
	rest := map[string]json.RawMessage{}
	for name, value := range args {
		rest[name] = value
	}
	path := op.Path
	for _, name := range parameters(op) {
		value, err := plain(rest[name])
		if err != nil {
			return nil, fmt.Errorf("the argument %s is no text", name)
		}
		if value == "" && name == "team_id" {
			value = team // a key is pinned to its team
		}
		if value == "" {
			return nil, fmt.Errorf("the argument %s is missing", name)
		}
		path = strings.Replace(path, "{"+name+"}", url.PathEscape(value), 1)
		delete(rest, name)
	}
	var body io.Reader = http.NoBody
	query := url.Values{}
	if op.Method == http.MethodGet {
		for name, raw := range rest {
			value, err := plain(raw)
			if err != nil {
				return nil, fmt.Errorf("the argument %s is neither text, number nor boolean", name)
			}
			query.Set(name, value)
		}
	} else if len(rest) > 0 {
		encoded, err := json.Marshal(rest)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, op.Method, duvotest.MemoryURL+path+"?"+query.Encode(), body)
	if err != nil {
		return nil, err
	}
	req.URL.RawQuery = query.Encode()
	req.RequestURI = req.URL.RequestURI()
	if body != http.NoBody {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// parameters lists what stands in the path of an operation.
func parameters(op duvotest.Operation) []string {
	var names []string
	for _, s := range strings.Split(op.Path, "/") {
		if strings.HasPrefix(s, "{") {
			names = append(names, strings.Trim(s, "{}"))
		}
	}
	return names
}

// plain reads a JSON string, number or boolean as text; nothing and null are
// empty.
func plain(raw json.RawMessage) (string, error) {
	var v any
	if len(raw) == 0 {
		return "", nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return "", err
	}
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case json.Number:
		return v.String(), nil
	}
	return "", errors.New("a list or an object")
}

// result tells the tool's result: the Duvo's answer, which is known by now.
func (s *Server) result(_ context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	s.mu.Lock()
	rec, ok := s.replies[req.Extra.Header.Get(replyHeader)]
	s.mu.Unlock()
	if !ok {
		return nil, errors.New("the call did not reach the Duvo")
	}
	if rec.status >= 300 {
		var fields map[string]any
		if json.Unmarshal(rec.body, &fields) != nil {
			fields = map[string]any{"message": string(rec.body)}
		}
		fields["status"] = rec.status
		text, _ := json.Marshal(fields)
		return &sdk.CallToolResult{IsError: true, Content: []sdk.Content{&sdk.TextContent{Text: string(text)}}}, nil
	}
	res := &sdk.CallToolResult{Content: []sdk.Content{}}
	if s.content != Structured {
		res.Content = append(res.Content, &sdk.TextContent{Text: string(rec.body)})
	}
	if s.content != Text {
		res.StructuredContent = json.RawMessage(rec.body)
	}
	return res, nil
}
