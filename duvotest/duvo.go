package duvotest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

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

	mu          sync.Mutex // guards everything below, and every job's state
	closed      bool
	assignments []*assignment
	folders     []*folder
	jobs        map[string]*job
	order       []*job // by creation, oldest first
	requests    []*Request
	faults      []*Fault
	faultFunc   func(op string, r *http.Request) *Fault
	hooks       webhookFaults
	replays     map[string]*replay
	window      rateWindow
	runs        map[string]int // Jobs started, by Assignment
}

type assignment struct {
	Assignment
	folderID string
	buildID  string
	revision int
	created  time.Time
	updated  time.Time
}

type folder struct{ id, name, parent, path string }

// New makes a Duvo. It panics if an option makes no sense.
func New(opts ...Option) *Duvo {
	d := &Duvo{
		cfg: defaults(), jobs: map[string]*job{}, replays: map[string]*replay{}, runs: map[string]int{},
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
// once.
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

// An Assignment is what the Duvo offers.
type Assignment struct {
	ID          string // a UUID; default: one derived from the name
	Name        string // required
	Description string // of the latest Build; empty: none, which the wire tells as null
	NoBuild     bool   // there is no latest Build at all
	Folder      string // a path such as "Support/Refunds"; empty: none

	// Script is what a Job does, in a goroutine of its own. A Job whose Script
	// is nil completes at once.
	Script Script

	// Resume is what a Job does when a message resumes it after it completed
	// or was interrupted. Default: it repeats the message and completes.
	Resume func(j *Job, message string)
}

// A Script is what a Job does, in plain Go. Returning completes the Job with
// what it said last; a panic and runtime.Goexit, which t.FailNow calls, fail it.
type Script func(j *Job)

// AddAssignment adds an Assignment, also while the Duvo serves.
func (d *Duvo) AddAssignment(a Assignment) error {
	if a.Name == "" {
		return errors.New("duvotest: an Assignment needs a name")
	}
	if a.ID == "" {
		a.ID = stableUUID("assignment", a.Name)
	}
	if !isUUID(a.ID) {
		return fmt.Errorf("duvotest: the Assignment ID %q is no UUID", a.ID)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.assignment(a.ID) != nil {
		return fmt.Errorf("duvotest: there are two Assignments with ID %s", a.ID)
	}
	now := time.Now()
	s := &assignment{Assignment: a, buildID: stableUUID("build", a.ID), revision: 1, created: now, updated: now}
	s.folderID = d.folder(a.Folder)
	d.assignments = append(d.assignments, s)
	return nil
}

// UpdateAssignment changes an Assignment; it gets a new Build. Its ID stays.
// The function must not call the Duvo.
func (d *Duvo) UpdateAssignment(id string, change func(*Assignment)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.assignment(id)
	if s == nil {
		return fmt.Errorf("duvotest: there is no Assignment %s", id)
	}
	change(&s.Assignment)
	s.ID = id
	s.revision++
	s.buildID = stableUUID("build", fmt.Sprint(id, s.revision))
	s.updated = time.Now()
	s.folderID = d.folder(s.Folder)
	return nil
}

// RemoveAssignment removes an Assignment. Its Jobs go on.
func (d *Duvo) RemoveAssignment(id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, s := range d.assignments {
		if strings.EqualFold(s.ID, id) {
			d.assignments = append(d.assignments[:i:i], d.assignments[i+1:]...)
			return nil
		}
	}
	return fmt.Errorf("duvotest: there is no Assignment %s", id)
}

// assignment is called with mu held.
func (d *Duvo) assignment(id string) *assignment {
	for _, s := range d.assignments {
		if strings.EqualFold(s.ID, id) {
			return s
		}
	}
	return nil
}

// folder returns the ID of the folder at a path, making it and those above.
// Called with mu held.
func (d *Duvo) folder(path string) string {
	var parent, sofar string
	for _, name := range strings.Split(strings.Trim(path, "/"), "/") {
		if name == "" {
			return ""
		}
		sofar += "/" + name
		var found *folder
		for _, f := range d.folders {
			if f.path == sofar {
				found = f
			}
		}
		if found == nil {
			found = &folder{id: stableUUID("folder", sofar), name: name, parent: parent, path: sofar}
			d.folders = append(d.folders, found)
		}
		parent = found.id
	}
	return parent
}

// newUUID returns a random UUID of version 4.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return formatUUID(b)
}

// stableUUID returns the same UUID for the same words.
func stableUUID(words ...string) string {
	sum := sha256.Sum256([]byte("duvotest\x00" + strings.Join(words, "\x00")))
	return formatUUID([16]byte(sum[:16]))
}

func formatUUID(b [16]byte) string {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
				return false
			}
		}
	}
	return true
}
