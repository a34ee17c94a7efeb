package duvotool

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/search"
)

// The kinds of a [NoMatchError].
const (
	kindID      = "ID"
	kindName    = "name"
	kindPattern = "pattern"
	kindFolder  = "folder"
	kindTool    = "tool"
)

// A NoMatchError is an ID, a name, a pattern or a folder, of an option or in a
// policy, that nothing in Duvo has. Such a mistake would leave an Assignment
// without the guard that was meant for it, so [Discover] fails with it. Or it is
// what [Registry.Tool] was asked for and no tool has; then it matches [ErrNoTool].
type NoMatchError struct {
	Kind string   `json:"kind"` // "ID", "name", "pattern", "folder" or "tool"
	Name string   `json:"name"`
	Near []string `json:"near,omitempty"` // what may have been meant, the likeliest first, made safe to print

	why  string // it cannot be looked up; empty: it was, and is not there
	none bool   // there is nothing of the kind at all
}

// Error tells what is not there, and what may have been meant.
func (e *NoMatchError) Error() string {
	s := e.problem()
	switch {
	case len(e.Near) > 0:
		s += "; is it " + strings.Join(e.Near, " or ") + "?"
	case e.none && e.Kind == kindFolder:
		s += "; the team has no folders at all"
	case e.none && e.Kind == kindTool:
		s += "; the registry offers no tools at all"
	case e.none:
		s += "; the team has no Assignments at all"
	}
	return s
}

func (e *NoMatchError) problem() string {
	name := fmt.Sprintf("%q", SafeLine(e.Name, 80))
	switch {
	case e.why != "":
		return fmt.Sprintf("the %s %s cannot be looked up: %s", e.Kind, name, e.why)
	case e.Kind == kindFolder:
		return "there is no folder " + name
	case e.Kind == kindTool:
		return ErrNoTool.Error() + ": " + name
	case e.Kind == kindPattern:
		return "no Assignment's name matches " + name
	}
	return fmt.Sprintf("no Assignment has the %s %s", e.Kind, name)
}

// Is makes that of a tool match [ErrNoTool].
func (e *NoMatchError) Is(target error) bool { return target == ErrNoTool && e.Kind == kindTool }

// A NameChecker is a [Policy] that names Assignments or folders. It is shown what
// there is when a registry is made, and after each refresh. An error of the
// first, a [*NoMatchError] from the methods of [Names], fails [Discover]; those
// of a refresh are told. The policies of this module that hold others ask those.
//
// CheckNames must not wait for anybody. It may keep the Names: they tell what
// there is for as long as the registry is open.
type NameChecker interface {
	CheckNames(Names) error
}

// CheckNames asks a policy that is a [NameChecker]; any other names nothing. Its
// panic is an error that wraps [ErrPolicyPanic].
func CheckNames(p Policy, n Names) error {
	c, ok := p.(NameChecker)
	if !ok {
		return nil
	}
	return guard.Run(ErrPolicyPanic, func() error { return c.CheckNames(n) })
}

// Names tells what a registry knows: all of the team's Assignments, kept or not,
// and their folders, as the last discovery or refresh saw them. The zero Names,
// and those of a registry that was closed, take every name for a known one. It
// is safe for concurrent use, and can be compared.
type Names struct{ book *nameBook }

// A nameBook is what Names looks up.
type nameBook struct {
	mu          sync.Mutex
	closed      bool
	known       []knownName
	tree        folderTree // nil: not known
	askedFolder bool
}

type knownName struct{ id, name string }

func (b *nameBook) set(c catalog) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.known, b.tree = c.known, c.tree
	}
}

func (b *nameBook) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed, b.known, b.tree = true, nil, nil
}

// needsFolders reports whether a policy names folders.
func (b *nameBook) needsFolders() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.askedFolder
}

// Closed reports whether the registry was closed, or was never made.
func (n Names) Closed() bool {
	if n.book == nil {
		return true
	}
	n.book.mu.Lock()
	defer n.book.mu.Unlock()
	return n.book.closed
}

// HaveIDs returns a [*NoMatchError] for each ID that no Assignment has.
func (n Names) HaveIDs(ids ...string) error { return n.have(kindID, ids) }

// HaveNames returns a [*NoMatchError] for each name that no Assignment has. Names
// count exactly.
func (n Names) HaveNames(names ...string) error { return n.have(kindName, names) }

// HaveFolders returns a [*NoMatchError] for each path, as in "Support/Refunds",
// that no folder has.
func (n Names) HaveFolders(paths ...string) error { return n.have(kindFolder, paths) }

func (n Names) have(kind string, words []string) error {
	if n.book == nil {
		return nil
	}
	n.book.mu.Lock()
	defer n.book.mu.Unlock()
	n.book.askedFolder = n.book.askedFolder || kind == kindFolder
	var errs []error
	for _, w := range words {
		if !n.book.closed && !n.book.has(kind, w) {
			errs = append(errs, n.book.noMatch(kind, w))
		}
	}
	return errors.Join(errs...)
}

