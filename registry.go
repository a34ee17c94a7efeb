package duvotool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/duvotool/duvotool/internal/catalog"
	"github.com/duvotool/duvotool/internal/discovery"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/duvotool/duvotool/internal/safelog"
	"github.com/duvotool/duvotool/internal/webhook"
	"github.com/duvotool/duvotool/outcome"
	"github.com/tmc/langchaingo/tools"
)

// A Registry offers a team's Assignments as tools, and owns the Jobs that are
// started through them. It is safe for concurrent use. Make it with [Discover]
// and end it with [Registry.Close].
type Registry struct {
	backend Backend
	cfg     config
	log     *slog.Logger
	life    *lifetime.Lifetime
	eng     *engine.Engine
	ops     engine.Host // runs operations: eng, or who has them elsewhere
	found   *discovery.Discovery
	webhook *webhook.Handler
	latest  atomic.Pointer[offered]
}

// What is offered: a catalog, and the tools of its entries in their order. It is never
// changed.
type offered struct {
	*catalog.Catalog
	tools []*Tool
}

// offer replaces what is offered.
func (r *Registry) offer(c *catalog.Catalog) {
	now := &offered{c, make([]*Tool, len(c.Entries))}
	for i, e := range c.Entries {
		now.tools[i] = &Tool{r, e}
	}
	r.latest.Store(now)
}

// Discover lists the Assignments of the backend and makes a tool of each. The
// context bounds the discovery only.
//
// What the options and the policies name must be there: an ID, a name, a pattern
// or a folder that nothing in Duvo has is an error that holds a [*hitl.NoMatchError]
// and tells what may have been meant. A misspelt guard would else guard nothing,
// and a misspelt rule never match. [Selector.Optional], [hitl.Rule.Optional] and their
// like allow it.
//
// An empty catalog is no error where nothing is named: Tools is then empty, and a
// warning is logged. With [DiscoverLater] neither is a Duvo that cannot be reached.
func Discover(ctx context.Context, b Backend, opts ...Option) (*Registry, error) {
	if b == nil {
		return nil, errors.New("duvotool: the backend is nil")
	}
	cfg := defaultConfig()
	for _, o := range opts {
		if o == nil {
			return nil, errors.New("duvotool: a nil option")
		}
		if err := o.apply(&cfg); err != nil {
			return nil, errtext.Errorf("duvotool: %w", err)
		}
	}
	if err := cfg.fits(b); err != nil {
		return nil, errtext.Errorf("duvotool: %w", err)
	}
	cfg.OffersCheck = cfg.rules.Some(func(s catalog.Settings) bool { return s.WaitBudget > 0 })
	r := &Registry{backend: b, cfg: cfg, log: safelog.New(cfg.logger), life: lifetime.NewLifetime()}
	if accept := cfg.rules.Accept; accept != nil {
		cfg.rules.Accept = func(c outcome.Change) bool {
			defer r.life.In("the function of WithAcceptance")()
			return accept(c)
		}
	}
	r.offer(catalog.Empty(cfg.rules))
	r.found = discovery.New(discovery.Config{
		From: b, Rules: cfg.rules, Later: cfg.later, Every: cfg.refresh, Log: r.log, Life: r.life,
		Latest: func() *catalog.Catalog { return r.latest.Load().Catalog }, Offer: r.offer, Tell: r.tellChanges,
	})
	r.eng = engine.New(b, cfg.Config, r.log, r.life, r.tellEvent(), works{r})
	r.ops = r.eng
	if cfg.host != nil {
		var err error
		if r.ops, err = cfg.host(r.eng); err != nil {
			return nil, err
		}
	}
	r.webhook = r.newWebhook()
	if err := r.found.First(ctx); err != nil {
		r.found.Close()
		return nil, err
	}
	if ctx.Err() != nil { // and it is allowed to discover later
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), laterTakeUp)
		defer cancel()
		ctx = late
	}
	if err := r.ops.Begin(ctx); err != nil {
		_ = r.Close(ctx)
		return nil, err
	}
	r.found.Begin()
	return r, nil
}

// laterTakeUp bounds reading the journal where the context has ended.
const laterTakeUp = time.Minute

