package duvotool

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/outcome"
	"golang.org/x/text/unicode/norm"
)

// maxToolName is the strictest consumer's bound, and leastToolName what leaves room
// for words beside an ID's end.
const (
	maxToolName   = offer.MaxName
	leastToolName = 24
)

// ShortNames bounds the names of tools, in characters: 24 to 63, which is the default.
// It is for hosts that put a server's name before a tool's and bound both together:
// Cursor takes 60 with the server's name and a colon, Claude Code 64 with "mcp__", the
// server's name and "__" before it. A name that is cut ends in the end of its
// Assignment's ID, so that it stays the same when another one like it appears.
func ShortNames(max int) Option {
	return optionFunc(func(c *config) error {
		if max < leastToolName || max > maxToolName {
			return fmt.Errorf("ShortNames: %d is not between %d and %d", max, leastToolName, maxToolName)
		}
		c.maxName = max
		return nil
	})
}

// toolNames makes a name for each Assignment, by ID. Names match
// ^[a-z_][a-z0-9_-]{0,62}$, are unique, and depend on nothing but the set of
// Assignments and what taken tells. Where two would be the same, both get the end
// of their ID as a suffix, and so does one whose name is taken. A name that loses
// letters of another script gets it too, so that it neither changes when a second
// such name appears nor is mistaken for it, and so does one that is cut for the sake of
// limit, the bound of [ShortNames] (0: none).
func toolNames(all []duvo.Assignment, limit int, taken func(name, id string, suffixed bool) bool) (names map[string]string, collided []string) {
	names = map[string]string{}
	bound := maxToolName
	if limit > 0 {
		bound = limit
	}
	suffix := map[string]int{} // characters of the ID that an Assignment's name needs
	base := map[string]string{}
	for _, a := range all {
		b, lossy := slug(a.Name)
		base[a.ID] = b
		if lossy || limit > 0 && len(b) > limit {
			suffix[a.ID] = shortID
		}
	}
	name := func(id string) string {
		n := suffix[id]
		if n == 0 {
			return clip(base[id], bound)
		}
		if n > bound-2 {
			n = maxSuffix + 1
		}
		tail := idTail(id, n)
		return clip(base[id], bound-1-len(tail)) + "_" + tail
	}
	clash := map[string]bool{}
	for {
		users := map[string][]string{}
		for _, a := range all {
			n := name(a.ID)
			names[a.ID] = n
			if !slices.Contains(users[n], a.ID) {
				users[n] = append(users[n], a.ID)
			}
		}
		again := false
		for n, ids := range users {
			for _, id := range ids {
				if len(ids) < 2 && !reserved(n) && !taken(n, id, suffix[id] > 0) {
					continue
				}
				clash[id] = true
				if n := suffix[id]; n <= maxSuffix {
					suffix[id] = max(shortID, 2*n)
					again = true
				}
			}
		}
		if !again {
			break
		}
	}
	for id := range clash {
		collided = append(collided, names[id])
	}
	slices.Sort(collided)
	return names, collided
}

// reserved names are those of the registry's own tools, and one that
// adapters/langchaingo needs.
func reserved(name string) bool {
	switch name {
	case outcome.CheckTool, outcome.ContinueTool, routerToolName, runToolName, searchToolName, "duvo_call":
		return true
	}
	return false
}

// ReserveNames keeps names from Assignments, for tools of the program's own that
// are offered beside the registry's: an Assignment of such a name gets the end of
// its ID as a suffix, the same from run to run, and [outcome.Changes.Collided] tells it.
// Case does not matter. Given more than once, the names add up.
func ReserveNames(names ...string) Option {
	return optionFunc(func(c *config) error {
		if len(names) == 0 {
			return errors.New("ReserveNames: no names")
		}
		reserve := maps.Clone(c.reserve)
		if reserve == nil {
			reserve = map[string]bool{}
		}
		for _, n := range names {
			if strings.TrimSpace(n) == "" {
				return errors.New("ReserveNames: an empty name")
			}
			reserve[strings.ToLower(n)] = true
			if s, lossy := slug(n); !lossy { // as adapters write it
				reserve[s] = true
			}
		}
		c.reserve = reserve
		return nil
	})
}

