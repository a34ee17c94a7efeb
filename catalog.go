package duvotool

import (
	"strings"

	"github.com/duvotool/duvotool/duvo"
)

// toolFor returns the tool of an Assignment, also where it is no longer offered.
func (r *Registry) toolFor(a duvo.Assignment, folder string) (*Tool, error) {
	r.mu.RLock()
	t, b := r.catalog.byID[strings.ToLower(a.ID)], r.catalog.bound
	r.mu.RUnlock()
	if t != nil {
		return t, nil
	}
	tree := folderTree{}
	if folder != "" && a.FolderID != "" {
		tree[a.FolderID] = folderNode{id: a.FolderID, path: folder}
	}
	names, _ := toolNames([]duvo.Assignment{a}, r.cfg.maxName, r.cfg.taken(nil))
	return r.newTool(a, names[a.ID], tree, b)
}
