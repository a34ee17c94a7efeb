package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

type exchangeKey struct{}

// An exchange is what came of the POST of a tool call, or of the latest one of
// a handshake. It belongs to the wire until finish.
type exchange struct {
	handshake bool
	giveUp    context.CancelCauseFunc // of a handshake: ends it
	header    http.Header             // of the request that is carried

	mu       sync.Mutex
	finished bool // nothing is noted any more
	sent     bool // it may have reached the server
	done     bool // an answer was read, or the way broke
	path     string
	status   int
	answered http.Header
	body     []byte  // of an answer that is no success
	answer   message // of one that is
	err      error
}

func (x *exchange) note(f func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.finished {
		f()
	}
}

func (x *exchange) finish() { x.note(func() { x.finished = true }) }

const maxRefusal = 64 << 10

// wire is the transport beneath the SDK's session. It sends every message once,
// keeps what HTTP tells of a tool call, and hands the SDK nothing that could
// break the session for other calls: a tool call always gets a result there,
// while the exchange holds the true one.
type wire struct {
	next        http.RoundTripper
	credentials *credentials
	timeout     time.Duration // of a message of the handshake; a call has that of its request
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	x, _ := r.Context().Value(exchangeKey{}).(*exchange)
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	var m message
	_ = json.Unmarshal(body, &m) // our own, or none
	if r.Method == http.MethodPost && m.Method == "notifications/cancelled" {
		// The caller has left. What the server makes of the call is its own
		// affair, as it is over REST.
		return plain(r, http.StatusAccepted, nil), nil
	}
	out := r.Clone(r.Context())
	if r.Method == http.MethodPost {
		// Never nil, and no GetBody, or net/http might send it twice.
		out.Body, out.GetBody, out.ContentLength = io.NopCloser(bytes.NewReader(body)), nil, int64(len(body))
	}
	isCall := x != nil && !x.handshake && m.Method == "tools/call"
	header, gone := w.credentials.get()
	if gone && !isCall {
		return plain(r, http.StatusNoContent, nil), nil // there is nothing left to end
	}
	if isCall {
		header = x.header
		for name, key := range header { // a request without a body spells it otherwise
			if http.CanonicalHeaderKey(name) == "Idempotency-Key" {
				out.Header["Idempotency-Key"] = key
			}
		}
	}
	for _, name := range []string{"Authorization", "User-Agent"} {
		if v := header.Values(name); len(v) > 0 {
			out.Header[name] = v
		}
	}
	if x == nil || !isCall && !x.handshake {
		return w.next.RoundTrip(out) // the end of a session
	}
	x.note(func() { x.sent, x.path, x.status, x.err = true, r.URL.Path, 0, nil })
	if !isCall {
		ctx, cancel := context.WithCancel(out.Context())
		defer cancel()
		out = out.WithContext(ctx)
		defer time.AfterFunc(w.timeout, func() {
			x.giveUp(fmt.Errorf("no answer within %v", w.timeout))
			cancel()
		}).Stop()
	}
	resp, err := w.next.RoundTrip(out)
	if err != nil {
		x.note(func() { x.done, x.err = true, err })
		return nil, err
	}
	defer resp.Body.Close()
	return receive(r, resp, x, m, isCall)
}

// receive takes what was answered to the message m into the exchange, and returns
// what the SDK is handed in its place.
func receive(r *http.Request, resp *http.Response, x *exchange, m message, isCall bool) (*http.Response, error) {
	if resp.StatusCode < 200 || resp.StatusCode >= 300 {
		refusal, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		x.note(func() { x.done, x.status, x.answered, x.body = true, resp.StatusCode, resp.Header, refusal })
		if isCall {
			return emptyResult(r, m.ID), nil
		}
		again := plain(r, resp.StatusCode, refusal)
		again.Header.Set("Content-Type", resp.Header.Get("Content-Type"))
		return again, nil
	}
	if len(m.ID) == 0 { // a notification of the handshake
		x.note(func() { x.status = resp.StatusCode })
		return plain(r, http.StatusAccepted, nil), nil
	}
	found, err := readAnswer(resp.Header.Get("Content-Type"), resp.Body, m.ID)
	if err != nil {
		err = fmt.Errorf("the answer cannot be read: %w", err)
	}
	x.note(func() { x.done, x.status, x.answered, x.answer, x.err = true, resp.StatusCode, resp.Header, found, err })
	switch {
	case isCall:
		return emptyResult(r, m.ID), nil
	case err != nil:
		return nil, err
	}
	again := plain(r, resp.StatusCode, found.raw)
	if id := resp.Header.Get("Mcp-Session-Id"); id != "" {
		again.Header.Set("Mcp-Session-Id", id)
	}
	return again, nil
}

// emptyResult is what the SDK is handed for every tool call, whatever was answered: the
// answer is in the exchange, and an error there could end the session for other calls.
func emptyResult(r *http.Request, id json.RawMessage) *http.Response {
	return plain(r, http.StatusOK, fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%s,"result":{"content":[]}}`, id))
}

func plain(r *http.Request, status int, body []byte) *http.Response {
	resp := answer(r, status, nil, body)
	return resp
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// field reads a field of a JSON object; nil where there is none.
func field(body []byte, name string) json.RawMessage {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return nil
	}
	return fields[name]
}
