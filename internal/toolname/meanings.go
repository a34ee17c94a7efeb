package toolname

import (
	"iter"
	"maps"
	"strings"
)

// Meanings tell which Assignment each tool name has stood for since the registry
// was made. A name that a model has read in a list, a search or a prompt must not
// come to stand for another one later: it is given to nobody else. They are
// never changed.
type Meanings map[string]string

// Taken reports whether a name stands for another Assignment, or may: beyond max
// no more are remembered, and then only a name with a suffix is sure to be of the
// Assignment whose ID it ends in.
func (m Meanings) Taken(name, id string, suffixed bool, max int) bool {
	was, known := m[name]
	if !known {
		return len(m) >= max && !suffixed
	}
	return !strings.EqualFold(was, id)
}

// And returns the meanings with those of these tools, names and IDs of Assignments,
// at most max of them.
func (m Meanings) And(offered iter.Seq2[string, string], max int) Meanings {
	out := m
	for name, id := range offered {
		if _, known := out[name]; known || len(out) >= max {
			continue
		}
		if len(out) == len(m) { // the first new one
			out = maps.Clone(m)
			if out == nil {
				out = Meanings{}
			}
		}
		out[name] = id
	}
	return out
}

// AndSaid is And for the Assignments' own names. A name that several have had is
// nobody's.
func (m Meanings) AndSaid(offered iter.Seq2[string, string], max int) Meanings {
	out := Meanings{}
	maps.Copy(out, m)
	for name, id := range offered {
		switch was, known := out[name]; {
		case known && was != id:
			out[name] = ""
		case !known && len(out) < max:
			out[name] = id
		}
	}
	return out
}

// MeantAnother reports whether what somebody calls an Assignment has been the name
// of another tool.
func (m Meanings) MeantAnother(said, id string) bool {
	s, _ := Slug(said)
	for _, name := range []string{strings.ToLower(said), s} {
		if was, known := m[name]; known && !strings.EqualFold(was, id) {
			return true
		}
	}
	return false
}
