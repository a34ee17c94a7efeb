package langchaingo

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/tmc/langchaingo/tools"
)

// renamed is a tool of the registry under another name.
type renamed struct {
	*duvotool.Tool
	name string
}

func (r renamed) Name() string { return r.name }

// assignmentOf returns the ID of the Assignment that a tool hands work to; empty
// for other tools.
func assignmentOf(t tools.Tool) string {
	if own, ok := t.(interface{ Assignment() duvo.Assignment }); ok {
		return own.Assignment().ID
	}
	return ""
}

const (
	shortID = 6    // letters of an ID in a name, as in the registry's own names
	maxTold = 1024 // names that are logged

	hashBytes = 10 // of a hash of an ID in a name, where the ID itself does not do
)

// apart gives the Assignments whose names the program's own tools have, or an
// earlier one of a source that joins several registries, another one: with the end
// of their ID, so that it is the same in every run. So it does with one whose name has
// been another Assignment's: a model that has read a name goes on meaning that one. The
// slice is the caller's.
func (a *Agent) apart(source []tools.Tool) []tools.Tool {
	out := slices.Clone(source)
	kept, all := map[string]bool{}, map[string]bool{} // names that are somebody's, and all that there are
	for _, t := range a.more {
		kept[key(t)] = true
	}
	for _, t := range source {
		all[key(t)] = true
		if _, own := t.(*duvotool.Tool); !own {
			kept[key(t)] = true
		}
	}
	maps.Copy(all, kept)
	a.mu.Lock()
	for name := range a.meant {
		all[name] = true
	}
	a.mu.Unlock()
	for i, t := range source {
		own, ok := t.(*duvotool.Tool)
		switch {
		case ok && (kept[key(t)] || a.meansAnother(t)):
			name := otherName(own.Name(), own.Assignment().ID, a.takenFrom(all, own.Assignment().ID))
			out[i] = renamed{own, name}
			all[key(out[i])] = true
			a.tellName(own, name)
		case ok:
			kept[key(t)] = true
		}
		if ok {
			a.remember(out[i])
		}
	}
	return out
}

// takenFrom are the names that an Assignment cannot have: all but those that have stood
// for it.
func (a *Agent) takenFrom(all map[string]bool, id string) map[string]bool {
	out := maps.Clone(all)
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, was := range a.meant {
		if strings.EqualFold(was, id) {
			delete(out, name)
		}
	}
	return out
}

// maxMeant bounds the names that an agent remembers.
const maxMeant = 200_000

// remember keeps which Assignment a name stands for, for as long as the agent lives:
// the registry remembers only the names that it has given itself.
func (a *Agent) remember(t tools.Tool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.meant[key(t)]; !known && len(a.meant) < maxMeant {
		a.meant[key(t)] = assignmentOf(t)
	}
}

// meansAnother reports whether the name of a tool has stood for another Assignment.
func (a *Agent) meansAnother(t tools.Tool) bool {
	id := a.meantBy(key(t))
	return id != "" && !strings.EqualFold(id, assignmentOf(t))
}

// meantBy returns the ID of the Assignment that a name has stood for first, by its key;
// empty: none that is remembered.
func (a *Agent) meantBy(name string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.meant[name]
}

// key is what two tools must not share.
func key(t tools.Tool) string { return strings.ToUpper(functionName(t.Name())) }

// otherName makes a name that is not taken.
func otherName(name, id string, taken map[string]bool) string {
	var tail []byte
	for _, c := range []byte(strings.ToLower(id)) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			tail = append(tail, c)
		}
	}
	for n := shortID; ; n *= 2 {
		end := string(tail[max(0, len(tail)-n):])
		other := name[:max(0, min(len(name), maxName-1-len(end)))] + "_" + end
		if !taken[strings.ToUpper(other)] {
			return other
		}
		if n >= len(tail) {
			break // the names of others end in it too: whoever names Assignments can see to that
		}
	}
	for n := 0; ; n++ { // as many as there are names taken, at most
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", id, n))
		end := hex.EncodeToString(sum[:hashBytes])
		other := name[:max(0, min(len(name), maxName-1-len(end)))] + "_" + end
		if !taken[strings.ToUpper(other)] {
			return other
		}
	}
}

// tellName logs that an Assignment is offered under another name, once.
func (a *Agent) tellName(t *duvotool.Tool, name string) {
	id := t.Assignment().ID
	a.mu.Lock()
	tell := !a.told[id] && len(a.told) < maxTold
	if tell {
		a.told[id] = true
	}
	a.mu.Unlock()
	if tell {
		a.log.Warn("langchaingo: the program has a tool of that name, so an Assignment is offered under another one; see duvotool.ReserveNames",
			"assignment", hitl.SafeLine(t.Assignment().Name, 80), "assignment_id", id, "name", t.Name(), "offered_as", name)
	}
}
