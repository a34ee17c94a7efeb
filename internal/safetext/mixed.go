package safetext

import (
	"unicode"
	"unicode/utf8"
)

// lookAlikes are the scripts whose letters pass for Latin ones.
var lookAlikes = []*unicode.RangeTable{unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee, unicode.Coptic, unicode.Lisu}

// A speller looks at words as a whole: in one that mixes Latin letters with
// letters that pass for them, those are shown by number. Its zero value is
// ready for the start of a text.
type speller struct {
	end   int // of the word that was looked at last
	mixed bool
}

// hides reports whether the character r at s[i] hides in its word.
func (p *speller) hides(s string, i int, r rune) bool {
	if r < utf8.RuneSelf && i < p.end {
		return false
	}
	if i >= p.end {
		p.look(s, i)
	}
	return p.mixed && i < p.end && unicode.In(r, lookAlikes...)
}

func (p *speller) look(s string, from int) {
	latin, other := false, false
	end := from
	for i, r := range s[from:] {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) {
			break
		}
		latin = latin || unicode.Is(unicode.Latin, r)
		other = other || unicode.In(r, lookAlikes...)
		end = from + i + utf8.RuneLen(r)
	}
	p.end, p.mixed = end, latin && other
}
