package catalog

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/internal/safetext"
	"github.com/duvotool/duvotool/internal/toolname"
	"github.com/duvotool/duvotool/internal/typed"
)

// An Entry is one Assignment as it is offered. It is never changed.
type Entry struct {
	Work        *engine.Work
	Input       *typed.Input // nil: plain text
	Description string
	undescribed bool
}

// Characters of what models and logs are shown.
const (
	maxShownName = 200
	maxSummary   = 200
)

// entry makes the entry of an Assignment.
func (r Rules) entry(a duvo.Assignment, name, folder string, set func(i int) bool) (*Entry, error) {
	s := r.Tool.clone()
	for i, c := range r.Configure {
		if !set(i) {
			continue
		}
		if err := c.Set(&s); err != nil {
			return nil, errtext.Errorf("duvotool: %w", err)
		}
	}
	e := &Entry{Work: &engine.Work{Assignment: a, Name: name, Folder: folder, Settings: s.Settings}, Input: s.Input}
	if a.LatestBuild != nil {
		e.Description = safetext.OneLine(a.LatestBuild.Description, offer.MaxDescription)
	}
	if e.Description == "" {
		e.undescribed = true
		e.Description = fmt.Sprintf("The Duvo Assignment %q. Nobody has described what it does.", safetext.OneLine(a.Name, maxShownName))
	}
	e.Description = offer.Cut(e.Description, offer.MaxDescription)
	return e, r.checkOffer(e)
}

// EntryFor returns the entry of an Assignment, also where it is not offered; listed
// tells whether it is. Its folder, where that is known, goes by its path.
func (c *Catalog) EntryFor(rules Rules, a duvo.Assignment, folder string) (e *Entry, listed bool, err error) {
	if e := c.Kept(a.ID); e != nil {
		return e, true, nil
	}
	tree := Folders{}
	if folder != "" && a.FolderID != "" {
		tree[a.FolderID] = folderNode{id: a.FolderID, path: folder}
	}
	names, _ := toolname.Make([]duvo.Assignment{a}, rules.MaxName, rules.taken(nil))
	e, err = rules.entry(a, names[a.ID], tree[a.FolderID].path, rules.sets(c.bound, a, tree))
	return e, false, err
}

// sets tells which configurations are for an Assignment.
func (r Rules) sets(b bound, a duvo.Assignment, tree Folders) func(i int) bool {
	return func(i int) bool { return b.holds(i, a.ID) || r.Configure[i].Selector.match(a, tree) }
}

// checkOffer refuses an entry that cannot be offered.
func (r Rules) checkOffer(e *Entry) error {
	dialects := r.Dialects
	if len(dialects) == 0 {
		dialects = []offer.Dialect{offer.Neutral}
	}
	for _, d := range dialects {
		if _, err := e.SchemaFor(d); err != nil {
			return err
		}
	}
	return nil
}

// SchemaFor is the schema of the arguments in a dialect.
func (e *Entry) SchemaFor(d offer.Dialect) (json.RawMessage, error) {
	text, err := e.Input.SchemaFor(d)
	if err != nil {
		return nil, errtext.Errorf("duvotool: the tool %q (Assignment %q) cannot be offered: %w", e.Work.Name, safetext.OneLine(e.Work.Assignment.Name, 80), err)
	}
	return text, nil
}

// As is the entry as another one of its Assignment has it now: with the name and the
// options of its own, and all else as there. Nil: it is no longer offered, and stays
// as it was.
func (e *Entry) As(now *Entry) *Entry {
	if now == nil || now == e || sameAssignment(now.Work.Assignment, e.Work.Assignment) && now.Work.Folder == e.Work.Folder && now.Description == e.Description {
		return e // no copy for each call's operation to keep
	}
	own := e.Copy()
	own.Work.Assignment, own.Work.Folder, own.Description, own.undescribed = now.Work.Assignment, now.Work.Folder, now.Description, now.undescribed
	return own
}

// Copy returns an entry whose work may still be changed.
func (e *Entry) Copy() *Entry {
	own, w := *e, *e.Work
	own.Work = &w
	return &own
}

// Summary is a line about an entry: its name, folder, what it does, and the fields of
// its input where it has any.
func (e *Entry) Summary() string {
	var b strings.Builder
	b.WriteString(e.Work.Name)
	if e.Work.Folder != "" {
		fmt.Fprintf(&b, " (%s)", safetext.OneLine(e.Work.Folder, 80))
	}
	b.WriteString(": " + e.Input.Hint(safetext.OneLine(e.Description, maxSummary)))
	return b.String()
}