func (b *nameBook) has(kind, word string) bool {
	switch kind {
	case kindID:
		return slices.ContainsFunc(b.known, func(k knownName) bool { return strings.EqualFold(k.id, word) })
	case kindFolder:
		for _, f := range b.tree {
			if f.path == strings.Trim(word, "/") {
				return true
			}
		}
		return false
	}
	return slices.ContainsFunc(b.known, func(k knownName) bool { return k.name == word })
}

// maxNearNames is how many near names an error tells.
const maxNearNames = 3

// noMatch makes the error of a word that nothing has. Called with mu held.
func (b *nameBook) noMatch(kind, word string) *NoMatchError {
	e := &NoMatchError{Kind: kind, Name: word}
	if kind == kindFolder && b.tree == nil {
		e.why = "the folders could not be listed"
		return e
	}
	e.none = kind == kindFolder && len(b.tree) == 0 || kind != kindFolder && len(b.known) == 0
	shown := map[string][]string{} // by what the word is compared with
	add := func(key, text string) { shown[key] = append(shown[key], text) }
	switch kind {
	case kindFolder:
		for _, f := range b.tree {
			add(f.path, fmt.Sprintf("%q", SafeLine(f.path, 80)))
		}
	case kindID:
		for _, k := range b.known {
			text := fmt.Sprintf("%s (%q)", SafeLine(k.id, 64), SafeLine(k.name, 80))
			add(k.id, text)
			add(k.name, text)
		}
	default:
		for _, k := range b.known {
			add(k.name, fmt.Sprintf("%q", SafeLine(k.name, 80)))
		}
	}
	e.near(shown)
	return e
}

// noTool makes the error of a name that [Registry.FindTool] knows no tool for.
func (c catalog) noTool(name string) *NoMatchError {
	e := &NoMatchError{Kind: kindTool, Name: name, none: len(c.tools) == 0}
	shown := map[string][]string{}
	for _, t := range c.tools {
		if t.assignment.Name == name {
			e.why = "several Assignments have this name; give the name of a tool or an ID"
		}
		for _, key := range []string{t.name, t.assignment.Name, t.assignment.ID} {
			shown[key] = append(shown[key], fmt.Sprintf("%q", t.name))
		}
	}
	e.near(shown)
	return e
}

// near finds what may have been meant. The keys are what the word is compared
// with, the values what is shown for them.
func (e *NoMatchError) near(shown map[string][]string) {
	keys := make([]string, 0, len(shown))
	for key := range shown {
		keys = append(keys, key)
	}
	for _, key := range search.Near(e.Name, keys, maxNearNames) {
		for _, text := range shown[key] {
			if len(e.Near) < maxNearNames && !slices.Contains(e.Near, text) {
				e.Near = append(e.Near, text)
			}
		}
	}
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
				t.kind == kindFolder && tree.has(t.word) {
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
func (c config) policies() []Policy {
	all := []Policy{c.tool.policy}
	for _, conf := range c.configure {
		var t toolConfig
		for _, o := range conf.options {
			_ = o.applyTool(&t) // checked by Configure
		}
		if t.policy != nil {
			all = append(all, t.policy)
		}
	}
	return all
}

// checkNames tells what the options and the policies name and nothing has, in
// their order; and the selectors that hold for nothing but Assignments which they
// matched before.
func (r *Registry) checkNames(cat catalog) (unmatched []error, lasting []string) {
	r.book.set(cat)
	for _, u := range cat.unmet {
		if u.lasting {
			lasting = append(lasting, fmt.Sprintf("%s: %s %q", u.option, u.term.kind, SafeLine(u.term.word, 80)))
			continue
		}
		r.book.mu.Lock()
		err := r.book.noMatch(u.term.kind, u.term.word)
		r.book.mu.Unlock()
		unmatched = append(unmatched, fmt.Errorf("%s: %w", u.option, err))
	}
	for _, p := range r.cfg.policies() {
		if err := CheckNames(p, Names{r.book}); err != nil {
			unmatched = append(unmatched, fmt.Errorf("WithPolicy: %w", err))
		}
	}
	return unmatched, lasting
}

// problems lists what is not there, once each and without what may have been
// meant, so that it can be compared with the list of another time.
func problems(errs []error) (out []string) {
	for _, err := range errs {
		var e *NoMatchError
		switch u := err.(type) {
		case interface{ Unwrap() []error }:
			out = append(out, problems(u.Unwrap())...)
			continue
		case interface{ Unwrap() error }:
			if inner := u.Unwrap(); errors.As(inner, &e) {
				out = append(out, problems([]error{inner})...)
				continue
			}
		case *NoMatchError:
			out = append(out, u.problem())
			continue
		}
		out = append(out, SafeLine(err.Error(), 500))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// oneLine makes an error of several, with a text on one line.
func oneLine(errs []error) error { return &onLine{errors.Join(errs...)} }

type onLine struct{ err error }

func (e *onLine) Error() string { return strings.ReplaceAll(e.err.Error(), "\n", "; ") }
func (e *onLine) Unwrap() error { return e.err }
