package catalog

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/wording"
)

// A Selector picks Assignments.
type Selector struct {
	text     string
	terms    []term
	folders  bool // needs the folders
	Optional bool // nothing need be there
	err      error
}

// A term is one ID, name, pattern or folder of a selector.
type term struct {
	kind  string // as in NoMatchError
	word  string
	match func(duvo.Assignment, Folders) bool
}

// Valid tells what is wrong with the selector, if anything is.
func (s Selector) Valid() error {
	if s.err != nil {
		return s.err
	}
	if len(s.terms) == 0 {
		return errors.New("the selector is empty; make one with ByID, ByName, ByPattern or InFolder")
	}
	return nil
}

// String tells what the selector picks.
func (s Selector) String() string { return s.text }

func (s Selector) match(a duvo.Assignment, tree Folders) bool {
	return slices.ContainsFunc(s.terms, func(t term) bool { return t.match(a, tree) })
}

// ByID picks the Assignments with these IDs.
func ByID(ids ...string) Selector {
	return selectWords(hitl.KindID, ids, func(a duvo.Assignment, id string) bool { return strings.EqualFold(a.ID, id) })
}

// ByName picks the Assignments with exactly these names.
func ByName(names ...string) Selector {
	return selectWords(hitl.KindName, names, func(a duvo.Assignment, name string) bool { return a.Name == name })
}

func selectWords(kind string, words []string, match func(a duvo.Assignment, word string) bool) Selector {
	words = slices.Clone(words)
	s := Selector{text: fmt.Sprintf("%s %s", kind, wording.Quoted(words))}
	if len(words) == 0 {
		s.err = fmt.Errorf("no %s given", kind)
	}
	for _, w := range words {
		if strings.TrimSpace(w) == "" {
			s.err = fmt.Errorf("an empty %s", kind)
		}
		s.terms = append(s.terms, term{kind, w, func(a duvo.Assignment, _ Folders) bool { return match(a, w) }})
	}
	return s
}

// ByPattern picks the Assignments whose whole name matches the regular
// expression, in the syntax of package regexp.
func ByPattern(pattern string) Selector {
	re, err := wording.WholePattern(pattern)
	if err != nil {
		return Selector{err: fmt.Errorf("pattern: %w", err)}
	}
	return Selector{text: fmt.Sprintf("name matching %q", pattern),
		terms: []term{{hitl.KindPattern, pattern, func(a duvo.Assignment, _ Folders) bool { return re.MatchString(a.Name) }}}}
}

// InFolder picks the Assignments in these folders and in the folders below
// them. A folder is named by its ID or by its path, as in "Support/Refunds".
func InFolder(folders ...string) Selector {
	folders = slices.Clone(folders)
	s := Selector{text: "folder " + wording.Quoted(folders), folders: true}
	if len(folders) == 0 {
		s.err = errors.New("no folder given")
	}
	for _, want := range folders {
		if strings.Trim(want, "/ ") == "" {
			s.err = errors.New("an empty folder")
		}
		s.terms = append(s.terms, term{hitl.KindFolder, want, func(a duvo.Assignment, tree Folders) bool { return tree.below(a.FolderID, want) }})
	}
	return s
}