// fits refuses options that the backend has no ability for.
func (c config) fits(b Backend) error {
	if c.webhook.Header != "" && len(c.webhook.Secrets) == 0 {
		return errors.New("WithWebhookSignature: there is no secret; give WithWebhook too")
	}
	_, folders := b.(FolderLister)
	_, messages := b.(JobMessenger)
	_, stops := b.(JobStopper)
	_, sandboxes := b.(SandboxMaker)
	_, lists := b.(JobLister)
	some := c.rules.Some
	for _, need := range []struct {
		option, ability string
		wanted, there   bool
	}{
		{"InFolder", "list folders", c.rules.NeedFolders(), folders},
		{"TellReason", "post messages", some(func(s catalog.Settings) bool { return s.TellReason }), messages},
		{"CorrectOnce", "post messages", some(func(s catalog.Settings) bool { return s.Correct }), messages},
		{"WithFollowUps", "post messages", c.offersContinue(), messages},
		{"WithMarkedStarts", "make sandboxes and list Jobs", some(func(s catalog.Settings) bool { return s.Marked }), sandboxes && lists},
		{"StopOn", "stop Jobs", some(func(s catalog.Settings) bool { return len(s.StopOn) > 0 }), stops},
	} {
		if need.wanted && !need.there {
			return fmt.Errorf("%s: the backend %T cannot %s", need.option, b, need.ability)
		}
	}
	return nil
}

// offersContinue reports whether some tool allows follow-ups.
func (c config) offersContinue() bool {
	return c.rules.Some(func(s catalog.Settings) bool { return s.FollowUps })
}

// Discovered reports whether the Assignments were listed: always, but for a
// registry that was made with [DiscoverLater].
func (r *Registry) Discovered() bool { return r.found.Done() }

// Refresh lists the Assignments again, and tells the observer what changed.
// Tools handed out before keep their names and options, and their
// [Tool.Description] is the new one: an agent that reads it at each turn needs
// no restart. One whose Assignment is gone answers the model that it is. A name
// that has stood for one Assignment is no other's for as long as the registry
// lives: where two swap their names in Duvo, their tools get suffixes. On an
// error everything stays as it was. See [WithRefreshEvery].
//
// One Refresh is under way at a time; others wait for it. Each ends with its
// context, and with an error that matches [outcome.ErrClosed] when Close begins.
//
// That something which an option or a policy names is gone is no error: it is
// logged as a warning and told by [outcome.Changes.Unmatched]. An Assignment that was
// renamed or moved keeps what [Configure] had set for it. Only in the first
// discovery of a registry that was made with [DiscoverLater] it is an error, as it
// is of [Discover].
func (r *Registry) Refresh(ctx context.Context) (outcome.Changes, error) {
	return r.found.Refresh(ctx)
}

// tellChanges tells the observer what a refresh found.
func (r *Registry) tellChanges(ctx context.Context, c outcome.Changes) {
	r.eng.Tell(outcome.Event{Kind: outcome.EventRefreshed, At: time.Now(), Changes: &c}.WithContext(context.WithoutCancel(ctx)))
}

// Tools returns the tools, ordered by name, for langchaingo; last, where options
// ask for them, those of [Registry.CheckTool] and [Registry.ContinueTool]. The
// slice is the caller's.
func (r *Registry) Tools() []tools.Tool {
	own := r.All()
	out := make([]tools.Tool, len(own), len(own)+1)
	for i, t := range own {
		out[i] = t
	}
	if r.cfg.OffersCheck {
		out = append(out, r.CheckTool())
	}
	if r.cfg.offersContinue() {
		out = append(out, r.ContinueTool())
	}
	return out
}

// All returns the tools, ordered by name. The slice is the caller's.
func (r *Registry) All() []*Tool {
	return append([]*Tool{}, r.latest.Load().tools...) // [] in JSON, not null
}

// Tool is [Registry.FindTool] for a name that should be there: the error of one
// that is not is a [*hitl.NoMatchError], which matches [hitl.ErrNoTool] and tells what may
// have been meant.
func (r *Registry) Tool(name string) (*Tool, error) {
	if t, ok := r.FindTool(name); ok {
		return t, nil
	}
	return nil, r.latest.Load().NoTool(name)
}

