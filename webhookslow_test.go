package duvotool_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// A timed is a connection that notes until when a body may come.
type timed struct {
	*httptest.ResponseRecorder
	until []time.Time
}

func (b *timed) SetReadDeadline(t time.Time) error {
	b.until = append(b.until, t)
	return nil
}

// Nobody has for ever to send the body of a delivery, whatever the server's own timeouts.
func TestADeliverysBodyIsTimed(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	h := discover(t, d.Client(), duvotool.WithWebhook("https://example.com/hook", hookSecret)).Webhook()
	w := &timed{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x")))
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.NotEmpty(t, w.until, "or whoever sends a byte now and then holds the connection")
}
