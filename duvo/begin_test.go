package duvo

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

type tokenFunc func() (*oauth2.Token, error)

func (f tokenFunc) Token() (*oauth2.Token, error) { return f() }

// secured serves TLS with HTTP/1 or HTTP/2, and counts POSTs.
func secured(t *testing.T, http2 bool, posts chan<- string) *httptest.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posts <- r.Proto
		}
		answer(w, http.StatusOK, runBody("running", ""))
	}))
	s.EnableHTTP2 = http2
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// A request whose caller leaves while something stands between the call and the
// first byte on the wire is not sent, and says so.
func TestTooLateIsNotSent(t *testing.T) {
	for name, proto := range map[string]bool{"HTTP/1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			for what, slow := range map[string]func(leave func(), h *http.Transport) []Option{
				"the token source": func(leave func(), _ *http.Transport) []Option {
					return []Option{WithTokenSource(tokenFunc(func() (*oauth2.Token, error) {
						leave()
						return &oauth2.Token{AccessToken: testKey}, nil
					}))}
				},
				"a transport around ours": func(leave func(), _ *http.Transport) []Option {
					return []Option{WithTransport(func(next http.RoundTripper) http.RoundTripper {
						return roundTrip(func(r *http.Request) (*http.Response, error) { leave(); return next.RoundTrip(r) })
					})}
				},
				"a transport beneath ours": func(leave func(), h *http.Transport) []Option {
					return []Option{WithHTTPClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
						leave()
						return h.RoundTrip(r)
					})})}
				},
				"dialling": func(leave func(), h *http.Transport) []Option {
					h.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
						leave()
						return (&net.Dialer{}).DialContext(ctx, network, addr)
					}
					return nil
				},
				"TLS": func(leave func(), h *http.Transport) []Option {
					h.TLSClientConfig.VerifyConnection = func(tls.ConnectionState) error { leave(); return nil }
					return nil
				},
			} {
				t.Run(what, func(t *testing.T) {
					posts := make(chan string, 10)
					s := secured(t, proto, posts)
					h := &http.Transport{ForceAttemptHTTP2: proto, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // a test's server
					t.Cleanup(h.CloseIdleConnections)
					caller, leave := context.WithCancel(t.Context())
					opts := []Option{WithBaseURL(s.URL), WithTeam(teamID), WithHTTPClient(&http.Client{Transport: h})}
					opts = append(opts, slow(leave, h)...)
					if what != "the token source" {
						opts = append(opts, WithAPIKey(testKey))
					}
					c, err := New(opts...)
					require.NoError(t, err)
					_, err = c.StartJob(NotAfter(t.Context(), time.Time{}, caller), StartJob{AssignmentID: agentID})
					require.ErrorIs(t, err, ErrTooLate)
					require.False(t, MayHaveTakenEffect(err))
					require.Empty(t, posts)
					_, err = c.StartJob(t.Context(), StartJob{AssignmentID: agentID}) // one without a limit goes out
					require.NoError(t, err)
					require.Equal(t, map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[proto], <-posts)
					require.Empty(t, posts)
				})
			}
		})
	}
}

// Over a connection that is there already, too, nothing is written.
func TestTooLateOnAKeptConnection(t *testing.T) {
	posts := make(chan string, 10)
	s := secured(t, false, posts)
	h := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // a test's server
	t.Cleanup(h.CloseIdleConnections)
	c := newClient(t, WithBaseURL(s.URL), WithHTTPClient(&http.Client{Transport: h}))
	_, err := c.Job(t.Context(), jobID)
	require.NoError(t, err)
	caller, leave := context.WithCancel(t.Context())
	kept := false
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { kept = i.Reused; leave() }})
	_, err = c.StartJob(NotAfter(ctx, time.Time{}, caller), StartJob{AssignmentID: agentID})
	require.ErrorIs(t, err, ErrTooLate)
	require.False(t, MayHaveTakenEffect(err))
	require.True(t, kept)
	require.Empty(t, posts)
}

// What has begun is not disturbed.
func TestBegunInTime(t *testing.T) {
	for name, beneath := range map[string]func(http.RoundTripper) http.RoundTripper{
		"net/http's": func(h http.RoundTripper) http.RoundTripper { return h },
		"another": func(h http.RoundTripper) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) { return h.RoundTrip(r) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			caller, leave := context.WithCancel(t.Context())
			s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
				leave()
				answer(w, http.StatusCreated, runBody("pending", ""))
			})
			h := &http.Transport{}
			t.Cleanup(h.CloseIdleConnections)
			job, err := s.client(t, WithHTTPClient(&http.Client{Transport: beneath(h)})).StartJob(NotAfter(t.Context(), time.Now().Add(time.Hour), caller), StartJob{AssignmentID: agentID, Message: "x"})
			require.NoError(t, err)
			require.Equal(t, jobID, job.ID)
			require.Len(t, s.saw(), 1)
			require.Contains(t, s.saw()[0].body, `"message":"x"`)
			require.EqualValues(t, len(s.saw()[0].body), s.saw()[0].length)
		})
	}
}

// The moment is kept to while a connection is being dialled, which goes on for
// ever, and what comes after it is not sent.
func TestTooLateByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			time.Sleep(time.Minute)
			return nil, context.Canceled
		}}
		c := newClient(t, WithHTTPClient(&http.Client{Transport: h}), WithTimeout(30*time.Second))
		begin := time.Now()
		ctx := NotAfter(t.Context(), begin.Add(5*time.Second), nil)
		_, err := c.StartJob(ctx, StartJob{AssignmentID: agentID})
		require.ErrorIs(t, err, ErrTooLate)
		require.False(t, MayHaveTakenEffect(err))
		require.Equal(t, 5*time.Second, time.Since(begin).Truncate(time.Second))
		require.ErrorIs(t, MayBegin(ctx), ErrTooLate)
		require.NoError(t, MayBegin(t.Context()))
		time.Sleep(time.Minute) // net/http's dialling ends by itself
	})
}
