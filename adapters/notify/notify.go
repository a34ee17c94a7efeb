package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// A Registry is what a [Notifier] asks; [github.com/duvotool/duvotool.Registry] is one.
type Registry interface {
	// Pending lists the requests that wait for a decision.
	Pending() []hitl.Request
}

// A Notice is what somebody is told.
type Notice struct {
	Request hitl.Request
	Link    string // where it can be read and decided
}

// Subject is a line about the request that is safe to print. It holds no line breaks.
func (n Notice) Subject() string {
	kind := string(n.Request.Kind)
	if kind == "" {
		kind = "request"
	}
	return fmt.Sprintf("Waits for a decision (%s): %s", hitl.SafeLine(kind, 20), hitl.SafeLine(n.Request.Title, 150))
}

// Text is a short text about the request that is safe to print, with the link. Of what the
// request says it has the title alone.
func (n Notice) Text() string {
	r := n.Request
	text := n.Subject() + "\n\nAssignment: " + hitl.SafeLine(r.Assignment.Name, 100) + "\nJob: " + hitl.SafeLine(r.JobID, 64) + "\n"
	if r.Caller.User != "" {
		text += "Asked for by: " + hitl.SafeLine(r.Caller.User, 100) + "\n"
	}
	if !r.FirstSeen.IsZero() {
		text += "Waits since: " + r.FirstSeen.UTC().Format("2006-01-02 15:04 MST") + "\n"
	}
	return text + "\nRead and decide it here:\n" + n.Link + "\n\nAn answer to this message decides nothing.\n"
}

// A Config says what a [Notifier] is made of.
type Config struct {
	Registries []Registry // whose pending requests are told of; none: those of Remind alone

	// Link returns the address at which a request can be read and decided; a GET of it
	// must decide nothing. Required.
	Link func(hitl.Request) string

	// Send tells somebody. It is called for up to four notices at once, must be safe for
	// that, and should end with its context, after 30 seconds. Required.
	Send func(context.Context, Notice) error

	Which func(hitl.Request) bool // those to tell of; nil: all
	After time.Duration           // how long a pending request must wait before it is told of; zero: not at all
	Tries int                     // how often a notice is tried, from one second apart to a minute; zero: 6

	// File is where what was told is kept, so that a restart does not tell it again. A
	// notice that was being sent when the process ended may be sent twice. Empty: what
	// waits is told again after a restart.
	File string

	Log *slog.Logger // nil: [slog.Default]
}

const (
	lookEvery = time.Second
	sendFor   = 30 * time.Second
	senders   = 4
	maxTold   = 10_000 // requests that are remembered
	maxAsked  = 1000   // reminders that wait
)

// A Notifier tells of requests while [Notifier.Run] runs. It is safe for concurrent use.
type Notifier struct {
	cfg   Config
	wakes chan struct{} // holds one

	mu     sync.Mutex
	asked  []order         // by Remind
	busy   map[string]bool // being sent, by digest
	told   *told           // sent, or given up
	closed bool
}

// An order is a notice to be sent, as long as it is needed.
type order struct {
	req     hitl.Request
	needed  func() bool
	pending bool // and not asked for by Remind
}

// New makes a notifier. It fails where it could tell nothing, or nobody.
func New(cfg Config) (*Notifier, error) {
	switch {
	case cfg.Link == nil:
		return nil, errors.New("notify: Config.Link is missing: it tells where a request is decided")
	case cfg.Send == nil:
		return nil, errors.New("notify: Config.Send is missing")
	case cfg.Tries < 0 || cfg.After < 0:
		return nil, errors.New("notify: a number is negative")
	}
	for _, r := range cfg.Registries {
		if r == nil {
			return nil, errors.New("notify: a registry is nil")
		}
	}
	if cfg.Tries == 0 {
		cfg.Tries = 6
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	known, err := openTold(cfg.File)
	if err != nil {
		return nil, err
	}
	return &Notifier{cfg: cfg, wakes: make(chan struct{}, 1), busy: map[string]bool{}, told: known}, nil
}

// Observe takes an event of a registry, for duvotool.WithObserver: with it notices are
// sent at once, and else within a second. It never waits.
func (n *Notifier) Observe(outcome.Event) { n.wake() }

func (n *Notifier) wake() {
	select {
	case n.wakes <- struct{}{}:
	default:
	}
}

// Remind tells of a request that a policy is asked about, for [hitl.Remind], unless ctx
// ends before: then somebody has decided. It tells of it though it was told before. It
// never waits; without [Notifier.Run] nothing is sent.
func (n *Notifier) Remind(ctx context.Context, r hitl.Request) {
	n.mu.Lock()
	full := len(n.asked) >= maxAsked || n.closed
	if !full {
		n.asked = append(n.asked, order{req: r.Clone(), needed: func() bool { return ctx.Err() == nil }})
	}
	n.mu.Unlock()
	if full {
		n.cfg.Log.Error("notify: nobody was told that a request waits: too many wait to be told, or nothing is sent any more", "request", r.ID, "job", r.JobID)
	}
	n.wake()
}

// Run sends notices until ctx ends, and returns why that did once nothing of it runs any
// more. It runs once.
func (n *Notifier) Run(ctx context.Context) error {
	var sending sync.WaitGroup
	slots := make(chan struct{}, senders)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		for _, o := range n.due() {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
			}
			if ctx.Err() != nil {
				break
			}
			sending.Go(func() {
				defer func() { <-slots; n.wake() }()
				n.send(ctx, o)
			})
		}
		select {
		case <-ctx.Done():
		case <-n.wakes:
		case <-tick.C:
		}
	}
	sending.Wait()
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	return errors.Join(context.Cause(ctx), n.told.close())
}
