package duvotool

import "github.com/duvotool/duvotool/internal/catalog"

// A Selector picks Assignments, for [Keep] and [Configure]. Names and folders
// can be changed by whoever edits Assignments in Duvo: select by [ByID] where
// money is concerned, and by the others for convenience.
//
// Each ID, name, pattern and folder that a selector is made of must match
// something when the registry is made, or [Discover] fails with a
// [*hitl.NoMatchError]; see [Selector.Optional].
type Selector struct{ picks catalog.Selector }

// String tells what the selector picks.
func (s Selector) String() string { return s.picks.String() }

// Optional returns the selector as one of which nothing need be there: what it
// is for then holds as soon as it matches.
func (s Selector) Optional() Selector {
	s.picks.Optional = true
	return s
}

// ByID picks the Assignments with these IDs.
func ByID(ids ...string) Selector { return Selector{catalog.ByID(ids...)} }

// ByName picks the Assignments with exactly these names.
func ByName(names ...string) Selector { return Selector{catalog.ByName(names...)} }

// ByPattern picks the Assignments whose whole name matches the regular
// expression, in the syntax of package regexp.
func ByPattern(pattern string) Selector { return Selector{catalog.ByPattern(pattern)} }

// InFolder picks the Assignments in these folders and in the folders below
// them. A folder is named by its ID or by its path, as in "Support/Refunds".
func InFolder(folders ...string) Selector { return Selector{catalog.InFolder(folders...)} }
