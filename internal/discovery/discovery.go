package discovery

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/catalog"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/duvotool/duvotool/outcome"
)

// A Config is what a discovery works with.
type Config struct {
	From  catalog.Source
	Rules catalog.Rules
	Later bool          // what cannot be discovered at first is in the background
	Every time.Duration // between refreshes; zero: only when asked to
	Log   *slog.Logger
	Life  *lifetime.Lifetime

	// Latest returns what is offered, and Offer replaces it. It is [catalog.Empty] at
	// first.
	Latest func() *catalog.Catalog
	Offer  func(*catalog.Catalog)
	// Tell is told of what changed, if anything did. The changes are its own.
	Tell func(context.Context, outcome.Changes)
}

// A Discovery reads catalogs. It is safe for concurrent use. Make it with [New] and
// end it with Close.
type Discovery struct {
	Config
	turn    chan struct{}   // holds one: who takes it may refresh
	closing context.Context // ends when Close begins
	close   func()
	listed  chan struct{}  // closed by the first discovery
	book    *hitl.NameBook // what Names of this registry look up
}

// New makes a discovery, which has read nothing yet.
func New(c Config) *Discovery {
	d := &Discovery{Config: c, turn: make(chan struct{}, 1), listed: make(chan struct{}), book: &hitl.NameBook{}}
	d.turn <- struct{}{}
	d.closing, d.close = context.WithCancel(context.Background())
	return d
}

// Close ends what is under way, and whatever would begin.
func (d *Discovery) Close() {
	d.close()
	d.book.Close()
}

// Done reports whether the Assignments were listed.
func (d *Discovery) Done() bool {
	select {
	case <-d.listed:
		return true
	default:
		return false
	}
}

// lastWord is how long a backend whose context has ended has to tell its last failure.
const lastWord = 100 * time.Millisecond

// within is read for who holds the turn, and returns soon after ctx ends,
// whatever the backend does. The turn is given back by done, or, where the backend
// still runs, once that has ended; then nothing comes of what it finds.
func (d *Discovery) within(ctx context.Context) (cat *catalog.Catalog, done func(), err error) {
	type found struct {
		cat *catalog.Catalog
		err error
	}
	back := make(chan found, 1)
	d.Life.Again()
	go func() {
		defer d.Life.Leave()
		defer d.Life.Callback(ctx, "backend")()
		f := found{err: errDiscoverPanic}
		defer func() { back <- f }()
		f.cat, f.err = d.read(ctx)
	}()
	giveBack := func() { d.turn <- struct{}{} }
	select {
	case f := <-back:
		return f.cat, giveBack, f.err
	case <-ctx.Done():
	}
	if !errors.Is(context.Cause(ctx), outcome.ErrClosed) { // its last failure tells more than that the time is over
		select {
		case f := <-back:
			if f.err == nil || errors.Is(f.err, ctx.Err()) {
				return f.cat, giveBack, f.err
			}
			return nil, giveBack, ended(ctx)
		case <-time.After(lastWord):
		}
	}
	d.Life.Again()
	go func() {
		defer d.Life.Leave()
		<-back
		giveBack()
	}()
	return nil, func() {}, ended(ctx)
}

func ended(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), outcome.ErrClosed) {
		return outcome.ErrClosed
	}
	return errtext.Errorf("duvotool: discovering Assignments: %w", context.Cause(ctx))
}

// read reads the catalog. What the backend does besides returning is an error.
func (d *Discovery) read(ctx context.Context) (cat *catalog.Catalog, err error) {
	err = guard.Run(errDiscoverPanic, func() (err error) {
		defer d.Life.In("the backend")()
		cat, err = catalog.Read(ctx, d.From, d.Rules, d.Latest(), d.book, d.Log)
		return err
	})
	if err != nil {
		return nil, err
	}
	return cat, nil
}

var errDiscoverPanic = errors.New("duvotool: discovering Assignments: panic")
