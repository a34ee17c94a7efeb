package search

import (
	"strings"
	"unicode/utf8"
)

// alike returns the words of the index that an unknown word may mean, with how
// much they count: those it begins or that begin it, compounds of it, and,
// where there are none, those it misspells.
func (x *Index) alike(word string) map[string]float64 {
	out := map[string]float64{}
	n := utf8.RuneCountInString(word)
	if n < 3 {
		return out
	}
	root := stem(word)
	for w := range x.terms {
		m := utf8.RuneCountInString(w)
		switch {
		case noise[w]:
		case n >= 3 && strings.HasPrefix(w, word), m >= 4 && strings.HasPrefix(word, w):
			out[w] = 0.6 * ratio(n, m)
		case n >= 4 && len(root) >= 4 && strings.HasPrefix(w, root):
			out[w] = 0.5 * ratio(n, m)
		case n >= 6 && m >= n+3 && strings.HasSuffix(w, word), m >= 6 && n >= m+3 && strings.HasSuffix(word, w):
			out[w] = 0.5 * ratio(n, m) // the last part of a compound says what it is
		}
	}
	best := 0.0
	for _, v := range out {
		best = max(best, v)
	}
	if best < 0.35 && len(relatedTo(word)) == 0 { // a word of the language is no mistake
		typos := map[string]float64{}
		allowed := 1
		if n >= 8 {
			allowed = 2
		}
		if n < 4 {
			allowed = 0
		}
		for s, words := range x.forms {
			near := len(root) >= 5 && distance(root, s, 1) <= 1
			for _, w := range words {
				if d := distance(word, w, allowed); d <= allowed {
					typos[w] = 0.7 - 0.2*float64(d)
				} else if near {
					typos[w] = 0.4
				}
			}
		}
		if len(typos) > 0 {
			return typos
		}
		for w := range x.terms { // of several mistakes, some of the letters are still in place
			if s := trigrams(word, w); n >= 6 && len(w) >= 5 && s >= 0.5 {
				typos[w] = 0.5 * s
			}
		}
		for w, v := range typos {
			out[w] = max(out[w], v)
		}
	}
	return out
}

// ratio is 1 for words of the same length and less the more they differ.
func ratio(n, m int) float64 {
	return 0.4 + 0.6*float64(min(n, m))/float64(max(n, m))
}

// distance counts the letters to insert, drop, change or swap with their
// neighbour to get from a to b; anything above most is told as most+1.
func distance(a, b string, most int) int {
	x, y := []rune(a), []rune(b)
	if abs := len(x) - len(y); abs > most || -abs > most {
		return most + 1
	}
	before, last, now := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		now[0] = i
		least := i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
			least = min(least, now[j])
		}
		if least > most {
			return most + 1
		}
		before, last, now = last, now, before
	}
	return min(last[len(y)], most+1)
}

// trigrams tells how many of their runs of three letters two words share, from
// 0 to 1.
func trigrams(a, b string) float64 {
	grams := func(s string) map[string]bool {
		r := []rune("  " + s + " ")
		m := map[string]bool{}
		for i := 0; i+3 <= len(r); i++ {
			m[string(r[i:i+3])] = true
		}
		return m
	}
	x, y := grams(a), grams(b)
	both := 0
	for g := range x {
		if y[g] {
			both++
		}
	}
	return 2 * float64(both) / float64(len(x)+len(y))
}
