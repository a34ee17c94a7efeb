package inbox

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/bounded"
)

// A Registry is what a desk asks; [github.com/duvotool/duvotool.Registry] is one.
type Registry interface {
	// Pending lists the requests that wait for a decision.
	Pending() []hitl.Request
	// Decide decides one.
	Decide(context.Context, hitl.Request, hitl.Decision) error
}

// A Checker is a [Registry] that tells what it would have against a decision, without
// taking it; [github.com/duvotool/duvotool.Registry] is one. Of others the desk learns it
// when somebody has decided.
type Checker interface {
	CheckDecision(context.Context, hitl.Request, hitl.Decision) error
}

// A Person is who uses the desk, as the host knows them.
type Person struct {
	Login string // what decisions are recorded under; never empty
	Name  string // as it is shown; empty: the login
}

// ErrNotSignedIn is what [Config.Person] returns for a request that is nobody's.
// Any other error of it is the host's failure, and is logged.
var ErrNotSignedIn = errors.New("inbox: nobody is signed in")

// Access is what a person may do about a request.
type Access int

// The kinds of access. The zero Access shows nothing.
const (
	Hidden Access = iota // nothing; not even that it is there
	Seen                 // read it
	Decide               // read and decide it
)

// Everyone lets whoever is signed in decide everything.
func Everyone(context.Context, Person, hitl.Request) Access { return Decide }

// A Config says what a [Desk] is made of.
type Config struct {
	Registries []Registry                                         // at least one
	Person     func(*http.Request) (Person, error)                // who makes a request; required
	May        func(context.Context, Person, hitl.Request) Access // required; see [Everyone]
	BasePath   string                                             // under which the host serves the desk, such as "/desk"; empty: at the root
	Title      string                                             // of the desk; empty: "Approval desk"
	SignIn     string                                             // where somebody who is not signed in is sent to; empty: they are told only
	SignOut    string                                             // where the form to sign out is posted to; empty: there is none
	Audit      func(context.Context) (io.ReadCloser, error)       // opens the audit file, for the history; what is an io.Seeker is read on, not anew, each time; nil: what this desk has seen since it began
	Deadline   func(hitl.Request) (at time.Time, then string)     // by when a request must be decided, and what happens then, such as "denied": the desk shows it, and the program or its policy has to do it, see [hitl.Timeout]; a zero time or nil: no limit
	NotOwn     bool                                               // whoever a Job was started for, by [hitl.Caller], can only read here what it asks; [hitl.NotOwn] holds wherever people answer
	Hold       *hitl.Hold                                         // stops all approvals at once; nil: this desk cannot. Put it over the registries' policies, see [hitl.Hold.Over]
	Prover     Prover                                             // has people prove what they decide, where a policy demands it; nil: this desk cannot, and they can only deny
	MayHold    func(context.Context, Person) bool                 // who may put the hold on and end it; nil: whoever is signed in
	Log        *slog.Logger                                       // nil: [slog.Default]
}

// A Desk is the handler. It is safe for concurrent use. Close it to end the
// connections of those who watch.
type Desk struct {
	cfg    Config
	secret []byte // of displays
	mux    *http.ServeMux
	safe   http.Handler
	live   *live
	queue  queue
	ledger ledger
	memory memory
	notes  notes
	asked  ceremonies

	unheard atomic.Bool // the hold could not be read when it was last
}

