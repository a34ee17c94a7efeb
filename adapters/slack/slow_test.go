package slack_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/adapters/slack"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/inbody/inbodytest"
	api "github.com/slack-go/slack"
	"github.com/stretchr/testify/require"
)

// Nobody has for ever to send the body of a delivery, whatever the server's own timeouts.
func TestADeliverysBodyIsTimed(t *testing.T) {
	h, err := slack.New(slack.Config{Client: api.New("x"), To: func(hitl.Request) string { return "" }, People: slack.Users(nil)})
	require.NoError(t, err)
	inbodytest.Timed(t, h, "/", http.StatusUnauthorized)
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
