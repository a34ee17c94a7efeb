package duvotest

import (
	"context"
	"net/http"
	"sync"

	"github.com/duvotool/duvotool/duvo"
)

// A Duvo is a whole Duvo in one process: an http.Handler that serves the
// Public API, with Assignments that are scripted. All methods are safe for
// concurrent use. Make it with [New], or with [NewServer] for one with a
// socket.
type Duvo struct {
	cfg config

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // scripts, webhooks, late effects

	asking    sync.Mutex // guards faultFunc, and lets it be asked one request at a time
	faultFunc func(op string, r *http.Request) *Fault

	mu          sync.Mutex // guards everything below, and every job's state; never taken before asking is
	closed      bool
	assignments []*assignment
	folders     []*folder
	jobs        map[string]*job
	order       []*job // by creation, oldest first
	requests    []*Request
	strangers   int            // requests received without a key or an upload URL of ours
	counts      map[string]int // requests received, by operation
	statuses    map[int]int    // answered
	faults      []*Fault
	hooks       []*WebhookFault
	deliveries  []*Delivery
	replays     map[string]*replay // by Idempotency-Key
	window      rateWindow
	sandboxes   map[string]*sandbox
	expiring    []*sandbox // those that will, oldest first
	uploads     map[string]*upload
	stored      int64 // bytes in sandboxes, with what it costs to keep them
}

// New makes a Duvo. It panics if an option makes no sense.
func New(opts ...Option) *Duvo {
	d := &Duvo{
		cfg: defaults(), jobs: map[string]*job{}, counts: map[string]int{}, statuses: map[int]int{}, replays: map[string]*replay{},
		sandboxes: map[string]*sandbox{}, uploads: map[string]*upload{},
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	for _, o := range opts {
		if err := o(&d.cfg); err != nil {
			panic("duvotest: " + err.Error())
		}
	}
	for _, a := range d.cfg.assignments {
		if err := d.AddAssignment(a); err != nil {
			panic(err.Error())
		}
	}
	return d
}

// Close ends every script and every pending webhook and waits for their
// goroutines. Requests that come later get 503. It may be called more than
// once. A script that waits for something of its own must heed
// [Job.Context], or Close waits for it.
func (d *Duvo) Close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.cancel()
	d.wg.Wait()
	d.cfg.webhookClient.CloseIdleConnections()
}

// Key returns the API key that the Duvo accepts.
func (d *Duvo) Key() string { return d.cfg.key }

// TeamID returns the ID of the team that holds the Assignments.
func (d *Duvo) TeamID() string { return d.cfg.teamID }

// Client returns a client that reaches this Duvo in memory, with its key and
// team. It panics if an option makes no sense.
func (d *Duvo) Client(opts ...duvo.Option) *duvo.Client {
	return d.client(MemoryURL, d.HTTPClient(), opts)
}

func (d *Duvo) client(url string, h *http.Client, opts []duvo.Option) *duvo.Client {
	all := []duvo.Option{duvo.WithAPIKey(d.cfg.key), duvo.WithTeam(d.cfg.teamID), duvo.WithBaseURL(url)}
	if h != nil {
		all = append(all, duvo.WithHTTPClient(h))
	}
	c, err := duvo.New(append(all, opts...)...)
	if err != nil {
		panic("duvotest: " + err.Error())
	}
	return c
}