// New makes a desk. It fails where somebody must be able to tell who decides, and
// nobody is.
func New(cfg Config) (*Desk, error) {
	switch {
	case len(cfg.Registries) == 0:
		return nil, errors.New("inbox: there is no registry")
	case cfg.Person == nil:
		return nil, errors.New("inbox: Config.Person is missing: it tells who decides")
	case cfg.May == nil:
		return nil, errors.New("inbox: Config.May is missing: it tells who may decide; Everyone lets all who are signed in")
	case cfg.BasePath != "" && (!strings.HasPrefix(cfg.BasePath, "/") || strings.HasSuffix(cfg.BasePath, "/")):
		return nil, errors.New(`inbox: Config.BasePath must begin with a slash and end with none, as in "/desk"`)
	}
	for _, r := range cfg.Registries {
		if r == nil {
			return nil, errors.New("inbox: a registry is nil")
		}
	}
	if cfg.Title == "" {
		cfg.Title = words["title"]
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	d := &Desk{cfg: cfg, secret: []byte(rand.Text())}
	d.queue.desk = d
	d.live = newLive(d)
	d.routes()
	return d, nil
}

// Close ends the connections of those who watch. Requests that come later are
// served, but are not kept open.
func (d *Desk) Close() { d.live.close() }

// ServeHTTP serves pages under the paths "/", and the same for programs under
// "/api/"; see openapi.json.
func (d *Desk) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.safe.ServeHTTP(w, r) }

// access tells what a person may do about a request.
func (d *Desk) access(ctx context.Context, p Person, r hitl.Request) Access {
	a := d.cfg.May(ctx, p, r)
	if a == Decide && d.own(p, r) {
		return Seen
	}
	return a
}

// own reports whether a person must not decide because the work is their own.
func (d *Desk) own(p Person, r hitl.Request) bool {
	return d.cfg.NotOwn && r.Caller.User != "" && hitl.PersonKey(r.Caller.User) == hitl.PersonKey(p.Login)
}

func (d *Desk) deadline(r hitl.Request) (at time.Time, then string) {
	if d.cfg.Deadline == nil {
		return time.Time{}, ""
	}
	return d.cfg.Deadline(r)
}

// A memory is what the desk keeps of what is not pending any more: bounded, and for
// convenience only. What counts is in the audit.
type memory struct {
	mu      sync.Mutex
	shown   bounded.Map[string, hitl.Request] // by digest: the texts that people were shown, to tell what changed
	decided bounded.Map[string, decided]      // by ref
	taking  map[string][]chan struct{}        // by ref: closed once a decision that is on its way is known
}

const (
	maxShown   = 500
	maxDecided = 1000
)

// A decided request is one that was decided here.
type decided struct {
	req      hitl.Request
	decision hitl.Decision
	at       time.Time
	open     string // why it is not known whether Duvo has it; empty: it has
}

// keepShown remembers the text that somebody was shown.
func (m *memory) keepShown(digest string, r hitl.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.shown.Get(digest); !there {
		m.shown.Set(digest, r, maxShown)
	}
}

func (m *memory) shownAs(digest string) (hitl.Request, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.shown.Get(digest)
}

// begin notes that a decision about a request is on its way, until end.
func (m *memory) begin(ref string) (end func()) {
	done := make(chan struct{})
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.taking == nil {
		m.taking = map[string][]chan struct{}{}
	}
	m.taking[ref] = append(m.taking[ref], done)
	return sync.OnceFunc(func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		close(done)
		m.taking[ref] = slices.DeleteFunc(m.taking[ref], func(other chan struct{}) bool { return other == done })
		if len(m.taking[ref]) == 0 {
			delete(m.taking, ref)
		}
	})
}

// awaitTaken waits for the decisions about a request that are on their way now, for a
// while: who comes second is to be told who was first.
func (m *memory) awaitTaken(ref string) {
	m.mu.Lock()
	under := slices.Clone(m.taking[ref])
	m.mu.Unlock()
	over := time.NewTimer(takenFor)
	defer over.Stop()
	for _, done := range under {
		select {
		case <-done:
		case <-over.C:
			return
		}
	}
}

const takenFor = 2 * time.Second

// keepDecided remembers what was decided here.
func (m *memory) keepDecided(ref string, d decided) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.decided.Set(ref, d, maxDecided)
}

func (m *memory) decidedAs(ref string) (decided, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.decided.Get(ref)
}
