package catalog

import (
	"fmt"
	"strings"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/search"
)

// Find returns the place of the entry whose tool has this name, without regard to
// case; or else of the Assignment with this ID, or, where it is the only one, with
// this exact name. It is -1 if there is none.
func (c *Catalog) Find(name string) int {
	byID, byName, several := -1, -1, false
	for i, e := range c.Entries {
		switch {
		case strings.EqualFold(e.Work.Name, name):
			return i
		case strings.EqualFold(e.Work.Assignment.ID, name):
			byID = i
		case e.Work.Assignment.Name == name:
			several = byName >= 0
			byName = i
		}
	}
	if byID >= 0 || several {
		return byID
	}
	return byName
}

// NoTool makes the error of a name that Find knows no entry for.
func (c *Catalog) NoTool(name string) *hitl.NoMatchError {
	several := false
	shown := map[string][]string{}
	for _, e := range c.Entries {
		several = several || e.Work.Assignment.Name == name
		for _, key := range []string{e.Work.Name, e.Work.Assignment.Name, e.Work.Assignment.ID} {
			shown[key] = append(shown[key], fmt.Sprintf("%q", e.Work.Name))
		}
	}
	return hitl.NoTool(name, shown, several)
}

// Renamed reports whether what somebody calls an Assignment, of which Find has found
// the entry at i or none, may have been read when it meant another one.
func (c *Catalog) Renamed(called string, i int) bool {
	id, byOwnName := "", false
	if i >= 0 {
		w := c.Entries[i].Work
		id = w.Assignment.ID
		byOwnName = !strings.EqualFold(id, called) && !strings.EqualFold(w.Name, called)
	}
	if strings.EqualFold(id, called) {
		return false
	}
	// By its own name it is the only one that ever had that name, or none.
	was, known := c.said[called]
	return c.meant.MeantAnother(called, id) || known && !strings.EqualFold(was, id) || byOwnName && !known
}

// Search finds the entries that fit words, at most limit, the best first.
func (c *Catalog) Search(query string, limit int) []search.Hit { return c.index().Find(query, limit) }

func (c *Catalog) newIndex() *search.Index {
	docs := make([][]search.Field, len(c.Entries))
	for i, e := range c.Entries {
		description := e.Description
		if e.undescribed {
			description = ""
		}
		docs[i] = []search.Field{
			{Text: e.Work.Assignment.Name, Weight: 3, Spread: 0.5},
			{Text: e.Work.Folder, Weight: 1.5, Spread: 0.3},
			{Text: description, Weight: 1, Spread: 0.6},
		}
	}
	return search.NewIndex(docs)
}
