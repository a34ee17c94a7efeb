// Package engine runs operations: each is one piece of work under one key, at most
// one Job however many calls wait for it and however often they come back. It
// starts the Job, reads it through package watch, asks the policy, sends what was
// decided, and collects what the Job said; what it must remember it writes to the
// journal. It knows Assignments by the [Work] that it is handed, and not how catalogs
// or tools are made of them.
//
// engine.go, operation.go, underway.go and replica.go have the types that the others
// are about; step.go takes events out of mailbox.go; clock.go reads the clocks;
// settings.go and port.go have what the engine is handed, and workoptions.go what the
// lifecycle is; run.go is a stretch of work; calls.go those who wait; effects.go
// carries effects out: record.go, send.go, read.go, ask.go, collect.go, files.go,
// locate.go and claims.go each some of them; result.go and tell.go say what came of it.
// open.go, callkeys.go, book.go, reread.go, once.go, barriers.go and handles.go find
// operations by their keys, queue.go lets calls wait their turn, and turns.go and
// said.go are for follow-ups; people.go, manage.go, lookup.go, reconcile.go and
// closing.go are for the program; ledger.go, identity.go and journalguard.go for the
// journal; replicas.go, broadcast.go and sweeps.go for those who share it;
// eventqueue.go hands events on, stores.go and health.go tell how it goes; hosted.go is
// for who runs operations elsewhere.
package engine

import (
	"container/list"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/duvotool/duvotool/internal/watch"
	"github.com/duvotool/duvotool/internal/workers"
)

// An Engine runs operations: it starts the Jobs behind calls, reads them, asks
// policies, sends what they decided, and collects what the Jobs said. It knows
// Assignments by the work that it is handed, and neither catalogs nor tools.
type Engine struct {
	backend Port
	cfg     Config
	log     *slog.Logger
	life    *lifetime.Lifetime
	pool    *workers.Pool // runs what takes time
	watcher *watch.Watcher
	events  *eventQueue
	ops     *operations
	queue   *queue
	ledger  *ledger // nil: there is no journal

	dispatch func(*operation, lifecycle.Event) // takes an event out of a mailbox: who puts one in does not know where it leads

	replicas *replica // nil: the journal has no leases
	catalog  Catalog
	replica  string                 // this engine, unlike any other
	born     time.Time              // when the monotonic clock of the lifecycle began
	options  sync.Map               // lifecycle.Options, by *Work
	print    atomic.Pointer[string] // the latest of credential
	last     struct {
		sync.Mutex
		at time.Time // that now returned
	}

	tokens     pairs  // the Jobs that webhooks with which tokens were about
	boxes      pairs  // the sandboxes of Jobs that were read to find one
	deliveries recent // of webhooks, by their IDs
	early      recent // Jobs that a webhook told of before their start returned
	auditing   auditTrouble
	probes     [2]probe // of the journal and the audit log

	closing closing
}

// A Catalog is what an engine asks of whoever knows the Assignments.
type Catalog interface {
	// Offered reports whether an Assignment may be started.
	Offered(id string) bool
	// WorkFor returns the work of an Assignment, also where it is no longer offered.
	WorkFor(a duvo.Assignment, folder string) (*Work, error)
}

// auditTrouble is what is known of an audit that could not be written: nothing is
// started until it can be.
type auditTrouble struct {
	mu     sync.Mutex
	err    error // nil: it can be written
	record audit.Record
	tried  *run // tries to write the record again as long as it goes on; nil: nobody does

	writes writes // guards itself
}

// closing is how far an engine has come on its way to its end.
type closing struct {
	drains, over atomic.Bool     // nothing more is started; nothing more is sent
	starting     context.Context // in which something may be started
	sending      context.Context // in which something may be sent
	noStart      context.CancelCauseFunc
	noSend       context.CancelCauseFunc
}

// operations holds the operations of a registry by key. There is one Job per
// operation, however many calls share it. With a journal, those that need
// nothing more are left to it and come back from it.
type operations struct {
	eng       *Engine
	retention time.Duration

	mu        sync.Mutex
	byKey     map[slot]*operation     // by tenant and key
	byRecord  map[string]*operation   // by the keys of their records; nil until there is one
	byHandle  map[string]grant        // those that check_job knows; nil until there is one
	followUps map[string]*operation   // follow-ups that are under way, by Job ID in lower case; nil until there is one
	unknown   map[string][]*operation // those with an unknown outcome, by tenant, scope and Assignment
	aliases   map[slot]alias          // of callers' keys, by tenant and key, where there is no journal; nil until there is one
	holders   map[string]*operation   // those that started the Jobs with these IDs, in lower case; nil until there is one
	claims    map[string]claim        // of requests, where there is no journal; nil until there is one
	claimed   map[*operation][]string // whose they are
	formers   formers                 // what stays of those that were dropped, where there is no journal
	texts     texts                   // of operations that nobody works on
	saidTo    map[string]*said        // Jobs, by ID in lower case, where there is no journal; nil until there is one
	swept     time.Time
}

func newOperations(e *Engine) *operations {
	return &operations{eng: e, retention: e.cfg.Retention, byKey: map[slot]*operation{}, unknown: map[string][]*operation{}}
}

// A grant is an operation that a handle leads to, and for whom.
type grant struct {
	op *operation
	to bearer
}

// An alias says which operation a caller's key stands for, where the operation has
// the key of its scope: see OncePerScope. So the caller's key is good for one
// operation as well, in whatever scope it comes.
type alias struct {
	Key   string `json:"key"`   // of the operation
	Scope string `json:"scope"` // that it is the one of

	at time.Time // when it was recorded; zero: just now
}

// said is what all operations together have said to a Job since its start. It is
// written before a message is posted, by compare-and-set, so that each operation on
// the Job, whichever of them asks its policy next, tells it of the message: a Job
// that its starter still watches, or takes up again, may wait because of what
// another call has said to it. A message that was not sent in the end may be among
// them, none that was sent is missing.
type said struct {
	Added string    `json:"added"` // as followUp.Added of the latest
	Turns []turn    `json:"turns"`
	Open  *openTurn `json:"open,omitempty"` // the latest; nil: none, or no journal
	at    time.Time // when it was put, where there is no journal
}

// An openTurn says which follow-up may talk to a Job, of all that share a journal.
// It is not closed: it counts for as long as the operation's own record is neither
// finished nor parked, and for as long as what that has sent may be on its way.
type openTurn struct {
	Operation string    `json:"operation"` // its name
	Since     time.Time `json:"since"`
}

// A turn is one message and the operation that says it.
type turn struct {
	Operation string `json:"operation"` // its name
	Message   string `json:"message"`
}

// texts are the operations that nobody works on, oldest first, and the bytes that
// each has of what was said. It is guarded by operations.mu.
type texts struct {
	of    map[*operation]*list.Element
	order list.List // of text
	total int64
}
