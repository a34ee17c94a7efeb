package duvo

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Quotation marks that a file or a shell has left around a key are told of before a
// server refuses it, and the key is not.
func TestAKeyInQuotationMarks(t *testing.T) {
	for _, k := range []string{`"dv_hunter2"`, `'dv_hunter2'`, `"dv_hunter2`, "`dv_hunter2`"} {
		_, err := New(WithAPIKey(k))
		require.ErrorContains(t, err, "quotation marks", k)
		require.NotContains(t, err.Error(), "hunter2", k)
	}
}

// A base URL that is refused for its user, or whose // was left out, is not repeated: it
// holds a password.
func TestARefusedBaseURLTellsNoPassword(t *testing.T) {
	for _, u := range []string{"https://kim:hunter2@api.example.com", "kim:hunter2@api.example.com", "//kim:hunter2@api.example.com", "ftp://kim:hunter2@api.example.com",
		"https:kim:hunter2@api.example.com", "https:/kim:hunter2@api.example.com", "https://api.example.com?key=hunter2", "https://kim:hunter2@api.exa mple.com"} {
		_, err := New(WithAPIKey("k"), WithBaseURL(u))
		require.Error(t, err, u)
		require.NotContains(t, err.Error(), "hunter2", u)
	}
}
