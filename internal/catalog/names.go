package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/errtext"
)

// A bound is, for each selector of Configure and each of its terms, the IDs that
// the term has ever matched, in lower case: a guard stays with an Assignment that
// is renamed or moved. It is never changed.
type bound [][]map[string]bool

// bind adds what the terms match now.
func (r Rules) bind(before bound, all []duvo.Assignment, tree Folders) bound {
	now := make(bound, len(r.Configure))
	for i, conf := range r.Configure {
		now[i] = make([]map[string]bool, len(conf.Selector.terms))
		for j, t := range conf.Selector.terms {
			ids := map[string]bool{}
			if i < len(before) {
				for id := range before[i][j] {
					ids[id] = true
				}
			}
			for _, a := range all {
				if t.match(a, tree) {
					ids[strings.ToLower(a.ID)] = true
				}
			}
			now[i][j] = ids
		}
	}
	return now
}

// holds reports whether a selector of Configure is for an Assignment.
func (b bound) holds(i int, id string) bool {
	id = strings.ToLower(id)
	return slices.ContainsFunc(b[i], func(ids map[string]bool) bool { return ids[id] })
}

// An unmet term matches nothing.
type unmet struct {
	option  string // Keep or Configure
	term    term
	lasting bool // it still holds for Assignments that it matched before
}

// unmet lists the terms that match nothing and are not optional.
func (r Rules) unmet(all []duvo.Assignment, tree Folders, b bound) (out []unmet) {
	exists := map[string]bool{}
	for _, a := range all {
		exists[strings.ToLower(a.ID)] = true
	}
	check := func(option string, s Selector, ids func(int) map[string]bool) {
		for j, t := range s.terms {
			if s.Optional || slices.ContainsFunc(all, func(a duvo.Assignment) bool { return t.match(a, tree) }) ||
				t.kind == hitl.KindFolder && tree.has(t.word) {
				continue
			}
			lasting := false
			for id := range ids(j) {
				lasting = lasting || exists[id]
			}
			out = append(out, unmet{option, t, lasting})
		}
	}
	for _, s := range r.Keep {
		check("Keep", s, func(int) map[string]bool { return nil })
	}
	for i, conf := range r.Configure {
		check("Configure", conf.Selector, func(j int) map[string]bool { return b[i][j] })
	}
	return out
}

// CheckNames tells what the options and the policies name and nothing has, in their
// order. The catalog keeps that, and the selectors that hold for nothing but
// Assignments which they matched before, to be compared with the next one's.
func (c *Catalog) CheckNames(rules Rules, book *hitl.NameBook) (unmatched []error) {
	book.Set(c.known, c.tree.paths())
	for _, u := range c.unmet {
		if u.lasting {
			c.Lasting = append(c.Lasting, fmt.Sprintf("%s: %s %q", u.option, u.term.kind, hitl.SafeLine(u.term.word, 80)))
			continue
		}
		err := book.NoMatch(u.term.kind, u.term.word)
		unmatched = append(unmatched, fmt.Errorf("%s: %w", u.option, err))
	}
	for _, p := range rules.policies() {
		if err := hitl.CheckNames(p, book.Names()); err != nil {
			unmatched = append(unmatched, fmt.Errorf("WithPolicy: %w", err))
		}
	}
	c.missing = problems(unmatched)
	return unmatched
}

// problems lists what is not there, once each and without what may have been
// meant, so that it can be compared with the list of another time.
func problems(errs []error) (out []string) {
	for _, err := range errs {
		var e *hitl.NoMatchError
		switch u := err.(type) {
		case interface{ Unwrap() []error }:
			out = append(out, problems(u.Unwrap())...)
			continue
		case interface{ Unwrap() error }:
			if inner := u.Unwrap(); errors.As(inner, &e) {
				out = append(out, problems([]error{inner})...)
				continue
			}
		case *hitl.NoMatchError:
			out = append(out, u.Problem())
			continue
		}
		out = append(out, hitl.SafeLine(err.Error(), 500))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Unmatched is the error of a discovery in which something is named in vain.
func Unmatched(missing []error) error {
	all := oneLine(missing)
	if strings.HasSuffix(all.Error(), "?") {
		return errtext.Errorf("duvotool: %w Correct it, or where it may be missing say so with Optional", all)
	}
	return errtext.Errorf("duvotool: %w; correct it, or where it may be missing say so with Optional", all)
}

// oneLine makes an error of several, with a text on one line.
func oneLine(errs []error) error { return &onLine{errors.Join(errs...)} }

type onLine struct{ err error }

func (e *onLine) Error() string {
	return strings.NewReplacer("?\n", "? ", "\n", "; ").Replace(e.err.Error())
}
func (e *onLine) Unwrap() error { return e.err }
