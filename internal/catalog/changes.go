package catalog

import (
	"slices"
	"strings"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/outcome"
)

// Changes tells what differs between two catalogs.
func Changes(before, now *Catalog) outcome.Changes {
	c := outcome.Changes{Unmatched: NewOnes(before.missing, now.missing)}
	for _, t := range now.Entries {
		old, ok := before.byID[strings.ToLower(t.Work.Assignment.ID)]
		switch {
		case !ok:
			c.Added = append(c.Added, t.Work.Assignment)
		case old.Work.Name != t.Work.Name || old.Description != t.Description || !sameAssignment(old.Work.Assignment, t.Work.Assignment):
			c.Changed = append(c.Changed, outcome.Change{Before: old.Work.Assignment, After: t.Work.Assignment, NameBefore: old.Work.Name, NameAfter: t.Work.Name})
		}
	}
	for _, t := range before.Entries {
		if now.byID[strings.ToLower(t.Work.Assignment.ID)] == nil {
			c.Removed = append(c.Removed, t.Work.Assignment)
		}
	}
	c.Collided = NewOnes(before.collided, now.collided)
	c.Held = now.held
	return c
}

// NewOnes are those that were not there before.
func NewOnes(before, now []string) (out []string) {
	for _, n := range now {
		if !slices.Contains(before, n) {
			out = append(out, n)
		}
	}
	return out
}

func sameAssignment(a, b duvo.Assignment) bool {
	build := func(a duvo.Assignment) duvo.Build {
		if a.LatestBuild == nil {
			return duvo.Build{}
		}
		return *a.LatestBuild
	}
	x, y := build(a), build(b)
	return a.Name == b.Name && a.FolderID == b.FolderID && x.ID == y.ID && x.Description == y.Description
}
