package inbox

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/hitl"
)

// An item is a request that waits.
type item struct {
	reg    Registry
	req    hitl.Request
	ref    string // its name in addresses
	digest string
	due    time.Time // zero: no limit
	then   string
	access Access
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
	version int
	items   []*item // those with a deadline first, then the oldest; never changed
	byRef   map[string]*item
	held    holding
}

// fresh is how old what is shown may be.
const fresh = 100 * time.Millisecond

// A waiting is one reading of a queue.
type waiting struct {
	version int
	items   []*item
	byRef   map[string]*item
}

// now returns what waits. The version changes with it.
func (q *queue) now() waiting {
	q.mu.Lock()
	defer q.mu.Unlock()
	if time.Since(q.read) >= fresh {
		q.reread()
	}
	return waiting{q.version, q.items, q.byRef}
}

// stale makes sure that what waits is read anew.
func (q *queue) stale() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.read = time.Time{}
}

// reread reads what waits. Called with mu held.
func (q *queue) reread() {
	byRef := map[string]*item{}
	var items []*item
	for _, reg := range q.desk.cfg.Registries {
		for _, r := range reg.Pending() {
			i := &item{reg: reg, req: r, ref: refOf(r.JobID, r.ID), digest: r.Digest()}
			if byRef[i.ref] != nil {
				continue // two registries that share a journal
			}
			i.due, i.then = q.desk.deadline(r)
			byRef[i.ref] = i
			items = append(items, i)
		}
	}
	slices.SortFunc(items, func(a, b *item) int {
		switch {
		case a.due.IsZero() != b.due.IsZero():
			return cmp.Compare(map[bool]int{false: 0, true: 1}[a.due.IsZero()], map[bool]int{false: 0, true: 1}[b.due.IsZero()])
		case !a.due.Equal(b.due):
			return a.due.Compare(b.due)
		case !a.req.FirstSeen.Equal(b.req.FirstSeen):
			return a.req.FirstSeen.Compare(b.req.FirstSeen)
		}
		return strings.Compare(a.ref, b.ref)
	})
	hold := q.desk.held()
	if hold != q.held || !slices.EqualFunc(items, q.items, func(a, b *item) bool { return a.ref == b.ref && a.digest == b.digest && a.due.Equal(b.due) }) {
		q.version++
	}
	q.items, q.byRef, q.held, q.read = items, byRef, hold, time.Now()
}

// visible returns those of the items that a person may see, with their access.
func (w waiting) visible(ctx context.Context, d *Desk, p Person) []*item {
	var out []*item
	for _, i := range w.items {
		if a := d.access(ctx, p, i.req); a != Hidden {
			seen := *i
			seen.access = a
			out = append(out, &seen)
		}
	}
	return out
}

// find returns an item that a person may see; nil if there is none.
func (w waiting) find(ctx context.Context, d *Desk, p Person, ref string) *item {
	i := w.byRef[ref]
	if i == nil {
		return nil
	}
	seen := *i
	if seen.access = d.access(ctx, p, i.req); seen.access == Hidden {
		return nil
	}
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

// An assignment is one of those whose Jobs wait.
type assignment struct {
	ID, Name string
	Waiting  int
}

// A choice is what of the queue is shown.
type choice struct {
	Assignment string // its ID; empty: all
	All        bool   // also what the person cannot decide
	Find       string // in titles, Assignments and callers
}

func (c choice) picks(i *item) bool {
	if c.Assignment != "" && !strings.EqualFold(c.Assignment, i.req.Assignment.ID) || !c.All && i.access != Decide {
		return false
	}
	if c.Find == "" {
		return true
	}
	find := strings.ToLower(c.Find)
	return slices.ContainsFunc([]string{i.req.Title, i.req.Assignment.Name, i.req.Caller.User, i.digest, i.req.JobID}, func(s string) bool {
		return strings.Contains(strings.ToLower(s), find)
	})
}

// assignments counts what waits by Assignment.
func assignments(items []*item) []assignment {
	at := map[string]int{}
	var out []assignment
	for _, i := range items {
		k, there := at[i.req.Assignment.ID]
		if !there {
			k = len(out)
			at[i.req.Assignment.ID] = k
			out = append(out, assignment{ID: i.req.Assignment.ID, Name: hitl.SafeLine(i.req.Assignment.Name, 80)})
		}
		if i.access == Decide {
			out[k].Waiting++
		}
	}
	slices.SortFunc(out, func(a, b assignment) int { return strings.Compare(a.Name, b.Name) })
	return out
}
