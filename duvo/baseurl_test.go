package duvo

import (
	"testing"

	"github.com/stretchr/testify/require"
)

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
