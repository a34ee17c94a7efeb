package toolname

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/outcome"
	"golang.org/x/text/unicode/norm"
)

// Max is the strictest consumer's bound, and Least what leaves room for words beside
// an ID's end; both in characters.
const (
	Max   = offer.MaxName
	Least = 24
)

// Make makes a name for each Assignment, by ID. Names match
// ^[a-z_][a-z0-9_-]{0,62}$, are unique, and depend on nothing but the set of
// Assignments and what taken tells. Where two would be the same, both get the end
// of their ID as a suffix, and so does one whose name is taken. A name that loses
// letters of another script gets it too, so that it neither changes when a second
// such name appears nor is mistaken for it, and so does one that is cut for the sake of
// limit, the bound that a program sets (0: none).
func Make(all []duvo.Assignment, limit int, taken func(name, id string, suffixed bool) bool) (names map[string]string, collided []string) {
	names = map[string]string{}
	bound := Max
	if limit > 0 {
		bound = limit
	}
	suffix := map[string]int{} // characters of the ID that an Assignment's name needs
	base := map[string]string{}
	for _, a := range all {
		b, lossy := Slug(a.Name)
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

// The names of the registry's own tools for the whole catalog.
const (
	Router = "duvo"
	Run    = "duvo_run"
	Search = "duvo_search"
)

// reserved names are those of the registry's own tools, and one that
// adapters/langchaingo needs.
func reserved(name string) bool {
	switch name {
	case outcome.CheckTool, outcome.ContinueTool, Router, Run, Search, "duvo_call":
		return true
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

// Slug turns a name into lower-case letters, digits and underscores. lossy
// tells that letters or digits were dropped which it has no form for.
func Slug(name string) (s string, lossy bool) {
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
