package inbox_test

import (
	"net/http"
	"testing"

	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/internal/inbody/inbodytest"
	"github.com/stretchr/testify/require"
)

// Who is not signed in has not for ever to send what they post, whatever the server's own
// timeouts.
func TestABodyIsTimed(t *testing.T) {
	h, err := inbox.New(inbox.Config{Registries: []inbox.Registry{newCrowd(1)}, May: inbox.Everyone,
		Person: func(*http.Request) (inbox.Person, error) { return inbox.Person{}, inbox.ErrNotSignedIn }})
	require.NoError(t, err)
	defer h.Close()
	inbodytest.Timed(t, h, "/requests/x", http.StatusUnauthorized)
}
