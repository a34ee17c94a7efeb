package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// A joint is what calls with one tool and input have in common within a session, or
// within all of a user's: a host that gives up and calls again gets the Job that it
// has, not a second one. It ends when the Job's result was returned, by whichever tool,
// in a call that the host had not cancelled and could be reached by.
type joint struct {
	name   joinName
	key    string // the operation's
	record journal.Record
	thread *thread
}

type joinName struct {
	session any    // nil: any of the user's
	what    string // tool, input and user
}

// WithUserScope lets calls with the same tool and input join across the sessions of
// a user, as else within one. Over stdio, and with a fixed [Token], all are one
// user's. j may be the registry's journal, so that what was joined, and whether
// its result was returned, is known after a restart too; nil: it is not.
func WithUserScope(j journal.Journal) ServerOption {
	return func(s *Server) error {
		s.perUser, s.journal = true, j
		return nil
	}
}

// join finds or makes the joint of a call; nil for a tool that starts nothing.
func (s *Server) join(ctx context.Context, req *sdk.CallToolRequest) (*joint, error) {
	if name := req.Params.Name; name == s.reg.CheckTool().Name() || name == s.reg.SearchTool().Name() {
		return nil, nil
	}
	name := joinName{what: what(req.Params.Name, canonical(req.Params.Arguments), userOf(req))}
	if !s.perUser {
		name.session = sessionOf(req)
	}
	s.mu.Lock()
	j, _ := s.joints.Get(name)
	s.mu.Unlock()
	if j != nil {
		return j, nil
	}
	j = &joint{name: name, key: "mcp-" + newID(), thread: newThread()}
	j.thread.joint = j
	if s.perUser {
		if err := s.remembered(ctx, j); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now, there := s.joints.Get(name); there {
		return now, nil
	}
	s.joints.Set(name, j, maxThreads)
	return j, nil
}

// remembered gives a joint the key that it had in the process before: that of the
// turn which the journal tells.
func (s *Server) remembered(ctx context.Context, j *joint) error {
	j.record = journal.Record{Key: "mcp-" + j.name.what}
	turn := 0
	if s.journal != nil {
		r, err := s.journal.Get(ctx, j.record.Key)
		switch {
		case errors.Is(err, journal.ErrNoRecord):
		case err != nil:
			return fmt.Errorf("mcp: reading what was returned to whom: %w", err)
		default:
			j.record = r
			if turn, err = strconv.Atoi(string(r.Data)); err != nil {
				return fmt.Errorf("mcp: %w: the record %s makes no sense", journal.ErrFailed, r.Key)
			}
		}
	} else {
		s.mu.Lock()
		turn = s.turns
		s.turns++
		s.mu.Unlock()
	}
	j.record.Data = []byte(strconv.Itoa(turn))
	j.key = fmt.Sprintf("mcp-%s-%d", j.name.what, turn)
	return nil
}

// joinNameOf reads the key of a joint in the user's scope.
func joinNameOf(key string) (joinName, bool) {
	rest, own := strings.CutPrefix(key, "mcp-")
	at := strings.LastIndexByte(rest, '-')
	if !own || at < 0 {
		return joinName{}, false
	}
	return joinName{what: rest[:at]}, true
}

// lookTimeout bounds how long it may take to see that a Job has ended whose result is
// returned. Mostly that is known here.
const lookTimeout = 5 * time.Second

// returned notes that a call's result went to a host that waited for it: where its
// Job has ended, the same call again is another one, whichever tool has told the
// result.
func (s *Server) returned(ctx context.Context, c *call) {
	if ctx.Err() != nil || c.isLost() {
		return
	}
	look, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), lookTimeout) // the call's own has ended
	defer cancel()
	key, over, started := s.over(look, c)
	if !over {
		return
	}
	s.dropForms(c.thread)
	j := s.jointOf(look, c, key)
	if j == nil {
		return
	}
	s.mu.Lock()
	now, _ := s.joints.Get(j.name)
	if now == j {
		s.joints.Delete(j.name)
	}
	s.mu.Unlock()
	if (now == nil || now == j) && started && s.journal != nil {
		s.nextTurn(look, j)
	}
}

// over tells which operation a call was about, whether its Job has ended, and whether
// one was started at all.
func (s *Server) over(ctx context.Context, c *call) (key string, over, started bool) {
	res := c.reply.Result
	switch {
	case res != nil && res.Key != "":
		key = res.Key
	case c.joint != nil && len(c.slip.Handles()) == 0:
		key = c.joint.key
	default:
		return "", false, false
	}
	if res == nil || res.Outcome == outcome.OutcomeExpired { // it may be at work all the same
		var err error
		if res, err = s.reg.Lookup(ctx, key); err != nil {
			return key, errors.Is(err, outcome.ErrUnknownKey), false
		}
	}
	return key, res.Outcome != outcome.OutcomePending && res.Outcome != outcome.OutcomeUnknown, true
}

// jointOf returns the joint of an operation that has ended: that of the call, or, where
// the call was about an operation of another one or of the process before, what the
// journal tells of it. Nil: the operation is no joint's, or its turn is over.
func (s *Server) jointOf(ctx context.Context, c *call, key string) *joint {
	if c.joint != nil && c.joint.key == key {
		return c.joint
	}
	name, ok := joinNameOf(key)
	if !ok || !s.perUser || s.journal == nil {
		return nil
	}
	s.mu.Lock()
	j, _ := s.joints.Get(name)
	s.mu.Unlock()
	if j == nil {
		j = &joint{name: name}
		if err := s.remembered(ctx, j); err != nil {
			s.log.Error("mcp: noting that a result was returned", "error", hitl.SafeLine(err.Error(), 300))
			return nil
		}
	}
	if j.key != key {
		return nil
	}
	return j
}

// nextTurn lets the next process know that a result was returned.
func (s *Server) nextTurn(ctx context.Context, j *joint) {
	r := j.record
	turn, _ := strconv.Atoi(string(r.Data))
	r.Data, r.Done, r.At = []byte(strconv.Itoa(turn+1)), true, time.Now()
	if _, err := s.journal.Put(ctx, r); err != nil && !errors.Is(err, journal.ErrConflict) { // another call has noted it
		// After a restart the same call gets this result once more: the safe side.
		s.log.Error("mcp: noting that a result was returned", "error", hitl.SafeLine(err.Error(), 300))
	}
}

// sessionOf tells sessions apart; nil where there is none, as with peers of revision
// 2026-07-28 over HTTP: they are told apart by their users.
func sessionOf(req *sdk.CallToolRequest) any {
	if !overHTTP(req) {
		return req.Session
	}
	if id := req.Extra.Header.Get("Mcp-Session-Id"); id != "" {
		return id
	}
	return nil
}

// overHTTP reports whether a call came over HTTP, and what is asked goes out in its
// response.
func overHTTP(req *sdk.CallToolRequest) bool { return req.Extra != nil && req.Extra.Header != nil }

// canonical writes JSON so that what is the same input is the same text.
func canonical(raw json.RawMessage) json.RawMessage {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return raw
	}
	out, err := json.Marshal(v)
	if err != nil {
		return raw
	}
	return out
}
