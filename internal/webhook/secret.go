package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// minKey is the fewest bytes of a key that is taken.
const minKey = 8

// KeysOf returns the keys that a secret may stand for. What can only be
// meant in one way is mended: white space around it, such as a file's last line
// break, and the "v1," that some put before "whsec_". Text that may be meant in
// two ways, itself or as base64 whose "whsec_" was left out, is taken in both:
// whoever signs has the secret either way. What can only be a mistake is refused,
// since with it every delivery would be. No error shows the secret.
func KeysOf(secret string) ([][]byte, error) {
	s := strings.TrimSpace(secret)
	if rest, ok := strings.CutPrefix(s, "v1,"); ok && strings.HasPrefix(rest, "whsec_") {
		s = rest
	}
	switch coded, standard := strings.CutPrefix(s, "whsec_"); {
	case s == "":
		return nil, errors.New("a secret is empty")
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || !unicode.IsPrint(r) && r != ' ' }):
		return nil, errors.New("a secret has a line break or another character within it that no secret has; give several secrets one by one")
	case strings.Trim(s, "\"'`") != s:
		return nil, errors.New("a secret has quotation marks around it; leave them out")
	case strings.HasPrefix(s, "v1,"):
		return nil, errors.New(`a secret begins with "v1,", as signatures do; give what it is made with, whose form is whsec_ and then base64`)
	case standard:
		key, ok := fromBase64(coded)
		if !ok {
			return nil, errors.New("a secret that begins with whsec_ is not base64")
		}
		return longEnough(key)
	case len(s) > 6 && strings.EqualFold(s[:6], "whsec_"):
		return nil, errors.New("a secret begins with whsec_ in other letters; it must be written in small ones")
	}
	keys, err := longEnough([]byte(s))
	if key, ok := fromBase64(s); err == nil && ok && len(key) >= 2*minKey {
		keys = append(keys, key)
	}
	return keys, err
}

func longEnough(key []byte) ([][]byte, error) {
	if len(key) < minKey {
		return nil, fmt.Errorf("a secret has %d bytes; fewer than %d are no secret", len(key), minKey)
	}
	return [][]byte{key}, nil
}

// fromBase64 decodes base64 in either alphabet, with its end filled up or not.
func fromBase64(s string) ([]byte, bool) {
	s = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(s, "="))
	key, err := base64.RawStdEncoding.DecodeString(s)
	return key, err == nil
}

// IsHeaderName reports whether a header may have this name.
func IsHeaderName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}
