package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/adapters/mcp/duvotestmcp"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/safetext"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// A program is what duvo-mcp is made of. The registry comes while hosts are served.
type program struct {
	flags   flags
	log     *slog.Logger
	errs    io.Writer
	journal journal.Journal // nil: none
	desk    *mcp.Desk
	server  *mcp.Server

	reg          *duvotool.Registry                // nil: it has not come; set before discover returns
	found        atomic.Pointer[duvotool.Registry] // the same, for those who may ask at any time
	closeBackend func()
}

func (p *program) serverOptions() []mcp.ServerOption {
	opts := []mcp.ServerOption{mcp.WithServerLogger(p.log), mcp.WithDesk(p.desk)}
	if hosts := p.flags.hosts; len(hosts) > 0 {
		opts = append(opts, mcp.AllowHosts(hosts...))
	}
	switch scope := p.flags.scope; scope {
	case "session":
	case "user":
		opts = append(opts, mcp.WithUserScope(p.journal))
	default:
		opts = append(opts, mcp.WithScope(func(*sdk.CallToolRequest) string { return scope }))
	}
	if link := p.flags.link; link != "" {
		opts = append(opts, mcp.WithAnswerLink(func(r hitl.Request) string { return strings.ReplaceAll(link, "{job}", r.JobID) }))
	}
	return opts
}

const (
	firstPause   = time.Second
	longestPause = 30 * time.Second
)

// discover lists the Assignments, again and again while Duvo does not answer, and
// offers them. What is wrong is told to hosts and on stderr; it returns why there is
// nothing on offer in the end.
func (p *program) discover(ctx context.Context) error {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := p.discoverOnce(ctx)
		switch {
		case err == nil:
			say(p.flags, p.errs, slog.LevelInfo, safetext.Count(len(p.reg.All()), "Assignment", "Assignments")+" on offer")
			return p.server.Offer(p.reg)
		case ctx.Err() != nil:
			return nil // asked to end
		}
		if bad := (*flagError)(nil); errors.As(err, &bad) {
			err = bad // how it got here concerns nobody
		}
		p.server.Refuse(err)
		again := ""
		if duvo.Temporary(err) {
			again = "; trying again"
		}
		say(p.flags, p.errs, slog.LevelError, hitl.SafeLine(err.Error(), 1000)+again)
		if again == "" {
			return &toldError{err}
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return &toldError{err}
		}
	}
}

func (p *program) discoverOnce(ctx context.Context) error {
	f := p.flags
	backend, closeBackend, err := connect(ctx, &f, p.log)
	if err != nil {
		return err
	}
	reg, err := duvotool.Discover(ctx, backend, p.registryOptions(f)...)
	if err != nil {
		closeBackend()
		return err
	}
	p.reg, p.closeBackend = reg, closeBackend
	p.found.Store(reg)
	return nil
}

func (p *program) registryOptions(f flags) []duvotool.Option {
	opts := []duvotool.Option{
		duvotool.WithPolicy(policyFor(f, p.desk)), duvotool.WithWaitBudget(f.budget), duvotool.WithLogger(p.log),
		duvotool.OfferTo(duvotool.MCP),
		duvotool.WithObserver(mcp.Progress(func(e outcome.Event) {
			if e.Kind == outcome.EventRefreshed {
				p.server.Update()
			}
		})),
	}
	if p.journal != nil {
		opts = append(opts, duvotool.WithJournal(p.journal))
	}
	if f.names > 0 {
		opts = append(opts, duvotool.ShortNames(f.names))
	}
	if f.poll > 0 {
		opts = append(opts, duvotool.WithPollInterval(f.poll))
	}
	if f.refresh > 0 {
		opts = append(opts, duvotool.WithRefreshEvery(f.refresh))
	}
	for _, id := range f.only {
		opts = append(opts, duvotool.Keep(duvotool.ByID(id).Optional())) // the policy's CheckNames names the flag
	}
	return opts
}

// close ends what was begun, once discover has returned.
func (p *program) close(ctx context.Context) error {
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	err := p.server.Close(closing)
	if p.reg != nil {
		err = errors.Join(err, p.reg.Close(closing))
		p.closeBackend()
	}
	return err
}

// connect returns the way to Duvo, or to one in this process.
func connect(ctx context.Context, f *flags, log *slog.Logger) (backend duvotool.Backend, done func(), err error) {
	opts := []duvo.Option{duvo.WithLogger(log)}
	if f.emulator {
		d := duvotest.New(duvotest.WithScenario(duvotest.Demo()))
		if f.poll == 0 {
			f.poll = 100 * time.Millisecond
		}
		if f.transport == "rest" {
			return d.Client(opts...), d.Close, nil
		}
		c, err := mcp.Connect(ctx, mcp.With(duvotestmcp.New(d).Options()...), mcp.With(opts...))
		if err != nil {
			d.Close()
			return nil, nil, err
		}
		return c, func() { _ = c.Close(); d.Close() }, nil
	}
	if f.transport == "mcp" {
		c, err := mcp.FromEnv(ctx, mcp.With(opts...))
		if err != nil {
			return nil, nil, err
		}
		return c, func() { _ = c.Close() }, nil
	}
	c, err := duvo.FromEnv(opts...)
	if err != nil {
		return nil, nil, err
	}
	return c, c.CloseIdleConnections, nil
}
