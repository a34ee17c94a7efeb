package duvo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/duvotool/duvotool/internal/syncbuf"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

// The key shows nowhere, whoever repeats it.
func TestTheKeyStaysSecret(t *testing.T) {
	var logged syncbuf.Buffer
	logger := WithLogger(slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})))
	echo := []string{
		`{"error":"` + testKey + `","message":"bad key ` + testKey + `","request_id":"` + testKey + `"}`,
		`{"error":{"code":"` + testKey + `","message":"Bearer ` + testKey + `"}}`,
		`{"code":"x` + testKey + `","message":"` + testKey + `"}`,
		`{"detail":"` + testKey + `"}`,
		`"` + testKey + `"`,
		`<html>Authorization: Bearer ` + testKey + `</html>`,
		strings.Repeat("x", 199-len("unexpected body: ")) + testKey,
		strings.Repeat("x", 190) + testKey,
		strings.Repeat(" ", 4090) + "x" + testKey,
		`{"error":"` + strings.Repeat("c", 125) + testKey + `","message":"` + strings.Repeat("m", 1020) + testKey + `"}`,
	}
	var all []error
	for _, body := range echo {
		for _, status := range []int{200, 302, 400, 401, 429, 500} {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
				w.Header().Set("X-Request-Id", "r-"+testKey)
				w.Header().Set("Location", "/"+testKey)
				answer(w, status, body)
			})
			c := s.client(t, logger)
			for _, mutate := range mutations {
				if err := mutate(t.Context(), c, ""); err != nil {
					all = append(all, err)
				}
			}
			_, err := c.Job(t.Context(), jobID)
			all = append(all, err)
			ts, err := New(WithTokenSource(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: testKey})), WithTeam(teamID),
				WithBaseURL(s.URL), WithHTTPClient(s.Server.Client()), WithRetries(2, 0), logger)
			require.NoError(t, err)
			_, err = ts.Job(t.Context(), jobID)
			all = append(all, err)
		}
	}
	for _, cause := range []error{
		errors.New("dump of the request: Authorization: Bearer " + testKey),
		fmt.Errorf("%w: %s", context.Canceled, testKey),
		&net.OpError{Op: "dial", Err: errors.New(testKey)},
	} {
		c, _ := stub(func(int, *http.Request) (*http.Response, error) { return nil, cause }).client(t, WithRetries(2, 0), logger)
		_, err := c.Job(t.Context(), jobID)
		require.Equal(t, errors.Is(cause, context.Canceled), errors.Is(err, context.Canceled))
		all = append(all, err)
		all = append(all, mutations["start"](t.Context(), c, ""))
	}
	half := testKey[:len(testKey)/2]
	for _, err := range all {
		require.Error(t, err)
		for e := err; e != nil; e = errors.Unwrap(e) {
			requirePresentable(t, e)
			require.NotContains(t, e.Error(), half, "nor half of it")
		}
	}
	require.NotEmpty(t, logged.String())
	require.NotContains(t, logged.String(), half)
}

// A tokens is a source whose answers a test chooses.
type tokens func(n int) (*oauth2.Token, error)

type counted struct {
	mu sync.Mutex
	n  int
	f  tokens
}

func TestTokenSource(t *testing.T) {
	make := func(t *testing.T, f tokens) (*Client, *server, *counted) {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request, n int) {
			if n%2 == 1 {
				answer(w, 429, "{}")
				return
			}
			answer(w, 200, success)
		})
		src := &counted{f: f}
		c, err := New(WithTokenSource(src), WithTeam(teamID), WithBaseURL(s.URL), WithHTTPClient(s.Server.Client()), WithRetries(4, 0))
		require.NoError(t, err)
		return c, s, src
	}
	t.Run("asked for every attempt", func(t *testing.T) {
		c, s, _ := make(t, func(n int) (*oauth2.Token, error) {
			return &oauth2.Token{AccessToken: fmt.Sprintf("t%d", n), TokenType: "mac"}, nil
		})
		require.NoError(t, mutations["start"](t.Context(), c, ""))
		require.Equal(t, "Bearer t1", s.saw()[0].header.Get("Authorization"))
		require.Equal(t, "Bearer t2", s.saw()[1].header.Get("Authorization"))
	})
	t.Run("fails once", func(t *testing.T) {
		c, s, _ := make(t, func(n int) (*oauth2.Token, error) {
			if n == 1 {
				return nil, errors.New("the issuer is away")
			}
			return &oauth2.Token{AccessToken: "t"}, nil
		})
		require.NoError(t, mutations["start"](t.Context(), c, ""))
		require.Len(t, s.saw(), 2)
	})
	for name, f := range map[string]struct {
		tokens tokens
		kind   error
		asked  int
	}{
		"fails":      {func(int) (*oauth2.Token, error) { return nil, errors.New("away\x1b[2J " + strings.Repeat("x", 1<<20)) }, ErrUnavailable, 4},
		"nil":        {func(int) (*oauth2.Token, error) { return nil, nil }, ErrUnauthorized, 1},
		"empty":      {func(int) (*oauth2.Token, error) { return &oauth2.Token{}, nil }, ErrUnauthorized, 1},
		"line break": {func(int) (*oauth2.Token, error) { return &oauth2.Token{AccessToken: "a\r\nX: y"}, nil }, ErrUnauthorized, 1},
		"refused": {func(int) (*oauth2.Token, error) {
			return nil, &oauth2.RetrieveError{Response: &http.Response{StatusCode: 400}, ErrorCode: "invalid_grant"}
		}, ErrUnauthorized, 1},
		"issuer fails": {func(int) (*oauth2.Token, error) {
			return nil, &oauth2.RetrieveError{Response: &http.Response{StatusCode: 503}}
		}, ErrUnavailable, 4},
		"issuer busy": {func(int) (*oauth2.Token, error) {
			return nil, &oauth2.RetrieveError{Response: &http.Response{StatusCode: 429}}
		}, ErrUnavailable, 4},
	} {
		t.Run(name, func(t *testing.T) {
			c, s, src := make(t, f.tokens)
			err := mutations["start"](t.Context(), c, "")
			requireKind(t, f.kind, err)
			require.False(t, MayHaveTakenEffect(err))
			requirePresentable(t, err)
			require.ErrorContains(t, err, "token source")
			require.Equal(t, f.asked, src.n)
			require.Empty(t, s.saw())
		})
	}
}