// FindTool returns the tool with this name, without regard to case; or else the
// one of the Assignment with this ID, or, where it is the only one, with this
// exact name. It returns nil and false if there is none.
func (r *Registry) FindTool(name string) (*Tool, bool) {
	now := r.latest.Load()
	if i := now.Find(name); i >= 0 {
		return now.tools[i], true
	}
	return nil, false
}

// Search returns the tools whose Assignments fit a task that is told in
// people's words, the best first, at most limit of them. It looks in the names,
// folders and descriptions, takes other forms of a word and common synonyms for
// it, and forgives typing mistakes. It asks nobody: it is as fresh as the last
// [Registry.Refresh].
func (r *Registry) Search(query string, limit int) []Match {
	now := r.latest.Load()
	out := []Match{} // [] in JSON, not null
	best := 0.0
	for _, h := range now.Search(query, limit) {
		best = max(best, h.Score)
		out = append(out, Match{now.tools[h.Doc], h.Score / best})
	}
	return out
}

// A Match is a tool that [Registry.Search] found.
type Match struct {
	*Tool
	Fit float64 // how well it fits beside the best one found, which has 1
}

// Close ends the registry. From the moment it is called no Job is started and no
// follow-up posted, and new calls are refused with [outcome.ErrClosed]. Calls in
// flight return a [*outcome.JobError] that wraps ErrClosed, once what they had begun
// to send has ended; their Jobs go on in Duvo, and a registry with the same journal
// takes them up. Close returns when nothing of the registry runs any more and the
// observer has been told everything, or else, when ctx ends, an error that names
// what is missing. It may be called more than once, then waiting again.
//
//   - Calls that wait for their turn, see [WithJobLimit], and starts that are
//     announced in the journal and not sent, are not sent; those calls end at once.
//     So does a start in doubt: whoever takes it up goes on with it.
//   - With [DrainOnClose] the Jobs that were started have time to end. They are
//     read, answered, corrected and collected as ever, and webhooks are taken; see
//     there for what is not waited for. After that, and without the option at once,
//     nothing is sent any more, no response and no stop either, and webhooks are
//     answered 503.
//   - A slow journal or audit log is waited for until ctx ends, and named by the
//     error then. What it is being told counts as soon as it holds it; nothing is
//     sent for it after Close.
//   - Policies find their contexts cancelled with ErrClosed. Those that ignore it are
//     waited for until ctx ends, and named by the error; what they return decides
//     nothing.
//   - Events that a slow observer has not been told when ctx ends are counted by the
//     error and the log. It is told them all the same as long as the process lives.
//   - Called by a policy, an observer, a journal, an audit log or the function of
//     [WithAcceptance], in the goroutine that the registry has called it in, Close
//     would wait for itself: it then waits for nothing, draining neither, and
//     returns an error that names who called it. The registry is closed all the same;
//     call it once more from elsewhere to wait.
//   - [Registry.Decide] is refused with ErrClosed.
//   - Goroutines that rest for a tenth of a second after the last Job, in case another
//     call follows, end at once.
func (r *Registry) Close(ctx context.Context) error {
	var left error
	if r.eng.Within("Close", true) == nil {
		left = r.ops.Leave(ctx) // what it has begun to send still may
	}
	r.life.Close()
	r.found.Close()
	r.eng.Drain()
	if err := r.eng.Within("Close", true); err != nil {
		r.eng.Interrupt()
		return err
	}
	if r.cfg.drain > 0 {
		patience, cancel := context.WithTimeout(ctx, r.cfg.drain)
		_ = r.eng.Wait(patience)
		cancel()
	}
	r.eng.Interrupt()
	return errors.Join(left, r.eng.Close(ctx))
}

// String names the registry, without what it holds: that has secrets in it, and
// changes while it is printed.
func (r *Registry) String() string { return "duvotool.Registry" }

// Format keeps the secrets of the options out of every verb.
func (r *Registry) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, r.String()) }

// LogValue keeps them out of structured logs, too.
func (r *Registry) LogValue() slog.Value { return slog.StringValue(r.String()) }
