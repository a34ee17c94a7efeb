package inbox_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/stretchr/testify/require"
)

// A bounded is a connection that notes until when a body may come.
type bounded struct {
	*httptest.ResponseRecorder
	until []time.Time
}

func (b *bounded) SetReadDeadline(t time.Time) error {
	b.until = append(b.until, t)
	return nil
}

// Who is not signed in has not for ever to send what they post, whatever the server's own
// timeouts.
func TestABodyIsTimed(t *testing.T) {
	h, err := inbox.New(inbox.Config{Registries: []inbox.Registry{newCrowd(1)}, May: inbox.Everyone,
		Person: func(*http.Request) (inbox.Person, error) { return inbox.Person{}, inbox.ErrNotSignedIn }})
	require.NoError(t, err)
	defer h.Close()
	w := &bounded{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/requests/x", strings.NewReader("x")))
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.NotEmpty(t, w.until, "or whoever sends a byte now and then holds the connection")
}
