package mcp

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// With revision 2026-07-28 a server asks by ending the request with what it
// wants to know; the host sends the request again, with the answer and a state
// that the server gave it. The state is signed, and bound to the call, the round,
// the tool, its arguments, the caller, the session and the digest of what was
// asked, so an answer counts for nothing but the request that its user saw.

func newID() string { return strings.ToLower(rand.Text()) }

// state binds a re-entry.
type state struct {
	Call   string `json:"call"`
	Thread string `json:"thread"`
	Round  int    `json:"round"`
	Digest string `json:"digest"`
	What   string `json:"what"` // of tool, arguments and caller
}

// what is the digest of what a call asks for, and for whom.
func what(name string, arguments json.RawMessage, user string) string {
	h := sha256.New()
	for _, part := range []string{name, string(arguments), user} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

func (s *Server) seal(st state) string {
	raw, err := json.Marshal(st)
	if err != nil {
		panic(err) // strings and a number
	}
	mac := hmac.New(sha256.New, s.secret)
	mac.Write(raw)
	enc := base64.RawURLEncoding
	return enc.EncodeToString(raw) + "." + enc.EncodeToString(mac.Sum(nil))
}

func (s *Server) open(sealed string) (state, bool) {
	body, sum, _ := strings.Cut(sealed, ".")
	raw, err1 := base64.RawURLEncoding.DecodeString(body)
	given, err2 := base64.RawURLEncoding.DecodeString(sum)
	mac := hmac.New(sha256.New, s.secret)
	mac.Write(raw)
	var st state
	if err1 != nil || err2 != nil || !hmac.Equal(mac.Sum(nil), given) || json.Unmarshal(raw, &st) != nil {
		return state{}, false
	}
	return st, true
}

// answerID names the one input request of a result.
const answerID = "decision"

// inputRequired ends this request with a question. The call waits to be entered
// again.
func (s *Server) inputRequired(req *sdk.CallToolRequest, c *call, a *ask) (*sdk.CallToolResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.cancel(errEnded)
		return failed(errEnded.Error()), nil
	}
	a.form = formOf(a.req, true)
	c.waits, c.shown = a, lasting(req)
	c.round++
	s.waiting[c.id] = c
	c.timer = time.AfterFunc(reentryWithin, func() {
		s.mu.Lock()
		waits := s.waiting[c.id] == c
		if waits {
			delete(s.waiting, c.id)
		}
		s.mu.Unlock()
		if waits {
			c.cancel(errHostGone)
			a.reply <- formAnswer{left: true}
		}
	})
	return &sdk.CallToolResult{InputRequests: sdk.InputRequestMap{answerID: a.form.params},
		RequestState: s.seal(state{c.id, c.thread.id, c.round, a.req.Digest(), c.what})}, nil
}

// lasting returns the session of a request, where it lasts longer than that
// request: over HTTP, peers of this revision are told apart by their tokens.
func lasting(req *sdk.CallToolRequest) *sdk.ServerSession {
	if overHTTP(req) {
		return nil
	}
	return req.Session
}

const noReentry = "This answer belongs to no request that waits for one. Nothing was decided by it."

// errState is the error for a state that is not one of ours, or not for this call.
func errState() error {
	return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "the request state is not one that this server gave for this call; nothing was decided"}
}

// enterAgain goes on with a call that waits for its user's answer. It returns
// nothing where the request is to be served like a first one: its Job is under way,
// and what was answered is not what it waits for.
func (s *Server) enterAgain(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	st, ok := s.open(req.Params.RequestState)
	if !ok || st.What != what(req.Params.Name, req.Params.Arguments, userOf(req)) {
		return nil, errState()
	}
	answer, answered := req.Params.InputResponses[answerID].(*sdk.ElicitResult)
	answered = answered && answer != nil
	s.mu.Lock()
	c := s.waitsFor(st)
	switch {
	case c == nil:
		again := slices.ContainsFunc(s.joints.Keys(), func(name joinName) bool {
			j, _ := s.joints.Get(name)
			return j.thread.id == st.Thread
		})
		s.mu.Unlock()
		if again {
			return nil, nil
		}
		return failed(noReentry), nil
	case c.shown != lasting(req):
		s.mu.Unlock()
		return nil, errState()
	}
	delete(s.waiting, c.id)
	a := c.waits
	c.waits = nil
	c.timer.Stop()
	s.mu.Unlock()
	if !answered {
		return s.inputRequired(req, c, a)
	}
	s.mu.Lock()
	s.give(c.thread, a, filledIn(req, answer), time.Now())
	s.mu.Unlock()
	select {
	case <-c.done: // its wait budget was used up meanwhile
		c = s.look(c)
	default:
	}
	return s.attend(ctx, req, c)
}

// waitsFor returns the call that waits for the answer to what a state tells: the one
// that asked, or one that has taken it over. Called with mu held.
func (s *Server) waitsFor(st state) *call {
	if c := s.waiting[st.Call]; c != nil && c.waits.req.Digest() == st.Digest {
		return c
	}
	for _, c := range s.waiting {
		if c.thread.id == st.Thread && c.waits.req.Digest() == st.Digest {
			return c
		}
	}
	return nil
}
