package mcp

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/safelog"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/tmc/langchaingo/tools"
)

// A ServerOption configures a [Server].
type ServerOption func(*Server) error

// WithScope binds calls to an operation scope, as duvotool.WithOperationScope
// does: within it a call that is repeated starts no second Job, ever. An empty scope
// is none. The default is none, since a host's session may last for days: there a
// repeated call joins its Job only until the result was returned. A call about
// which the function panics is refused, and nothing is done.
//
//	mcp.WithScope(func(r *sdk.CallToolRequest) string { return r.Session.ID() })
func WithScope(scope func(*sdk.CallToolRequest) string) ServerOption {
	return func(s *Server) error {
		if scope == nil {
			return errors.New("WithScope: the function is nil")
		}
		s.scope = scope
		return nil
	}
}

// WithAnswerLink tells where a person can answer a request whose host shows no forms,
// such as the page of its Job in Duvo: the reason that the model reads names it. An
// empty link, or one that is not https, is none.
func WithAnswerLink(link func(hitl.Request) string) ServerOption {
	return func(s *Server) error {
		if link == nil {
			return errors.New("WithAnswerLink: the function is nil")
		}
		s.link = link
		return nil
	}
}

var errLink = errors.New("mcp: the function of WithAnswerLink panicked")

// noForms tells why a host's user could not be asked.
func (s *Server) noForms(req hitl.Request) string {
	if s.link == nil {
		return noForms
	}
	var link string
	if err := guard.Run(errLink, func() error { link = s.link(req); return nil }); err != nil {
		s.log.Error("mcp: there is no link", "error", err.Error())
	}
	if u, err := url.Parse(link); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return noForms
	}
	return noForms + "; a person can answer at " + hitl.SafeLine(link, 300)
}

// WithTools offers these tools of the registry in place of [duvotool.Registry.Tools].
// A catalog that is too large to be listed whole is offered by
//
//	mcp.WithTools(reg.SearchTool(), reg.RunTool(), reg.CheckTool())
//
// Tools of the program's own may be among them: with one text as input, or with the
// methods Schema and CallArguments as the registry's have them.
func WithTools(offered ...tools.Tool) ServerOption {
	return func(s *Server) error {
		if len(offered) == 0 || slices.Contains(offered, nil) {
			return errors.New("WithTools: no tools, or a nil one")
		}
		seen := map[string]bool{}
		var all []duvotool.Callable
		for _, t := range offered {
			c := callable(t)
			if seen[c.Name()] {
				return fmt.Errorf("WithTools: there are two tools named %.80q", c.Name())
			}
			seen[c.Name()] = true
			if _, err := c.SchemaFor(duvotool.MCP); err != nil {
				return fmt.Errorf("WithTools: %w", err)
			}
			all = append(all, c)
		}
		s.tools = all
		return nil
	}
}

// WithServerLogger sets where the server logs, among other things the errors of
// calls, of which the host's model is told the kind alone. The default discards.
func WithServerLogger(l *slog.Logger) ServerOption {
	return func(s *Server) error {
		if l == nil {
			return errors.New("WithServerLogger: the logger is nil")
		}
		s.log = safelog.New(l)
		return nil
	}
}
