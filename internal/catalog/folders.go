package catalog

import (
	"slices"
	"strings"

	"github.com/duvotool/duvotool/duvo"
)

// Folders are those of a team, by ID; nil: not known.
type Folders map[string]folderNode

type folderNode struct{ id, parent, path string }

// newFolders sorts folders into a tree. A folder whose parents run in a
// circle is put at the top.
func newFolders(folders []duvo.Folder) Folders {
	byID := map[string]duvo.Folder{}
	for _, f := range folders {
		byID[f.ID] = f
	}
	tree := Folders{}
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

// below reports whether a folder is the wanted one, by ID or path, or lies below
// it.
func (tree Folders) below(id, want string) bool {
	for id != "" {
		f, ok := tree[id]
		if !ok {
			return false
		}
		if f.is(want) {
			return true
		}
		id = f.parent
	}
	return false
}

func (f folderNode) is(want string) bool {
	return strings.EqualFold(f.id, want) || f.path == strings.Trim(want, "/")
}

func (tree Folders) has(path string) bool {
	for _, f := range tree {
		if f.is(path) {
			return true
		}
	}
	return false
}

// paths are those of the folders; nil: not known.
func (tree Folders) paths() []string {
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
