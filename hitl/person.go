package hitl

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// PersonKey returns a person's name in the form in which names are compared: two
// that a reader cannot tell apart by their letters' case or width, by how their
// accents are composed, by their spaces or by what is invisible have one key. It
// is empty for a name in which there is nothing to see.
//
// Letters of different alphabets that look alike stay different, so By should be
// a login that the host has checked, and not a name that somebody typed.
func PersonKey(name string) string {
	seen := strings.Map(visible, strings.ToValidUTF8(name, "\ufffd"))
	// Folding may take letters apart that belong together, and the other way round.
	folded := norm.NFKC.String(strings.Map(first, cases.Fold().String(norm.NFKC.String(seen))))
	return strings.Join(strings.Fields(strings.Map(visible, folded)), " ")
}

// first returns the first of the letters that differ by their case alone.
func first(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	return least
}

// visible drops what takes no room and makes a space of all that separates.
func visible(r rune) rune {
	switch {
	case unicode.IsSpace(r), unicode.Is(unicode.Z, r), r == '\u2800': // a braille cell without dots
		return ' '
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point):
		return -1
	}
	return r
}
