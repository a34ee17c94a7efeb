package duvotool

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/clone"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/safetext"
	"github.com/duvotool/duvotool/internal/search"
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
	names, _ := toolNames([]duvo.Assignment{a}, r.cfg.taken(nil))
	return r.newTool(a, names[a.ID], tree, b)
}

// A catalog is what one discovery found. It is never changed.
type catalog struct {
	tools    []*Tool          // kept ones, by name
	byID     map[string]*Tool // kept ones, by ID in lower case
	collided []string
	meant    meanings         // of the names of these tools and of all that were offered before
	said     meanings         // the same of the Assignments' own names, which models read too
	accepted map[string]*Tool // as WithAcceptance last accepted them; nil without it
	held     []duvo.Assignment
	known    []duvo.Assignment // all Assignments, kept or not
	tree     folderTree        // nil: not known
	bound    bound
	unmet    []unmet
	missing  []string             // what nothing has, of the names in options and policies
	lasting  []string             // selectors that hold for what they matched before
	index    func() *search.Index // of tools, made when it is first needed
}

// discover reads the catalog. What the backend does besides returning is an error.
func (r *Registry) discover(ctx context.Context) (cat catalog, err error) {
	err = guard.Run(errDiscoverPanic, func() (err error) {
		cat, err = r.readCatalog(ctx)
		return err
	})
	if err != nil {
		return catalog{}, err
	}
	return cat, nil
}

var errDiscoverPanic = errors.New("duvotool: discovering Assignments: panic")

func (r *Registry) readCatalog(ctx context.Context) (catalog, error) {
	var all []duvo.Assignment
	seen := map[string]bool{}
	for a, err := range r.backend.Assignments(ctx) {
		if err != nil {
			return catalog{}, errtext.Errorf("duvotool: discovering Assignments: %w", err)
		}
		if a.ID == "" {
			return catalog{}, errors.New("duvotool: discovering Assignments: one has no ID")
		}
		if seen[strings.ToLower(a.ID)] {
			continue
		}
		seen[strings.ToLower(a.ID)] = true
		if all = append(all, clone.Assignment(a)); len(all) > r.cfg.maxCatalog {
			return catalog{}, errtext.Errorf("duvotool: discovering Assignments: more than %d", r.cfg.maxCatalog)
		}
	}
	var tree folderTree
	if fl, ok := r.backend.(FolderLister); ok {
		folders, err := fl.Folders(ctx)
		switch {
		case err == nil:
			tree = newFolderTree(folders)
		case r.cfg.needFolders() || r.book.NeedsFolders() || ctx.Err() != nil:
			return catalog{}, errtext.Errorf("duvotool: discovering folders: %w", err)
		default:
			r.log.WarnContext(ctx, "duvotool: the folders cannot be listed; requests will not tell them", "error", safetext.OneLine(err.Error(), 500))
		}
	}
	r.mu.RLock()
	before := r.catalog
	r.mu.RUnlock()
	names, collided := toolNames(all, r.cfg.taken(before.meant))
	cat := catalog{byID: map[string]*Tool{}, collided: collided}
	cat.tree, cat.bound = tree, r.cfg.bind(before.bound, all, tree)
	cat.unmet = r.cfg.unmet(all, tree, cat.bound)
	for _, a := range all {
		cat.known = append(cat.known, duvo.Assignment{ID: a.ID, Name: a.Name})
		if !r.cfg.keeps(a, tree) {
			continue
		}
		t, err := r.newTool(a, names[a.ID], tree, cat.bound)
		if err != nil {
			return catalog{}, err
		}
		if !cat.accept(r.cfg, before, t) {
			r.log.WarnContext(ctx, "duvotool: an Assignment is held back until it is accepted", "assignment", safetext.OneLine(a.Name, 80), "id", a.ID)
			continue
		}
		cat.tools = append(cat.tools, t)
		cat.byID[strings.ToLower(a.ID)] = t
		if t.undescribed {
			r.log.WarnContext(ctx, "duvotool: an Assignment has no description; describe its latest Build in Duvo, so that a model can choose it",
				"assignment", safetext.OneLine(a.Name, 80), "id", a.ID)
		}
	}
	slices.SortFunc(cat.tools, func(a, b *Tool) int { return strings.Compare(a.work.Name, b.work.Name) })
	cat.meant = before.meant.and(cat.tools, 2*r.cfg.maxCatalog)
	cat.said = before.said.andSaid(cat.tools, 2*r.cfg.maxCatalog)
	cat.index = sync.OnceValue(func() *search.Index { return newIndex(cat.tools) })
	return cat, nil
}

func (c config) needFolders() bool {
	need := slices.ContainsFunc(c.keep, func(s Selector) bool { return s.folders })
	return need || slices.ContainsFunc(c.configure, func(x configured) bool { return x.selector.folders })
}

func (c config) keeps(a duvo.Assignment, tree folderTree) bool {
	return len(c.keep) == 0 || slices.ContainsFunc(c.keep, func(s Selector) bool { return s.match(a, tree) })
}
