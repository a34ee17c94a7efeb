package inbox

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duvotool/duvotool/hitl"
)

// An item is a request that waits.
type item struct {
	reg    Registry
	at     int // which of the registries that is
	req    hitl.Request
	ref    string // its name in addresses
	digest string
	due    time.Time // zero: no limit
	then   string
	access Access                   // of the one it was found for
	row    *atomic.Pointer[rowText] // shared by the copies; nil: it is not in the queue
}

var refCoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// Ref is the name of a request in the desk's addresses: "/requests/" and "/history/"
// with it behind them are its permalinks.
func Ref(r hitl.Request) string { return refOf(r.JobID, r.ID) }

// refOf names a request in addresses, the same for as long as it is known.
func refOf(jobID, requestID string) string {
	h := sha256.New()
	for _, s := range []string{strings.ToLower(jobID), strings.ToLower(requestID)} {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return refCoding.EncodeToString(h.Sum(nil)[:10])
}

// A queue is what waits, as it was read a moment ago. What is decided is checked by
// the registry itself, so that nothing hangs on how old this is.
type queue struct {
	desk *Desk

	mu      sync.Mutex
	read    time.Time
	took    time.Duration // to read it
	waiting *waiting      // nil: nothing was read yet
	held    holding       // when it was read
}

const (
	fresh  = 40 * time.Millisecond // how old what is shown may be
	oldest = time.Second           // however long it takes to read it
	share  = 10                    // reading takes no more than this part of the time
)

// A waiting is one reading of a queue. It is never changed, but for its views.
type waiting struct {
	version int
	items   []*item // those with a deadline first, then the oldest
	byRef   map[string]*item
	byName  map[requestName]*item

	mu    sync.Mutex
	views map[Person]*view
}

type requestName struct{ job, request string }

// now returns what waits. The version changes with it.
func (q *queue) now() *waiting {
	q.mu.Lock()
	defer q.mu.Unlock()
	if since := time.Since(q.read); q.waiting == nil || since >= min(max(fresh, share*q.took), oldest) {
		q.reread()
	}
	return q.waiting
}

// stale makes sure that what waits is read anew.
func (q *queue) stale() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.read = time.Time{}
}

// reread reads what waits. Called with mu held.
func (q *queue) reread() {
	began := time.Now()
	before := q.waiting
	if before == nil {
		before = &waiting{}
	}
	w := &waiting{version: before.version, byRef: make(map[string]*item, len(before.byRef)), byName: make(map[requestName]*item, len(before.byRef))}
	for at, reg := range q.desk.cfg.Registries {
		for _, r := range reg.Pending() {
			name := requestName{r.JobID, r.ID}
			i := q.item(at, r, before.byName[name])
			if w.byRef[i.ref] != nil {
				continue // two registries that share a journal
			}
			w.byRef[i.ref], w.byName[name] = i, i
			w.items = append(w.items, i)
		}
	}
	slices.SortFunc(w.items, dueFirst)
	hold := q.desk.held()
	if hold != q.held || !slices.EqualFunc(w.items, before.items, func(a, b *item) bool { return a.ref == b.ref && a.digest == b.digest && a.due.Equal(b.due) }) {
		w.version++
	}
	q.waiting, q.held, q.read, q.took = w, hold, time.Now(), time.Since(began)
}

// item makes one of a request, with what is known of it from before; nil: nothing is.
func (q *queue) item(at int, r hitl.Request, before *item) *item {
	i := &item{reg: q.desk.cfg.Registries[at], at: at, req: r, row: new(atomic.Pointer[rowText])}
	i.due, i.then = q.desk.deadline(r)
	switch {
	case before == nil:
		i.ref = refOf(r.JobID, r.ID)
	case before.at == at && before.due.Equal(i.due) && before.then == i.then && same(before.req, r):
		return before
	default:
		i.ref = before.ref
	}
	i.digest = r.Digest()
	return i
}

// same reports whether two requests are. It looks at all of them.
func same(a, b hitl.Request) bool {
	if len(a.Questions) != len(b.Questions) || len(a.Questions) > 0 && !reflect.DeepEqual(a.Questions, b.Questions) ||
		!a.FirstSeen.Equal(b.FirstSeen) || !a.CreatedAt.Equal(b.CreatedAt) {
		return false
	}
	a.Questions, b.Questions = nil, nil
	a.FirstSeen, a.CreatedAt = b.FirstSeen, b.CreatedAt
	return reflect.DeepEqual(a, b)
}

// dueFirst has those with a deadline first, the nearest one first, then the oldest.
func dueFirst(a, b *item) int {
	switch {
	case a.due.IsZero() != b.due.IsZero():
		if a.due.IsZero() {
			return 1
		}
		return -1
	case !a.due.Equal(b.due):
		return a.due.Compare(b.due)
	case !a.req.FirstSeen.Equal(b.req.FirstSeen):
		return a.req.FirstSeen.Compare(b.req.FirstSeen)
	}
	return strings.Compare(a.ref, b.ref)
}

// find returns an item that a person may see; nil if there is none.
func (w *waiting) find(ctx context.Context, d *Desk, p Person, ref string) *item {
	i := w.byRef[ref]
	if i == nil {
		return nil
	}
	return i.with(d.access(ctx, p, i.req))
}

// with is the item for somebody with this access; nil where they may not see it.
func (i *item) with(a Access) *item {
	if a == Hidden {
		return nil
	}
	seen := *i
	seen.access = a
	return &seen
}

// find returns an item that waits and that a person may see; nil if there is none. One
// that is not known is looked for anew: it may just have come.
func (d *Desk) find(ctx context.Context, p Person, ref string) *item {
	now := d.queue.now()
	if now.byRef[ref] == nil {
		d.queue.stale()
		now = d.queue.now()
	}
	return now.find(ctx, d, p, ref)
}
