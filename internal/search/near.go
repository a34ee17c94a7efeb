package search

import (
	"cmp"
	"slices"
	"strings"
)

// Near returns those of the names that a person may have meant by a word that is
// none of them, the nearest first, at most so many. Case does not count.
func Near(word string, names []string, most int) []string {
	type scored struct {
		name string
		fit  float64
	}
	var found []scored
	w := fold(word)
	for _, name := range names {
		if fit := nearness(w, fold(name)); fit > 0 && !slices.ContainsFunc(found, func(s scored) bool { return s.name == name }) {
			found = append(found, scored{name, fit})
		}
	}
	slices.SortFunc(found, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.fit, a.fit), strings.Compare(a.name, b.name))
	})
	var out []string
	for _, s := range found[:min(most, len(found))] {
		out = append(out, s.name)
	}
	return out
}

// maxNear bounds what is compared of a name: what is longer is a mistake of
// another kind.
const maxNear = 200

func fold(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if r := []rune(s); len(r) > maxNear {
		return string(r[:maxNear])
	}
	return s
}

// nearness is above 0 for two names that differ by a few letters, share most of
// their parts, or of which one holds the other.
func nearness(a, b string) float64 {
	n := max(len([]rune(a)), len([]rune(b)))
	if n == 0 || a == "" || b == "" {
		return 0
	}
	if a == b {
		return 2
	}
	allowed := max(1, n/4)
	if d := distance(a, b, allowed); d <= allowed && d < n {
		return 1 + 1 - float64(d)/float64(n)
	}
	if s := trigrams(a, b); s >= 0.4 {
		return s
	}
	if min(len(a), len(b)) >= 3 && (strings.Contains(a, b) || strings.Contains(b, a)) {
		return 0.3
	}
	return 0
}
