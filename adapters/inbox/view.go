package inbox

import (
	"cmp"
	"context"
	"fmt"
	"html"
	"html/template"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/hitl"
)

// A view is what of the queue a person may see. It is never changed.
type view struct {
	items       []seen
	mine        int          // that the person can decide
	assignments []assignment // by name
	busiest     []assignment
}

// A seen item is one with what a person may do about it.
type seen struct {
	*item
	access Access
}

const (
	manyWait = 500 // from so many on a view is kept for as long as its reading is
	maxViews = 64
)

// visible reads what waits and the person may see. Where many wait it may be as old as
// the reading: what is shown of a request is asked for again by [item.with].
func (d *Desk) visible(ctx context.Context, p Person) (*waiting, *view) {
	w := d.queue.now()
	return w, w.view(ctx, d, p)
}

func (w *waiting) view(ctx context.Context, d *Desk, p Person) *view {
	if len(w.items) < manyWait {
		return w.look(ctx, d, p)
	}
	w.mu.Lock()
	v := w.views[p]
	w.mu.Unlock()
	if v != nil {
		return v
	}
	v = w.look(ctx, d, p)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.views == nil || len(w.views) >= maxViews {
		w.views = map[Person]*view{}
	}
	w.views[p] = v
	return v
}

// look asks for each item whether the person may see it.
func (w *waiting) look(ctx context.Context, d *Desk, p Person) *view {
	v := &view{items: make([]seen, 0, len(w.items))}
	for _, i := range w.items {
		a := d.access(ctx, p, i.req)
		if a == Hidden {
			continue
		}
		v.items = append(v.items, seen{i, a})
		if a == Decide {
			v.mine++
		}
	}
	v.assignments = assignments(v.items)
	v.busiest = busiest(v.assignments)
	return v
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

func (c choice) picks(i seen) bool {
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
func assignments(items []seen) []assignment {
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

const maxAssignments = 20 // that the list has links to

// busiest are the Assignments for which most waits, by name.
func busiest(all []assignment) []assignment {
	if len(all) <= maxAssignments {
		return all
	}
	out := slices.Clone(all)
	slices.SortStableFunc(out, func(a, b assignment) int { return cmp.Compare(b.Waiting, a.Waiting) })
	out = out[:maxAssignments]
	slices.SortStableFunc(out, func(a, b assignment) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// links are the list's links to the busiest Assignments, and to the one that is chosen.
func (v *view) links(c choice) template.HTML {
	var b strings.Builder
	is := func(a assignment) bool { return c.Assignment != "" && strings.EqualFold(a.ID, c.Assignment) }
	write := func(a assignment) {
		current := ""
		if is(a) {
			current = ` aria-current="true"`
		}
		fmt.Fprintf(&b, "<li><a href=\"%s\"%s>%s <span class=\"n\">%d</span></a></li>\n",
			html.EscapeString(c.Link("assignment", a.ID)), current, html.EscapeString(a.Name), a.Waiting)
	}
	if i := slices.IndexFunc(v.assignments, is); i >= 0 && !slices.ContainsFunc(v.busiest, is) {
		write(v.assignments[i])
	}
	for _, a := range v.busiest {
		write(a)
	}
	return template.HTML(b.String())
}
