package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/internal/watch"
	"github.com/duvotool/duvotool/journal"
)

// A replica is this engine's place among those that share a journal with leases. It
// keeps the engine's lease, takes over what nobody owns, tells the others what it has
// recorded, and shows what they record. nil: the journal has no leases, or there is none.
type replica struct {
	eng   *Engine
	j     journal.Leases
	name  string
	lasts time.Duration

	mu     sync.Mutex
	until  lifecycle.Moment // when the lease runs out, counted from before it was asked for
	begun  bool             // it was renewed once; only renew looks at it
	unsent broadcast        // to be told to the others
	due    map[string]bool  // records that are to be read

	lost   atomic.Bool // an answer was, so that it is to be looked at what this replica owns
	sweeps *sweeps

	tell, take, read chan struct{} // of one: there is something to do
	end              context.CancelFunc
	work             sync.WaitGroup
}

func newReplica(e *Engine) *replica {
	j, ok := e.cfg.Journal.(journal.Leases)
	if !ok {
		return nil
	}
	signal := func() chan struct{} { return make(chan struct{}, 1) }
	p := &replica{eng: e, j: j, name: e.replica, lasts: e.cfg.Lease, due: map[string]bool{}, tell: signal(), take: signal(), read: signal(), end: func() {}}
	p.sweeps = &sweeps{p: p, stand: signal()}
	e.watcher.Share(p.sweeps)
	return p
}

func raise(signal chan struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}

// holds reports until when the lease lasts, and whether it lasts now.
func (p *replica) holds(now lifecycle.Moment) (until lifecycle.Moment, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.until, now.Mono < p.until.Mono && now.Wall < p.until.Wall && now.Wall > p.until.Wall-2*lifecycle.Time(p.lasts)
}

func (p *replica) trouble(what string, err error) {
	p.eng.log.Warn("duvotool: "+what, "error", hitl.SafeLine(err.Error(), 300))
}

// broadcast is what replicas tell each other. It may be lost: who follows an operation asks
// for it now and then.
type broadcast struct {
	From string            `json:"from"`
	Put  map[string]uint64 `json:"put,omitempty"`  // records, with their revisions
	Left []string          `json:"left,omitempty"` // records whose owner has given them back
	Jobs []string          `json:"jobs,omitempty"` // that a webhook has told of

	Hints  *watch.Hints `json:"hints,omitempty"`  // of whoever reads the lists
	Lists  string       `json:"lists,omitempty"`  // whose lists, by the key that is owned for them
	Number uint64       `json:"number,omitempty"` // of the text with hints, one more each time
	Again  bool         `json:"again,omitempty"`  // some hints were missed: all are to be told again
}

// put notes that a record was put.
func (p *replica) put(key string, revision uint64) {
	p.note(func(n *broadcast) {
		if n.Put == nil {
			n.Put = map[string]uint64{}
		}
		n.Put[key] = revision
	})
}

// left notes that an operation was given back.
func (p *replica) left(key string) { p.note(func(n *broadcast) { n.Left = append(n.Left, key) }) }

// job notes that a webhook has told of a Job that is not read here.
func (p *replica) job(id string) {
	if p != nil && len(id) <= 64 {
		p.note(func(n *broadcast) { n.Jobs = append(n.Jobs, id) })
	}
}

func (p *replica) note(f func(*broadcast)) {
	p.mu.Lock()
	f(&p.unsent)
	p.mu.Unlock()
	raise(p.tell)
}

// readLater lets a record be read; empty: all that have changed.
func (p *replica) readLater(key string) {
	p.mu.Lock()
	p.due[key] = true
	p.mu.Unlock()
	raise(p.read)
}

// unsure notes that what this replica owns may be another than it believes: the answer to
// a take-over, an ask or a release was lost, or what was taken could not be read.
func (p *replica) unsure(err error) error {
	if err != nil {
		p.lost.Store(true)
	}
	return err
}

// sweeps are a replica's part in reading the lists of Jobs, which one replica does for
// all of the same credential: the one that owns a key of its own in the journal. It
// implements watch.Others.
type sweeps struct {
	p     *replica
	stand chan struct{} // of one: there may be something to elect

	mu    sync.Mutex
	want  bool   // the lists are worth their requests
	owned string // the key that is owned; empty: none is
	asked time.Time

	sent     uint64 // texts with hints; touched by whoever tells
	received struct {
		from  string // who reads the lists, as far as was received
		last  uint64 // of its texts
		whole bool   // none of them is missing since it told all
	} // touched by whoever listens
}
