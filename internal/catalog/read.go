package catalog

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/clone"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/safetext"
	"github.com/duvotool/duvotool/internal/toolname"
)

// maxBytes bounds the text of all Assignments: what is kept of a catalog is kept as
// long as the registry.
const maxBytes = 64 << 20

// A Source is what a catalog is read from.
type Source interface {
	Assignments(context.Context) iter.Seq2[duvo.Assignment, error]
}

// A FolderSource is a [Source] that knows folders.
type FolderSource interface {
	Folders(context.Context) ([]duvo.Folder, error)
}

// Read makes the catalog that follows on before. Where neither the rules nor the
// policies that look names up in the book go by folders, it is no error that they
// cannot be listed.
func Read(ctx context.Context, from Source, rules Rules, before *Catalog, book *hitl.NameBook, log *slog.Logger) (*Catalog, error) {
	all, err := readAssignments(ctx, from, rules.Max)
	if err != nil {
		return nil, err
	}
	tree, err := readFolders(ctx, from, func() bool { return rules.NeedFolders() || book.NeedsFolders() }, log)
	if err != nil {
		return nil, err
	}
	names, collided := toolname.Make(all, rules.MaxName, rules.taken(before.meant))
	c := &Catalog{byID: map[string]*Entry{}, collided: collided, tree: tree, bound: rules.bind(before.bound, all, tree)}
	c.unmet = rules.unmet(all, tree, c.bound)
	for _, a := range all {
		c.known = append(c.known, duvo.Assignment{ID: a.ID, Name: a.Name})
		if !rules.keeps(a, tree) {
			continue
		}
		e, err := rules.entry(a, names[a.ID], tree[a.FolderID].path, rules.sets(c.bound, a, tree))
		if err != nil {
			return nil, err
		}
		c.add(ctx, e, rules, before, log)
	}
	slices.SortFunc(c.Entries, func(a, b *Entry) int { return cmp.Compare(a.Work.Name, b.Work.Name) })
	c.meant = before.meant.And(c.toolNames, 2*rules.Max)
	c.said = before.said.AndSaid(c.ownNames, 2*rules.Max)
	c.index = sync.OnceValue(c.newIndex)
	return c, nil
}

// add takes an entry into a catalog that is being made, if it is accepted.
func (c *Catalog) add(ctx context.Context, e *Entry, rules Rules, before *Catalog, log *slog.Logger) {
	a := e.Work.Assignment
	if !c.accept(rules, before, e) {
		log.WarnContext(ctx, "duvotool: an Assignment is held back until it is accepted", "assignment", safetext.OneLine(a.Name, 80), "assignment_id", a.ID)
		return
	}
	c.Entries = append(c.Entries, e)
	c.byID[strings.ToLower(a.ID)] = e
	if e.undescribed {
		log.WarnContext(ctx, "duvotool: an Assignment has no description; describe its latest Build in Duvo, so that a model can choose it",
			"assignment", safetext.OneLine(a.Name, 80), "assignment_id", a.ID)
	}
}

func readAssignments(ctx context.Context, from Source, most int) (all []duvo.Assignment, err error) {
	seen := map[string]bool{}
	size := 0
	for a, err := range from.Assignments(ctx) {
		if err != nil {
			return nil, errtext.Errorf("duvotool: discovering Assignments: %w", err)
		}
		if a.ID == "" {
			return nil, errors.New("duvotool: discovering Assignments: one has no ID")
		}
		if seen[strings.ToLower(a.ID)] {
			continue
		}
		seen[strings.ToLower(a.ID)] = true
		if all = append(all, clone.Assignment(a)); len(all) > most {
			return nil, errtext.Errorf("duvotool: discovering Assignments: more than %d", most)
		}
		if size += sizeOf(a); size > maxBytes {
			return nil, errtext.Errorf("duvotool: discovering Assignments: the first %d have more than %d bytes of text", len(all), maxBytes)
		}
	}
	return all, nil
}

func readFolders(ctx context.Context, from Source, need func() bool, log *slog.Logger) (Folders, error) {
	fs, ok := from.(FolderSource)
	if !ok {
		return nil, nil
	}
	folders, err := fs.Folders(ctx)
	switch {
	case err == nil:
		return newFolders(folders), nil
	case need() || ctx.Err() != nil:
		return nil, errtext.Errorf("duvotool: discovering folders: %w", err)
	}
	log.WarnContext(ctx, "duvotool: the folders cannot be listed; requests will not tell them", "error", safetext.OneLine(err.Error(), 500))
	return nil, nil
}

// sizeOf is how many bytes of text an Assignment has.
func sizeOf(a duvo.Assignment) int {
	n := len(a.ID) + len(a.Name) + len(a.TeamID) + len(a.FolderID)
	if b := a.LatestBuild; b != nil {
		n += len(b.ID) + len(b.Name) + len(b.Revision) + len(b.Description) + len(b.Status)
	}
	return n
}
