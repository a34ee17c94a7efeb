package mcp

import (
	"context"
	"errors"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// Awaiting makes a server whose registry comes later, by [Server.Offer]: hosts are
// greeted at once, and wait with their list of tools, since many count a server
// that is slow to answer as broken. A list waits as long as wait says, and is empty
// after that; hosts are told when it changes. A call fails after that.
func Awaiting(wait time.Duration, opts ...ServerOption) (*Server, error) {
	if wait < 0 {
		return nil, errors.New("mcp: the wait for a registry cannot be negative")
	}
	s, err := newServer(opts)
	if err != nil {
		return nil, err
	}
	s.wait = wait
	s.mcp.AddReceivingMiddleware(s.awaitOffer)
	return s, nil
}

// Offer gives the server its registry, once. A tool that no host could take is an
// error, and then the server has none; give [duvotool.OfferTo] to the registry to be
// told by Discover.
func (s *Server) Offer(reg *duvotool.Registry) error {
	if reg == nil {
		return errNoRegistry
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reg != nil {
		return errors.New("mcp: the server has its registry already")
	}
	s.reg = reg
	if err := s.update(); err != nil {
		s.reg = nil
		return errtext.Errorf("mcp: %w", err)
	}
	s.refused = ""
	s.turn()
	return nil
}

// Refuse lets hosts that ask for tools know why there are none: a wrong key, a Duvo
// that does not answer. The error's text is shown to them, on one line. A registry
// may still be offered.
func (s *Server) Refuse(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reg == nil && why != nil {
		s.refused = hitl.SafeLine(why.Error(), 500)
		s.turn()
	}
}

// turn wakes those who wait. Called with mu held.
func (s *Server) turn() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// awaitOffer lets requests about tools wait for the registry.
func (s *Server) awaitOffer(next sdk.MethodHandler) sdk.MethodHandler {
	return func(ctx context.Context, method string, req sdk.Request) (sdk.Result, error) {
		switch method {
		case "tools/list", "tools/call":
			there, err := s.awaited(ctx)
			if err == nil && !there && method == "tools/call" {
				err = &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "the Assignments are still being listed; nothing was done, call again later"}
			}
			if err != nil {
				return nil, err
			}
		}
		return next(ctx, method, req)
	}
}

// awaited waits for the registry, and tells whether it is there.
func (s *Server) awaited(ctx context.Context) (bool, error) {
	timer := time.NewTimer(s.wait)
	defer timer.Stop()
	for {
		s.mu.Lock()
		there, why, changed := s.reg != nil, s.refused, s.changed
		s.mu.Unlock()
		switch {
		case there:
			return true, nil
		case why != "":
			return false, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "the Assignments cannot be listed: " + why}
		}
		select {
		case <-changed:
		case <-timer.C:
			return false, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}
