package duvotool

import (
	"strings"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/toolname"
)

// maxCatalogBytes bounds the text of all Assignments: what is kept of a catalog is
// kept as long as the registry.
const maxCatalogBytes = 64 << 20

// assignmentSize is how many bytes of text an Assignment has.
func assignmentSize(a duvo.Assignment) int {
	n := len(a.ID) + len(a.Name) + len(a.TeamID) + len(a.FolderID)
	if b := a.LatestBuild; b != nil {
		n += len(b.ID) + len(b.Name) + len(b.Revision) + len(b.Description) + len(b.Status)
	}
	return n
}

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
	names, _ := toolname.Make([]duvo.Assignment{a}, r.cfg.maxName, r.cfg.taken(nil))
	t, err := r.newTool(a, names[a.ID], tree, b)
	if err == nil && !r.discovered() {
		t.work.Settings.Policy = onceNamesAreChecked{r, t.work.Settings.Policy}
	}
	return t, err
}

// toolNames are the names of the tools and the IDs that they stand for.
func (cat *catalog) toolNames(yield func(name, id string) bool) {
	for _, t := range cat.tools {
		if !yield(t.work.Name, t.work.Assignment.ID) {
			return
		}
	}
}

// ownNames are the Assignments' own names, with their IDs.
func (cat *catalog) ownNames(yield func(name, id string) bool) {
	for _, t := range cat.tools {
		if !yield(t.work.Assignment.Name, t.work.Assignment.ID) {
			return
		}
	}
}

// taken returns what [toolname.Make] asks, for a registry with these meanings.
func (c config) taken(m toolname.Meanings) func(name, id string, suffixed bool) bool {
	return func(name, id string, suffixed bool) bool {
		return c.reserve[name] || m.Taken(name, id, suffixed, 2*c.maxCatalog)
	}
}
