package hitl

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
	KindID      = "ID"
	KindName    = "name"
	KindPattern = "pattern"
	KindFolder  = "folder"
	KindTool    = "tool"
)

// A NoMatchError is an ID, a name, a pattern or a folder, of an option or in a
// policy, that nothing in Duvo has. Such a mistake would leave an Assignment
// without the guard that was meant for it, so duvotool.Discover fails with it.
type NoMatchError struct {
	Kind string   `json:"kind"` // "ID", "name", "pattern", "folder" or "tool"
	Name string   `json:"name"`
	Near []string `json:"near,omitempty"` // what may have been meant, the likeliest first, made safe to print

	why  string   // it cannot be looked up; empty: it was, and is not there
	all  []string // what there is, where nothing is near and it is not much
	none bool     // there is nothing of the kind at all
}

// Error tells what is not there, and what may have been meant.
func (e *NoMatchError) Error() string {
	s := e.Problem()
	switch {
	case len(e.Near) > 0:
		s += "; is it " + strings.Join(e.Near, " or ") + "?"
	case len(e.all) == 1:
		s += "; there is only " + e.all[0]
	case len(e.all) > 0:
		s += "; there are " + strings.Join(e.all, ", ")
	case e.none && e.Kind == KindFolder:
		s += "; the team has no folders at all"
	case e.none && e.Kind == KindTool:
		s += "; the registry offers no tools at all"
	case e.none:
		s += "; the team has no Assignments at all"
	}
	return s
}

func (e *NoMatchError) Problem() string {
	name := fmt.Sprintf("%q", SafeLine(e.Name, 80))
	switch {
	case e.why != "":
		return fmt.Sprintf("the %s %s cannot be looked up: %s", e.Kind, name, e.why)
	case e.Kind == KindFolder:
		return "there is no folder " + name
	case e.Kind == KindTool:
		return ErrNoTool.Error() + ": " + name
	case e.Kind == KindPattern:
		return "no Assignment's name matches " + name
	}
	return fmt.Sprintf("no Assignment has the %s %s", e.Kind, name)
}

// ErrNoTool is a name for which Registry.Tool of package duvotool has no tool.
var ErrNoTool = errors.New("duvotool: there is no tool with this name, ID or name of an Assignment")

// Is makes that of a tool match [ErrNoTool].
func (e *NoMatchError) Is(target error) bool { return target == ErrNoTool && e.Kind == KindTool }

// NoTool makes the error of a name that no tool has. shown tells for each word
// that the name is compared with what is shown for it; several tells that the
// name is that of more than one Assignment.
func NoTool(name string, shown map[string][]string, several bool) *NoMatchError {
	e := &NoMatchError{Kind: KindTool, Name: name, none: len(shown) == 0}
	if several {
		e.why = "several Assignments have this name; give the name of a tool or an ID"
	}
	e.near(shown)
	return e
}

// A NameChecker is a [Policy] that names Assignments or folders. It is shown what
// there is when a registry is made, and after each refresh. An error of the
// first, a [*NoMatchError] from the methods of [Names], fails duvotool.Discover; those
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
type Names struct{ book *NameBook }

// A NameBook is what [Names] look up. A registry keeps one; a test of a
// [NameChecker] may make its own. It is safe for concurrent use.
type NameBook struct {
	mu          sync.Mutex
	closed      bool
	known       []duvo.Assignment
	folders     []string // nil: not known
	askedFolder bool
}

// Names returns the names that the book knows.
func (b *NameBook) Names() Names { return Names{b} }

// Set tells the book what there is: the Assignments, of which only ID and name
// count, and the paths of the folders, nil where they are not known. The slices
// are not changed any more.
func (b *NameBook) Set(known []duvo.Assignment, folders []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.known, b.folders = known, folders
	}
}

// Close forgets what there is: from now on every name is taken for a known one.
func (b *NameBook) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed, b.known, b.folders = true, nil, nil
}

// NeedsFolders reports whether a policy names folders.
func (b *NameBook) NeedsFolders() bool {
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
func (n Names) HaveIDs(ids ...string) error { return n.have(KindID, ids) }

// HaveNames returns a [*NoMatchError] for each name that no Assignment has. Names
// count exactly.
func (n Names) HaveNames(names ...string) error { return n.have(KindName, names) }

// HaveFolders returns a [*NoMatchError] for each path, as in "Support/Refunds",
// that no folder has.
func (n Names) HaveFolders(paths ...string) error { return n.have(KindFolder, paths) }

func (n Names) have(kind string, words []string) error {
	if n.book == nil {
		return nil
	}
	n.book.mu.Lock()
	defer n.book.mu.Unlock()
	n.book.askedFolder = n.book.askedFolder || kind == KindFolder
	var errs []error
	for _, w := range words {
		if !n.book.closed && !n.book.has(kind, w) {
			errs = append(errs, n.book.noMatch(kind, w))
		}
	}
	return errors.Join(errs...)
}

func (b *NameBook) has(kind, word string) bool {
	switch kind {
	case KindID:
		return slices.ContainsFunc(b.known, func(k duvo.Assignment) bool { return strings.EqualFold(k.ID, word) })
	case KindFolder:
		return slices.Contains(b.folders, strings.Trim(word, "/"))
	}
	return slices.ContainsFunc(b.known, func(k duvo.Assignment) bool { return k.Name == word })
}

// maxNearNames is how many near names an error tells, and maxToldNames how many there
// may be for it to tell them all where none is near.
const (
	maxNearNames = 3
	maxToldNames = 5
)

// NoMatch makes the error of a word of one of the kinds that nothing has.
func (b *NameBook) NoMatch(kind, word string) *NoMatchError {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.noMatch(kind, word)
}

// noMatch is NoMatch with mu held.
func (b *NameBook) noMatch(kind, word string) *NoMatchError {
	e := &NoMatchError{Kind: kind, Name: word}
	if kind == KindFolder && b.folders == nil {
		e.why = "the folders could not be listed"
		return e
	}
	e.none = kind == KindFolder && len(b.folders) == 0 || kind != KindFolder && len(b.known) == 0
	shown := map[string][]string{} // by what the word is compared with
	add := func(key, text string) { shown[key] = append(shown[key], text) }
	switch kind {
	case KindFolder:
		for _, f := range b.folders {
			add(f, fmt.Sprintf("%q", SafeLine(f, 80)))
		}
	case KindID:
		for _, k := range b.known {
			text := fmt.Sprintf("%s (%q)", SafeLine(k.ID, 64), SafeLine(k.Name, 80))
			add(k.ID, text)
			add(k.Name, text)
		}
	default:
		for _, k := range b.known {
			add(k.Name, fmt.Sprintf("%q", SafeLine(k.Name, 80)))
		}
	}
	e.near(shown)
	return e
}

// near finds what may have been meant, or else keeps all that there is, if that is
// little. The keys are what the word is compared with, the values what is shown for
// them.
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
	if len(e.Near) == 0 && e.why == "" {
		e.fewOf(shown)
	}
}

// fewOf keeps all that there is, unless that is more than a line should hold.
func (e *NoMatchError) fewOf(shown map[string][]string) {
	for _, texts := range shown {
		for _, text := range texts {
			if !slices.Contains(e.all, text) {
				e.all = append(e.all, text)
			}
		}
	}
	slices.Sort(e.all)
	if len(e.all) > maxToldNames {
		e.all = nil
	}
}
