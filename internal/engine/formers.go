package engine

import (
	"time"

	"github.com/duvotool/duvotool/hitl"
)

// maxFormers bounds what is kept of operations that were dropped.
const maxFormers = 1 << 16

// A former is what stays of an operation that was dropped before its retention was
// over, since nobody has its key: its Job, and each request of it that was decided, are
// still nobody else's, for the Job may be continued.
type former struct {
	claim
	ended time.Time
}

// formers are those of the last operations, by the ID of the Job, and by that and the ID
// of the request as claims name it. The zero value is ready.
type formers struct {
	of    map[string]former
	order []string // the oldest first
}

// note adds one, in place of the oldest where there are too many.
func (f *formers) note(name string, one former) {
	if f.of == nil {
		f.of = map[string]former{}
	}
	if _, there := f.of[name]; !there {
		f.order = append(f.order, name)
	}
	f.of[name] = one
	if len(f.order) > maxFormers {
		delete(f.of, f.order[0])
		f.order = f.order[1:]
	}
}

// forget forgets those that ended longer ago than d.
func (f *formers) forget(d time.Duration) {
	for len(f.order) > 0 && time.Since(f.of[f.order[0]].ended) > d {
		delete(f.of, f.order[0])
		f.order = f.order[1:]
	}
}

// brief is a claim without texts that have no bound.
func (c claim) brief() claim {
	d := c.Decision
	return claim{c.Operation, hitl.DecisionEntry{RequestID: d.RequestID, Kind: d.Kind, Title: hitl.SafeLine(d.Title, 80), Digest: d.Digest,
		RequestedAt: d.RequestedAt, DecidedAt: d.DecidedAt, Delivery: d.Delivery,
		Decision: hitl.Decision{Verdict: d.Verdict, By: hitl.SafeLine(d.By, 100), Source: d.Source}}}
}
