package hitl_test

import (
	"testing"
	"unicode"

	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestPersonKey: one person has one key, however the name is written, and two
// people have two.
func TestPersonKey(t *testing.T) {
	for _, same := range [][]string{
		{"José Núñez", "Jose\u0301 Nu\u0301n\u0303ez", "JOSÉ NÚÑEZ", " José  Núñez\t", "José\u00a0Núñez", "José\u3000Núñez", "Jo\u200bsé Núñez\ufeff",
			"Ｊｏｓé Núñez", "Jos\u034fé Núñez", "José\u2028Núñez", "José Núñez\ufe0f", "\u202eJosé Núñez\u202c", "Jo\u00adsé Núñez", "Jo\x00sé Núñez", "José\u2800Núñez"},
		{"Straße", "STRASSE", "strasse"},
		{"ΣΊΣΥΦΟΣ", "σίσυφος", "σίσυφοσ"},
		{"ﬁnance", "finance", "FINANCE"},
		{"", " ", "\u200b", "\u3164", "\u2800", "\u200d\u00a0\ufeff", "\x00"},
	} {
		for _, name := range same {
			require.Equal(t, hitl.PersonKey(same[0]), hitl.PersonKey(name), "%q", name)
		}
	}
	require.Empty(t, hitl.PersonKey("\u200b"))
	keys := map[string]string{}
	for _, name := range []string{"kim", "kim lee", "kimlee", "jose", "josé", "kim@example.com", "kim@example.org", "кim", "k-im"} {
		require.Empty(t, keys[hitl.PersonKey(name)], name)
		keys[hitl.PersonKey(name)] = name
	}
}

// TestPersonKeyOfAKey: a key is its own, and the cases of a letter have one.
func TestPersonKeyOfAKey(t *testing.T) {
	step := rune(1)
	if testing.Short() {
		step = 17
	}
	for r := rune(0); r <= unicode.MaxRune; r += step {
		key := hitl.PersonKey(string(r))
		if again := hitl.PersonKey(key); again != key {
			t.Errorf("%q has the key %q, and that has %q", r, key, again)
		}
		if other := hitl.PersonKey(string(unicode.SimpleFold(r))); other != key && r < 0xD800 {
			t.Errorf("%q has the key %q, and in another case %q", r, key, other)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		key := hitl.PersonKey(rapid.String().Draw(t, "name"))
		require.Equal(t, key, hitl.PersonKey(key), "%q", key)
	})
}
