package duvotool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// echoing is a server, or a proxy before it, that repeats what it refuses.
type echoing struct {
	token  *string
	status int
}

// RoundTrip refuses starts, and repeats what it refuses, as servers' validators do.
func (e echoing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost {
		return http.DefaultTransport.RoundTrip(r)
	}
	b, _ := io.ReadAll(r.Body)
	text := string(b)
	if i := strings.Index(text, "https://hook.example.com"); i >= 0 {
		u, _ := url.Parse(text[i : i+strings.IndexByte(text[i:], '"')])
		for _, v := range u.Query() {
			*e.token = v[0]
		}
		return &http.Response{StatusCode: e.status, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
			Body: io.NopCloser(strings.NewReader(`{"message":"webhook_url ` + u.String() + ` cannot be reached"}`))}, nil
	}
	return nil, errors.New("what is this: " + text)
}

// The token of a webhook's URL is in no log, error, event, and is not told to a model.
func TestAWebhooksTokenStaysInside(t *testing.T) {
	t.Run("refused", func(t *testing.T) { tokenStaysInside(t, 400) })
	t.Run("forbidden", func(t *testing.T) { tokenStaysInside(t, 403) })
}

func tokenStaysInside(t *testing.T, status int) {
	d := duvotest.NewServer(duvotest.WithAssignments(duvotest.Assignment{Name: "one"}))
	defer d.Close()
	token := ""
	c, err := duvo.New(duvo.WithAPIKey(d.Key()), duvo.WithTeam(d.TeamID()), duvo.WithBaseURL(d.URL), duvo.WithHTTPClient(&http.Client{Transport: echoing{&token, status}}))
	require.NoError(t, err)
	var logged, events strings.Builder
	reg, err := duvotool.Discover(t.Context(), c, duvotool.WithWebhook("https://hook.example.com/h", "whsec_U0VDUkVUU0VDUkVUU0VDUkVUU0VDUkVU"),
		duvotool.WithLogger(slog.New(slog.NewTextHandler(&logged, nil))), duvotool.WithObserver(func(e outcome.Event) { fmt.Fprintf(&events, "%s %v", e, e.Err) }))
	require.NoError(t, err)
	out, err := reg.All()[0].Call(t.Context(), "x")
	require.NotEmpty(t, token)
	require.NotContains(t, out, token, "the model reads it")
	require.Contains(t, out+fmt.Sprint(err), "cannot be reached", "why is told all the same")
	_, err = reg.All()[0].Run(t.Context(), "x")
	require.NotContains(t, fmt.Sprint(err), token, "the error")
	if status == 403 {
		require.ErrorIs(t, err, duvo.ErrForbidden)
		var api *duvo.APIError
		require.ErrorAs(t, err, &api)
		require.Equal(t, status, api.Status)
		require.NotContains(t, api.Error(), token, "the error within")
	}
	require.NoError(t, reg.Close(context.Background()))
	require.NotContains(t, logged.String(), token, "the log")
	require.NotContains(t, events.String(), token, "the events")
}
