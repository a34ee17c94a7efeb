package slack_test

import (
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
