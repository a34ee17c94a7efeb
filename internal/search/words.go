package search

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// A token is a word as it was written: of one part, or of several that are
// also one word, as in follow-up or PayPal.
type token struct{ parts []string }

func (t token) whole() string { return strings.Join(t.parts, "") }

// tokens splits text into words: at everything but letters and digits, where a
// hyphen, an apostrophe or a change of case only separates parts. Case and
// accents are dropped.
func tokens(text string) []token {
	var out []token
	var parts []string
	var part []rune
	endPart := func() {
		if len(part) > 0 {
			parts = append(parts, strings.ToLower(string(part)))
			part = nil
		}
	}
	end := func() {
		if endPart(); len(parts) > 0 {
			out = append(out, token{parts})
			parts = nil
		}
	}
	letters := []rune(norm.NFKD.String(text))
	for i, r := range letters {
		switch {
		case unicode.Is(unicode.Mn, r):
		case unbroken(r): // no spaces between words: pairs of letters stand for them
			endPart()
			if next := at(letters, i+1); unbroken(next) {
				parts = append(parts, string([]rune{r, next}))
			} else if len(parts) == 0 {
				parts = append(parts, string(r))
			}
			if !unbroken(at(letters, i+1)) {
				for _, p := range parts {
					out = append(out, token{[]string{p}})
				}
				parts = nil
			}
		case unicode.IsLetter(r) || unicode.IsNumber(r):
			prev, next := at(part, len(part)-1), at(letters, i+1)
			plural := next == 's' && !unicode.IsLetter(at(letters, i+2)) // PDFs
			if unicode.IsUpper(r) && (unicode.IsLower(prev) || unicode.IsUpper(prev) && unicode.IsLower(next) && !plural) {
				endPart()
			}
			if latin, ok := plainLetters[r]; ok {
				part = append(part, []rune(latin)...)
			} else {
				part = append(part, r)
			}
		case (r == '-' || r == '\'' || r == '’' || r == '‑' || r == '&') && len(part) > 0:
			endPart()
		default:
			end()
		}
	}
	end()
	return out
}

func at(r []rune, i int) rune {
	if i < 0 || i >= len(r) {
		return 0
	}
	return r[i]
}

// unbroken letters are of scripts that put no space between words.
func unbroken(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

var plainLetters = map[rune]string{
	'ß': "ss", 'æ': "ae", 'Æ': "ae", 'œ': "oe", 'Œ': "oe", 'ø': "o", 'Ø': "o", 'đ': "d", 'Đ': "d",
	'ð': "d", 'þ': "th", 'ł': "l", 'Ł': "l", 'ı': "i", 'ё': "е",
}

// indexed returns the words of a text; compounds and idioms both as parts and
// as one.
func indexed(text string) []string {
	var out []string
	all := tokens(text)
	for i, t := range all {
		out = append(out, t.parts...)
		if len(t.parts) > 1 {
			out = append(out, t.whole())
		}
		if i+1 < len(all) && isIdiom(t.whole()+all[i+1].whole()) {
			out = append(out, t.whole()+all[i+1].whole())
		}
	}
	return out
}

// A term is a word to look for, and how much it counts.
type term struct {
	word   string
	weight float64
}

// asked returns the words to look for, each once: without those that carry no
// meaning, unless there are no others. Compounds are looked for as one word
// where the index or the language knows it, and neighbours that make one as
// well: "money back", "back office".
func (x *Index) asked(query string) []term {
	const (
		most = 64   // of a long text, the beginning says what it is about
		part = 0.35 // of an idiom: the idiom itself says more
	)
	all := tokens(query)
	if len(all) > most {
		all = all[:most]
	}
	var words, rest []term
	take := func(w string, weight float64) {
		list := &words
		if noise[w] || len(w) == 1 && w[0] > '9' {
			list = &rest
		}
		if i := slices.IndexFunc(*list, func(t term) bool { return t.word == w }); i >= 0 {
			(*list)[i].weight = max((*list)[i].weight, weight)
			return
		}
		*list = append(*list, term{w, weight})
	}
	weights := make([]float64, len(all))
	for i := range all {
		weights[i] = 1
	}
	for i, t := range all {
		if i+1 == len(all) {
			break
		}
		switch joined := t.whole() + all[i+1].whole(); {
		case isIdiom(joined):
			take(joined, 1)
			weights[i], weights[i+1] = part, part
		case len(t.whole()) > 2 && len(all[i+1].whole()) > 2 && len(x.forms[stem(joined)]) > 0:
			take(joined, 1)
		}
	}
	for i, t := range all {
		whole := t.whole()
		if len(t.parts) == 1 || len(x.forms[stem(whole)]) > 0 || len(relatedTo(whole)) > 0 {
			if a, b, ok := x.split(whole); ok {
				take(a, weights[i])
				take(b, weights[i])
				continue
			}
			take(whole, weights[i])
			continue
		}
		for _, p := range t.parts {
			take(p, weights[i])
		}
	}
	if len(words) == 0 {
		return rest
	}
	return words
}

// split takes apart a word that the index does not know but the two halves of
// which it does: backoffice.
func (x *Index) split(word string) (a, b string, ok bool) {
	if len(x.forms[stem(word)]) > 0 || len(relatedTo(word)) > 0 {
		return "", "", false
	}
	for i := 3; i <= len(word)-3; i++ {
		if a, b := word[:i], word[i:]; len(x.terms[a]) > 0 && len(x.terms[b]) > 0 {
			return a, b, true
		}
	}
	return "", "", false
}

// noise are words that say nothing about what is looked for.
var noise = set(`a an and any anything are as at be been but by can could did do does doing each for from get gets give
	go going got had has have he her hers him his how i if in into is it its just let like ll make may me might mine more most must
	my need needs no not of off on one or our ours out over own please re s shall she should so some someone something somebody t
	than that the their theirs them then there these they this those to too up us use used using ve very want wants wanted was we
	were what when where whether which while who whom whose why will wish with within without would you your yours
	help find tool tools duvo assignment assignments task thing things way because also about again`)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}
