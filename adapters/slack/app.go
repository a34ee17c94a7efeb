package slack

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/tally"
	"github.com/duvotool/duvotool/outcome"
	api "github.com/slack-go/slack"
)

// A Registry is what an [App] asks; [github.com/duvotool/duvotool.Registry] is one.
type Registry interface {
	// Pending lists the requests that wait for a decision.
	Pending() []hitl.Request
	// Decide decides one.
	Decide(context.Context, hitl.Request, hitl.Decision) error
	// Lookup tells how the operation with a key stands.
	Lookup(ctx context.Context, key string) (*outcome.Result, error)
}

// A Checker is a [Registry] that tells what it would not take, as
// [github.com/duvotool/duvotool.Registry] does: what takes a proof is then not offered in
// Slack, but at the desk.
type Checker interface {
	CheckDecision(context.Context, hitl.Request, hitl.Decision) error
}

// A Config says what an [App] is made of.
type Config struct {
	// Client talks to Slack with the app's bot token and, for Socket Mode, its
	// app-level token. Required. A client that retries by itself is not needed.
	Client *api.Client

	// To tells where a request is posted: a channel's ID or a person's, or a [Thread].
	// Empty: it is not posted here. It is called once for each request, from one
	// goroutine. Required.
	To func(hitl.Request) string

	// People tells who a Slack user is for the host; see [Users] and [InGroups].
	// Whom it does not know decides nothing. Required.
	People People

	// May tells whether a person may decide a request. Nil: whom People knows may.
	May func(ctx context.Context, login string, r hitl.Request) bool

	// SigningSecret is that of the Slack app, for the HTTP form: without it
	// ServeHTTP refuses everything.
	SigningSecret string

	// SocketMode has Run connect to Slack, so that no address of the host's needs to
	// be reachable from outside.
	SocketMode bool

	// Teams are the IDs of other workspaces whose people may decide, where a channel
	// is shared with them. Nil: only people of the app's own workspace may.
	Teams []string

	// Desk returns the address at which a request can be read whole and decided, such
	// as its permalink at adapters/inbox. Nil: there is none.
	Desk func(hitl.Request) string

	// Deadline tells by when a request must be decided, and what happens then, such
	// as "denied": the app shows it, and the program or its policy has to do it, see
	// [hitl.Timeout]. A zero time or nil: no limit.
	Deadline func(hitl.Request) (at time.Time, then string)

	// Store keeps what was posted, so that a restart finds it again; see [Dir]. Nil:
	// in memory alone, and after a restart messages are looked for in the channel's
	// history.
	Store Store

	// HideOutput keeps what a Job has said out of the thread: only how it ended is
	// told.
	HideOutput bool

	Log *slog.Logger // nil: [slog.Default]
}

// An App shows requests in Slack and decides what people there decide. Make it with
// [New]; it is a [hitl.Policy], an [http.Handler] for Slack's deliveries, and has
// [App.Observe] for duvotool.WithObserver. It does its work while [App.Run] runs. It
// is safe for concurrent use.
type App struct {
	cfg   Config
	log   *slog.Logger
	asks  *asks
	ended *outcomes
	seen  *deliveries
	wakes chan struct{} // holds one

	refusals tally.Tally // of deliveries

	mu         sync.Mutex
	registries []Registry       // of Run, and the asks
	posts      map[string]*Post // by ID; a Post is replaced, never changed
	running    context.Context  // of Run; nil: it does not run
	acting     sync.WaitGroup   // what people do; added to with mu held and running not nil

	sync syncer // of Run's goroutine alone
}

// New makes an app. It fails where somebody must be told or known, and nobody says
// how.
func New(cfg Config) (*App, error) {
	switch {
	case cfg.Client == nil:
		return nil, errors.New("slack: Config.Client is missing")
	case cfg.To == nil:
		return nil, errors.New("slack: Config.To is missing: it tells where a request is posted")
	case cfg.People == nil:
		return nil, errors.New("slack: Config.People is missing: it tells who decides")
	}
	if cfg.Store == nil {
		cfg.Store = forgetful{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	a := &App{cfg: cfg, log: cfg.Log, asks: newAsks(), ended: &outcomes{}, seen: newDeliveries(), wakes: make(chan struct{}, 1), posts: map[string]*Post{}}
	a.registries = []Registry{a.asks}
	a.sync.app = a
	return a, nil
}

// Run posts what waits in the registries and what the app is asked as a policy,
// settles messages once anybody has decided, tells outcomes, and, in Socket Mode,
// takes what people do. It returns when ctx ends, with nothing of it left running, or
// when Slack refuses the app's token. It runs once.
//
// Hand over every registry whose requests are posted, also where the app is their
// policy: they tell who has decided elsewhere, and how Jobs have ended.
func (a *App) Run(ctx context.Context, registries ...Registry) error {
	for _, r := range registries {
		if r == nil {
			return errors.New("slack: a registry is nil")
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a.mu.Lock()
	if a.running != nil || a.asks.over() {
		a.mu.Unlock()
		return errors.New("slack: the app runs, or has run, already")
	}
	a.running = ctx
	a.registries = append(a.registries, registries...)
	a.mu.Unlock()
	var parts sync.WaitGroup
	if a.cfg.SocketMode {
		parts.Go(func() { cancel(a.listen(ctx)) })
	}
	a.sync.run(ctx)
	a.mu.Lock()
	a.running = nil
	a.mu.Unlock()
	a.asks.end()
	parts.Wait()
	a.acting.Wait()
	return context.Cause(ctx)
}

// act does what a person has asked for, in a goroutine of its own; false where the
// app does not run.
func (a *App) act(what string, do func(context.Context)) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running == nil || a.running.Err() != nil {
		return false
	}
	ctx := a.running
	a.acting.Go(func() {
		if err := guard.Run(errPanic, func() error { do(ctx); return nil }); err != nil {
			a.log.Error("slack: "+what, "error", hitl.SafeLine(err.Error(), 500))
		}
	})
	return true
}

var errPanic = errors.New("slack: a function of the host's panicked")

// wake makes Run look at what waits now.
func (a *App) wake() {
	select {
	case a.wakes <- struct{}{}:
	default:
	}
}

// Observe takes an event of a registry, for duvotool.WithObserver: with it messages
// are settled at once, and else within some seconds. It never waits.
func (a *App) Observe(e outcome.Event) {
	a.ended.take(e)
	a.wake()
}

// String names the policy.
func (a *App) String() string { return "slack.App" }

// desk returns the address of a request at the desk; empty: there is none.
func (a *App) desk(r hitl.Request) (url string) {
	if a.cfg.Desk == nil {
		return ""
	}
	err := guard.Run(errPanic, func() error { url = a.cfg.Desk(r.Clone()); return nil })
	if err != nil {
		a.log.Error("slack: Config.Desk", "error", hitl.SafeLine(err.Error(), 500))
	}
	return url
}

// post returns what was posted under an ID; nil: nothing.
func (a *App) post(id string) *Post {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.posts[id]
}
