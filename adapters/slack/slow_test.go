package slack_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/slack"
	"github.com/duvotool/duvotool/hitl"
	api "github.com/slack-go/slack"
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

// Nobody has for ever to send the body of a delivery, whatever the server's own timeouts.
func TestADeliverysBodyIsTimed(t *testing.T) {
	h, err := slack.New(slack.Config{Client: api.New("x"), To: func(hitl.Request) string { return "" }, People: slack.Users(nil)})
	require.NoError(t, err)
	w := &bounded{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x")))
	require.Equal(t, http.StatusUnauthorized, w.Code)
	require.NotEmpty(t, w.until, "or whoever sends a byte now and then holds the connection")
}

// Who has no secret cannot fill the log.
func TestRefusedDeliveriesAreLoggedNowAndThen(t *testing.T) {
	var logged strings.Builder
	h, err := slack.New(slack.Config{Client: api.New("x"), To: func(hitl.Request) string { return "" }, People: slack.Users(nil), SigningSecret: "s",
		Log: slog.New(slog.NewTextHandler(&logged, nil))})
	require.NoError(t, err)
	for i := range 50 {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x"))
		r.Header.Set("X-Slack-Request-Timestamp", fmt.Sprint("no time ", i))
		r.Header.Set("X-Slack-Signature", "v0=00")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, http.StatusUnauthorized, w.Code)
	}
	require.Equal(t, 1, strings.Count(logged.String(), "was refused"), logged.String())
}
