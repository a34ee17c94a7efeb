package duvotool

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
)

// noTool makes the error of a name that [Registry.FindTool] knows no tool for.
func (c catalog) noTool(name string) *hitl.NoMatchError {
	several := false
	shown := map[string][]string{}
	for _, t := range c.tools {
		several = several || t.work.Assignment.Name == name
		for _, key := range []string{t.work.Name, t.work.Assignment.Name, t.work.Assignment.ID} {
			shown[key] = append(shown[key], fmt.Sprintf("%q", t.work.Name))
		}
	}
	return hitl.NoTool(name, shown, several)
}

// A bound is, for each selector of Configure and each of its terms, the IDs that
// the term has ever matched, in lower case: a guard stays with an Assignment that
// is renamed or moved. It is never changed.
type bound [][]map[string]bool

// bind adds what the terms match now.
func (c config) bind(before bound, all []duvo.Assignment, tree folderTree) bound {
	now := make(bound, len(c.configure))
	for i, conf := range c.configure {
		now[i] = make([]map[string]bool, len(conf.selector.terms))
		for j, t := range conf.selector.terms {
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
func (c config) unmet(all []duvo.Assignment, tree folderTree, b bound) (out []unmet) {
	exists := map[string]bool{}
	for _, a := range all {
		exists[strings.ToLower(a.ID)] = true
	}
	check := func(option string, s Selector, ids func(int) map[string]bool) {
		for j, t := range s.terms {
			if s.optional || slices.ContainsFunc(all, func(a duvo.Assignment) bool { return t.match(a, tree) }) ||
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
	for _, s := range c.keep {
		check("Keep", s, func(int) map[string]bool { return nil })
	}
	for i, conf := range c.configure {
		check("Configure", conf.selector, func(j int) map[string]bool { return b[i][j] })
	}
	return out
}

func (tree folderTree) has(folder string) bool {
	for _, f := range tree {
		if f.is(folder) {
			return true
		}
	}
	return false
}

// policies are those of the options.
func (c config) policies() []hitl.Policy {
	all := []hitl.Policy{c.tool.Policy}
	for _, conf := range c.configure {
		var t toolConfig
		for _, o := range conf.options {
			_ = o.applyTool(&t) // checked by Configure
		}
		if t.Policy != nil {
			all = append(all, t.Policy)
		}
	}
	return all
}

// checkNames tells what the options and the policies name and nothing has, in
// their order; and the selectors that hold for nothing but Assignments which they
// matched before.
func (r *Registry) checkNames(cat catalog) (unmatched []error, lasting []string) {
	r.book.Set(cat.known, cat.tree.paths())
	for _, u := range cat.unmet {
		if u.lasting {
			lasting = append(lasting, fmt.Sprintf("%s: %s %q", u.option, u.term.kind, hitl.SafeLine(u.term.word, 80)))
			continue
		}
		err := r.book.NoMatch(u.term.kind, u.term.word)
		unmatched = append(unmatched, fmt.Errorf("%s: %w", u.option, err))
	}
	for _, p := range r.cfg.policies() {
		if err := hitl.CheckNames(p, r.book.Names()); err != nil {
			unmatched = append(unmatched, fmt.Errorf("WithPolicy: %w", err))
		}
	}
	return unmatched, lasting
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

// oneLine makes an error of several, with a text on one line.
func oneLine(errs []error) error { return &onLine{errors.Join(errs...)} }

type onLine struct{ err error }

func (e *onLine) Error() string { return strings.ReplaceAll(e.err.Error(), "\n", "; ") }
func (e *onLine) Unwrap() error { return e.err }

// paths are those of the folders; nil: not known.
func (tree folderTree) paths() []string {
	if tree == nil {
		return nil
	}
	out := make([]string, 0, len(tree))
	for _, f := range tree {
		out = append(out, f.path)
	}
	slices.Sort(out)
	return out
}
