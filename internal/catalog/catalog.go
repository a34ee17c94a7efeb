package catalog

import (
	"strings"
	"sync"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/search"
	"github.com/duvotool/duvotool/internal/toolname"
)

// A Catalog is what one discovery found. It is never changed.
type Catalog struct {
	Entries []*Entry          // kept ones, by name
	byID    map[string]*Entry // kept ones, by ID in lower case

	meant    toolname.Meanings // of the names of these tools and of all that were offered before
	said     toolname.Meanings // the same of the Assignments' own names, which models read too
	collided []string

	accepted map[string]*Entry // as Accept last took them; nil without it
	held     []duvo.Assignment

	known []duvo.Assignment // all Assignments, kept or not
	tree  Folders
	bound bound
	unmet []unmet

	// As CheckNames has found: what nothing has, of the names in options and policies,
	// and selectors that hold for what they matched before.
	missing, Lasting []string

	index func() *search.Index // of the entries, made when it is first needed
}

// Empty is the catalog of a registry that has discovered nothing yet.
func Empty(rules Rules) *Catalog {
	c := &Catalog{bound: rules.bind(nil, nil, nil)}
	c.index = sync.OnceValue(c.newIndex)
	return c
}

// Kept returns the entry of an Assignment; nil: it is not offered.
func (c *Catalog) Kept(id string) *Entry { return c.byID[strings.ToLower(id)] }

// taken returns what [toolname.Make] asks, for a registry with these meanings.
func (r Rules) taken(m toolname.Meanings) func(name, id string, suffixed bool) bool {
	return func(name, id string, suffixed bool) bool {
		return r.Reserve[name] || m.Taken(name, id, suffixed, 2*r.Max)
	}
}

// toolNames are the names of the tools and the IDs that they stand for.
func (c *Catalog) toolNames(yield func(name, id string) bool) {
	for _, e := range c.Entries {
		if !yield(e.Work.Name, e.Work.Assignment.ID) {
			return
		}
	}
}

// ownNames are the Assignments' own names, with their IDs.
func (c *Catalog) ownNames(yield func(name, id string) bool) {
	for _, e := range c.Entries {
		if !yield(e.Work.Assignment.Name, e.Work.Assignment.ID) {
			return
		}
	}
}
