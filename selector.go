package duvotool

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/duvo"
)

// A Selector picks Assignments, for [Keep] and [Configure]. Names and folders
// can be changed by whoever edits Assignments in Duvo; for rules about money
// use [ByID].
type Selector struct {
	text    string
	match   func(duvo.Assignment, folderTree) bool
	folders bool // needs the folders
	err     error
}

func (s Selector) valid() error {
	if s.err != nil {
		return s.err
	}
	if s.match == nil {
		return errors.New("the selector is empty; make one with ByID, ByName, ByPattern or InFolder")
	}
	return nil
}

// String tells what the selector picks.
func (s Selector) String() string { return s.text }

// ByID picks the Assignments with these IDs.
func ByID(ids ...string) Selector {
	return selectWords("ID", ids, func(a duvo.Assignment) string { return a.ID }, strings.EqualFold)
}

// ByName picks the Assignments with exactly these names.
func ByName(names ...string) Selector {
	return selectWords("name", names, func(a duvo.Assignment) string { return a.Name }, func(a, b string) bool { return a == b })
}

func selectWords(what string, words []string, of func(duvo.Assignment) string, equal func(a, b string) bool) Selector {
	words = slices.Clone(words)
	s := Selector{text: fmt.Sprintf("%s %s", what, quoted(words))}
	if len(words) == 0 {
		s.err = fmt.Errorf("no %s given", what)
	}
	for _, w := range words {
		if strings.TrimSpace(w) == "" {
			s.err = fmt.Errorf("an empty %s", what)
		}
	}
	s.match = func(a duvo.Assignment, _ folderTree) bool {
		for _, w := range words {
			if equal(of(a), w) {
				return true
			}
		}
		return false
	}
	return s
}

// ByPattern picks the Assignments whose whole name matches the regular
// expression, in the syntax of package regexp.
func ByPattern(pattern string) Selector {
	re, err := wholePattern(pattern)
	if err != nil {
		return Selector{err: fmt.Errorf("pattern: %w", err)}
	}
	return Selector{text: fmt.Sprintf("name matching %q", pattern),
		match: func(a duvo.Assignment, _ folderTree) bool { return re.MatchString(a.Name) }}
}

// InFolder picks the Assignments in these folders and in the folders below
// them. A folder is named by its ID or by its path, as in "Support/Refunds".
func InFolder(folders ...string) Selector {
	folders = slices.Clone(folders)
	s := Selector{text: "folder " + quoted(folders), folders: true}
	if len(folders) == 0 {
		s.err = errors.New("no folder given")
	}
	s.match = func(a duvo.Assignment, tree folderTree) bool {
		for id := a.FolderID; id != ""; {
			f, ok := tree[id]
			if !ok {
				return false
			}
			for _, want := range folders {
				if strings.EqualFold(f.id, want) || f.path == strings.Trim(want, "/") {
					return true
				}
			}
			id = f.parent
		}
		return false
	}
	return s
}

// A folderTree holds the folders by ID.
type folderTree map[string]folderNode

type folderNode struct{ id, parent, path string }

// newFolderTree sorts folders into a tree. A folder whose parents run in a
// circle is put at the top.
func newFolderTree(folders []duvo.Folder) folderTree {
	byID := map[string]duvo.Folder{}
	for _, f := range folders {
		byID[f.ID] = f
	}
	tree := folderTree{}
	for _, f := range folders {
		path, parent := f.Name, f.ParentID
		seen := map[string]bool{f.ID: true}
		for p := f.ParentID; p != ""; p = byID[p].ParentID {
			if seen[p] {
				path, parent = f.Name, ""
				break
			}
			seen[p] = true
			if _, ok := byID[p]; !ok {
				break
			}
			path = byID[p].Name + "/" + path
		}
		tree[f.ID] = folderNode{f.ID, parent, path}
	}
	return tree
}
