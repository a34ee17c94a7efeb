package webhook

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
)

// What can be meant in one way is that key, what in two is both, and what can only be a
// mistake is refused without a word of the secret.
func TestKeysOf(t *testing.T) {
	raw := []byte{0xfb, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	coded := base64.StdEncoding.EncodeToString(raw)
	for secret, want := range map[string][][]byte{
		"whsec_" + coded: {raw}, " v1,whsec_" + coded + "\n": {raw}, "whsec_" + base64.RawURLEncoding.EncodeToString(raw): {raw},
		coded: {[]byte(coded), raw}, "a secret of words": {[]byte("a secret of words")},
	} {
		keys, err := KeysOf(secret)
		require.NoError(t, err, secret)
		require.Equal(t, want, keys, secret)
	}
	for _, secret := range []string{"", "short", "whsec_!" + coded, "v1," + coded, `"` + coded + `"`, "WHSEC_" + coded, coded + "\n" + coded} {
		_, err := KeysOf(secret)
		require.Error(t, err, secret)
		require.NotContains(t, err.Error(), coded)
	}
}

func TestIsHeaderName(t *testing.T) {
	require.True(t, IsHeaderName("X-Duvo_Signature"))
	for _, no := range []string{"", "X Plain", "X-Plain:", "X-é", "a\nb"} {
		require.False(t, IsHeaderName(no), no)
	}
}
