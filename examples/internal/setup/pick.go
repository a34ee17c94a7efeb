package setup

import (
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"
)

// Pick returns the name whose text fits best: each word that it shares counts
// the more, the fewer others have it. It returns "" where there is none.
func Pick(text string, about map[string]string) (winner string) {
	wordsOf, users := map[string]map[string]bool{}, map[string]int{}
	for name, own := range about {
		wordsOf[name] = words(own)
		for w := range wordsOf[name] {
			users[w]++
		}
	}
	wanted, top := words(text), -1.0
	for _, name := range slices.Sorted(maps.Keys(about)) {
		score := 0.0
		for w := range wanted {
			if wordsOf[name][w] {
				score += math.Log(1 + float64(len(about))/float64(users[w]))
			}
		}
		// Long descriptions share words by chance.
		score /= math.Sqrt(float64(10 + len(wordsOf[name])))
		if score > top {
			winner, top = name, score
		}
	}
	return winner
}

// words returns the words of a text without case and plain endings, and
// without those that tell nothing.
func words(text string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if len(w) < 3 || tellsNothing[w] {
			continue
		}
		for _, end := range []string{"ing", "ed", "es", "s"} {
			if s, ok := strings.CutSuffix(w, end); ok && len(s) >= 3 {
				w = s
				break
			}
		}
		out[strings.TrimSuffix(w, "e")] = true
	}
	return out
}

var tellsNothing = map[string]bool{
	"the": true, "and": true, "for": true, "with": true, "that": true, "this": true, "are": true, "was": true, "has": true,
	"have": true, "you": true, "your": true, "our": true, "from": true, "not": true, "but": true, "any": true, "all": true,
	"can": true, "will": true, "its": true, "their": true, "them": true, "who": true, "what": true, "when": true, "which": true,
	"assignment": true, "duvo": true, "use": true, "about": true, "into": true, "after": true, "then": true, "please": true,
}