// meanings tells which Assignment each tool name has stood for since the registry
// was made. A name that a model has read in a list, a search or a prompt must not
// come to stand for another one later: it is given to nobody else. A catalog's
// meanings are never changed.
type meanings map[string]string

// taken reports whether a name stands for another Assignment, or may: beyond max
// no more are remembered, and then only a name with a suffix is sure to be of the
// Assignment whose ID it ends in.
func (m meanings) taken(name, id string, suffixed bool, max int) bool {
	was, known := m[name]
	if !known {
		return len(m) >= max && !suffixed
	}
	return !strings.EqualFold(was, id)
}

// and returns the meanings with those of these tools, at most max of them.
func (m meanings) and(offered []*Tool, max int) meanings {
	out := m
	for _, t := range offered {
		if _, known := out[t.work.Name]; known || len(out) >= max {
			continue
		}
		if len(out) == len(m) { // the first new one
			out = maps.Clone(m)
			if out == nil {
				out = meanings{}
			}
		}
		out[t.work.Name] = t.work.Assignment.ID
	}
	return out
}

// andSaid is and for the Assignments' own names. A name that several have had is
// nobody's.
func (m meanings) andSaid(offered []*Tool, max int) meanings {
	out := meanings{}
	maps.Copy(out, m)
	for _, t := range offered {
		name, id := t.work.Assignment.Name, t.work.Assignment.ID
		switch was, known := out[name]; {
		case known && was != id:
			out[name] = ""
		case !known && len(out) < max:
			out[name] = id
		}
	}
	return out
}

// taken returns what [toolNames] asks, for a registry with these meanings.
func (c config) taken(m meanings) func(name, id string, suffixed bool) bool {
	return func(name, id string, suffixed bool) bool {
		return c.reserve[name] || m.taken(name, id, suffixed, 2*c.maxCatalog)
	}
}

// meantAnother reports whether what somebody calls an Assignment has been the name
// of another tool.
func (m meanings) meantAnother(said, id string) bool {
	s, _ := slug(said)
	for _, name := range []string{strings.ToLower(said), s} {
		if was, known := m[name]; known && !strings.EqualFold(was, id) {
			return true
		}
	}
	return false
}

const (
	shortID   = 6
	maxSuffix = 48
)

// idTail returns the last n letters and digits of an ID: the first ones of a
// time-ordered UUID are shared by neighbours. IDs that differ in nothing but
// other characters are told apart by a hash.
func idTail(id string, n int) string {
	if n > maxSuffix {
		sum := sha256.Sum256([]byte(id))
		return hex.EncodeToString(sum[:8])
	}
	var keep []byte
	for _, c := range []byte(strings.ToLower(id)) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			keep = append(keep, c)
		}
	}
	return string(keep[max(0, len(keep)-n):])
}

// slug turns a name into lower-case letters, digits and underscores. lossy
// tells that letters or digits were dropped which it has no form for.
func slug(name string) (s string, lossy bool) {
	var b strings.Builder
	gap := false
	for _, r := range norm.NFKD.String(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		case r >= 'A' && r <= 'Z':
			r += 'a' - 'A'
		case unicode.Is(unicode.M, r): // an accent
			continue
		default:
			if latin, ok := latinLetters[r]; ok {
				if gap && b.Len() > 0 {
					b.WriteByte('_')
				}
				gap = false
				b.WriteString(latin)
				continue
			}
			if unicode.IsLetter(r) || unicode.IsNumber(r) {
				lossy = true
			}
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('_')
		}
		gap = false
		b.WriteRune(r)
	}
	s = b.String()
	switch {
	case s == "":
		return "assignment", true
	case s[0] >= '0' && s[0] <= '9':
		s = "_" + s
	}
	return s, lossy
}

// latinLetters are Latin letters that have no decomposition.
var latinLetters = map[rune]string{
	'ß': "ss", 'ẞ': "ss", 'æ': "ae", 'Æ': "ae", 'œ': "oe", 'Œ': "oe", 'ø': "o", 'Ø': "o",
	'đ': "d", 'Đ': "d", 'ð': "d", 'Ð': "d", 'þ': "th", 'Þ': "th", 'ł': "l", 'Ł': "l", 'ı': "i", 'ŋ': "n", 'Ŋ': "n",
}

func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.TrimRight(s, "_")
}
