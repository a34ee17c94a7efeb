package duvo

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

// hangUp ends the connection: with a reset, or in good order.
func hangUp(t *testing.T, w http.ResponseWriter, reset bool) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok && reset {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// net/http sends a request again, without being asked and without a word, if
// it carries an Idempotency-Key and the kept connection it was written to
// drops. The server then has two of them, and one call returns.
func TestNoHiddenResend(t *testing.T) {
	// drops answers the first request and drops the connection of the second,
	// after having read it; it answers what comes on any other connection.
	drops := func(t *testing.T) *server {
		return serve(t, func(w http.ResponseWriter, _ *http.Request, n int) {
			if n == 2 {
				hangUp(t, w, false)
				return
			}
			answer(w, 200, success)
		})
	}
	for name, mutate := range mutations {
		t.Run(name, func(t *testing.T) {
			s := drops(t)
			c := s.client(t)
			_, err := c.Folders(t.Context()) // makes the connection that is kept
			require.NoError(t, err)
			err = mutate(WithoutResend(t.Context()), c, "")
			posts := 0
			for _, r := range s.saw() {
				if r.method == "POST" {
					posts++
				}
			}
			require.Equal(t, 1, posts, "POSTs that the server read")
			require.True(t, MayHaveTakenEffect(err))
			requireKind(t, ErrUnavailable, err)
		})
	}
	// The same server, the same request without our care: two, and nobody is
	// told. If this ever fails, the care can go.
	for name, body := range map[string]io.Reader{"a body that net/http can rewind": strings.NewReader("{}"), "no body": nil} {
		t.Run(name, func(t *testing.T) {
			s := drops(t)
			_, err := s.client(t).Folders(t.Context())
			require.NoError(t, err)
			req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL, body)
			require.NoError(t, err)
			req.Header.Set("Idempotency-Key", "k")
			resp, err := s.Server.Client().Do(req)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Len(t, s.saw(), 3, "a read, and the POST twice")
		})
	}
}

// failure is one way in which a request fails, and what it proves.
type failure struct {
	status  int
	body    string
	err     error
	kind    error
	effect  bool // a mutation may have taken effect
	retried bool // a read is; a mutation is if it had no effect
}

var failures = map[string]failure{
	"300":                                   {status: 300, kind: ErrInvalid, effect: true},
	"302":                                   {status: 302, kind: ErrInvalid, effect: true},
	"307":                                   {status: 307, kind: ErrInvalid, effect: true},
	"308":                                   {status: 308, kind: ErrInvalid, effect: true},
	"400":                                   {status: 400, kind: ErrInvalid},
	"401":                                   {status: 401, kind: ErrUnauthorized},
	"402":                                   {status: 402, kind: ErrInvalid},
	"403":                                   {status: 403, kind: ErrForbidden},
	"404":                                   {status: 404, kind: ErrNotFound},
	"405":                                   {status: 405, kind: ErrInvalid},
	"408":                                   {status: 408, kind: ErrUnavailable, effect: true, retried: true},
	"409":                                   {status: 409, kind: ErrConflict, effect: true},
	"410":                                   {status: 410, kind: ErrNotFound},
	"413":                                   {status: 413, kind: ErrInvalid},
	"422":                                   {status: 422, kind: ErrInvalid},
	"429":                                   {status: 429, kind: ErrRateLimited, retried: true},
	"500":                                   {status: 500, kind: ErrUnavailable, effect: true, retried: true},
	"502":                                   {status: 502, kind: ErrUnavailable, effect: true, retried: true},
	"503":                                   {status: 503, kind: ErrUnavailable, effect: true, retried: true},
	"599":                                   {status: 599, kind: ErrUnavailable, effect: true, retried: true},
	"200 with HTML":                         {status: 200, body: "<html>", kind: ErrUnavailable, effect: true, retried: true},
	"200 with half":                         {status: 200, body: `{"run":`, kind: ErrUnavailable, effect: true, retried: true},
	"no such host":                          {err: &net.DNSError{Err: "no such host", IsNotFound: true}, kind: ErrUnavailable, retried: true},
	"refused":                               {err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, kind: ErrUnavailable, retried: true},
	"no route":                              {err: &net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}, kind: ErrUnavailable, retried: true},
	"unknown authority":                     {err: &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, kind: ErrUnavailable, retried: true},
	"not TLS":                               {err: tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, kind: ErrUnavailable, retried: true},
	"an alert":                              {err: tls.AlertError(40), kind: ErrUnavailable, effect: true, retried: true},
	"reset":                                 {err: &net.OpError{Op: "read", Err: syscall.ECONNRESET}, kind: ErrUnavailable, effect: true, retried: true},
	"broken pipe":                           {err: &net.OpError{Op: "write", Err: syscall.EPIPE}, kind: ErrUnavailable, effect: true, retried: true},
	"end of file":                           {err: io.EOF, kind: ErrUnavailable, effect: true, retried: true},
	"anything else":                         {err: errors.New("http2: stream closed"), kind: ErrUnavailable, effect: true, retried: true},
	"a transport that panicked and said so": {err: fmt.Errorf("wrapped: %w", io.ErrClosedPipe), kind: ErrUnavailable, effect: true, retried: true},
}

func TestWhatAFailureProves(t *testing.T) {
	for name, f := range failures {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s := stub(func(int, *http.Request) (*http.Response, error) {
					if f.err != nil {
						return nil, f.err
					}
					return response(f.status, f.body)
				}).client(t)
				requests := func() int { n := len(s.times); s.times = nil; return n }

				_, err := c.Job(t.Context(), jobID)
				requireKind(t, f.kind, err)
				require.False(t, MayHaveTakenEffect(err), "a read has none")
				require.Equal(t, f.retried, Temporary(err))
				require.Equal(t, map[bool]int{true: 5, false: 1}[f.retried], requests())

				for name, mutate := range mutations {
					err := mutate(t.Context(), c, "")
					requireKind(t, f.kind, err)
					require.Equal(t, f.effect, MayHaveTakenEffect(err), name)
					again := f.retried && (!f.effect || slices.Contains(repeated, name))
					require.Equal(t, map[bool]int{true: 5, false: 1}[again], requests(), name)

					err = mutate(WithoutResend(t.Context()), c, "")
					requireKind(t, f.kind, err)
					require.Equal(t, f.effect, MayHaveTakenEffect(err), name)
					require.Equal(t, 1, requests(), name)
				}
				_, err = c.Job(WithoutResend(t.Context()), jobID)
				require.Error(t, err)
				require.Equal(t, 1, requests(), "a read, too")
			})
		})
	}
}

func TestWhatNeverWentOut(t *testing.T) {
	start := func(c *Client) error { return mutations["start"](t.Context(), c, "") }
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("nothing should come in") }))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.TLS = &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert}
	secure.StartTLS()
	defer secure.Close()
	trusting := func(t *testing.T) *http.Client {
		tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // a test's server
		t.Cleanup(tr.CloseIdleConnections)
		return &http.Client{Transport: tr}
	}
	plain := answers(t, 200, success)
	released := make(chan struct{})
	defer close(released)
	dialing := func(f func(ctx context.Context, network, addr string) (net.Conn, error)) *http.Client {
		return &http.Client{Transport: &http.Transport{DialContext: f}}
	}
	for name, c := range map[string]*Client{
		"refused":                      newClient(t, WithBaseURL("http://127.0.0.1:1"), WithHTTPClient(&http.Client{Transport: &http.Transport{}})),
		"a certificate not trusted":    newClient(t, WithBaseURL(secure.URL), WithHTTPClient(&http.Client{Transport: &http.Transport{}})),
		"the server ends the TLS":      newClient(t, WithBaseURL(secure.URL), WithHTTPClient(trusting(t))),
		"no TLS at all":                newClient(t, WithBaseURL("https"+strings.TrimPrefix(plain.URL, "http")), WithHTTPClient(trusting(t))),
		"a dialler with its own words": newClient(t, WithHTTPClient(dialing(func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("the tunnel is down") }))),
		"a dial without end": newClient(t, WithTimeout(200*time.Millisecond), WithRetries(1, 0), WithHTTPClient(dialing(func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-released // net/http goes on dialling after the request has ended
			return nil, ctx.Err()
		}))),
		"a proxy that refuses": newClient(t, WithHTTPClient(&http.Client{Transport: &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(answers(t, 407, "").URL) }}})),
	} {
		t.Run(name, func(t *testing.T) {
			err := start(c)
			requireKind(t, ErrUnavailable, err)
			require.False(t, MayHaveTakenEffect(err), err)
		})
	}
	require.Empty(t, plain.saw())
}

func TestWhatBrokeOff(t *testing.T) {
	for name, h := range map[string]func(t *testing.T, w http.ResponseWriter){
		"reset": func(t *testing.T, w http.ResponseWriter) { hangUp(t, w, true) },
		"close": func(t *testing.T, w http.ResponseWriter) { hangUp(t, w, false) },
		"cut": func(t *testing.T, w http.ResponseWriter) {
			w.Header().Set("Content-Length", "500")
			answer(w, 201, success[:20])
		},
		"cut within a chunk": func(t *testing.T, w http.ResponseWriter) {
			conn, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = rw.WriteString("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{\"run\":")
			_ = rw.Flush()
			_ = conn.Close()
		},
		"no HTTP": func(t *testing.T, w http.ResponseWriter) {
			conn, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = rw.WriteString("\x1b[2J" + testKey + strings.Repeat("x", 100<<10) + "\r\n\r\n")
			_ = rw.Flush()
			_ = conn.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) { h(t, w) })
			tr := &http.Transport{DisableKeepAlives: true}
			c := s.client(t, WithHTTPClient(&http.Client{Transport: tr}))
			for op, mutate := range mutations {
				err := mutate(WithoutResend(t.Context()), c, "")
				requireKind(t, ErrUnavailable, err)
				require.True(t, MayHaveTakenEffect(err), op)
				requirePresentable(t, err)
			}
			before := len(s.saw())
			_, err := c.Job(t.Context(), jobID)
			requireKind(t, ErrUnavailable, err)
			require.False(t, MayHaveTakenEffect(err))
			require.Equal(t, 4, len(s.saw())-before, "reads are tried again")
		})
	}
}

// requirePresentable asserts that an error shows no secret, is bounded and
// interprets nothing.
func requirePresentable(t *testing.T, err error) {
	t.Helper()
	for _, s := range []string{err.Error(), fmt.Sprintf("%v", err), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), fmt.Sprintf("%q", err)} {
		require.NotContains(t, s, testKey)
		require.Less(t, len(s), 16<<10)
	}
	for _, r := range err.Error() {
		require.True(t, r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f), "%U in %q", r, err.Error())
	}
}

func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := stub(func(_ int, r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		begin := time.Now()
		c, s := hang.client(t, WithTimeout(7*time.Second), WithRetries(3, 0))
		_, err := c.Job(t.Context(), jobID)
		requireKind(t, ErrUnavailable, err)
		require.NotErrorIs(t, err, context.DeadlineExceeded, "it was not the caller's")
		require.ErrorContains(t, err, "no answer within 7s")
		require.Equal(t, 21*time.Second, time.Since(begin))
		require.Len(t, s.times, 3)

		err = mutations["start"](t.Context(), c, "")
		require.True(t, MayHaveTakenEffect(err))
		require.Len(t, s.times, 4)

		// The caller's own end is told as such, and ends everything at once.
		begin = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = mutations["stop"](ctx, c, "")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, MayHaveTakenEffect(err))
		require.Equal(t, time.Second, time.Since(begin))
		require.Len(t, s.times, 5)

		_, err = c.StartJob(ctx, StartJob{AssignmentID: agentID})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.False(t, MayHaveTakenEffect(err), "nothing is sent once the context has ended")
		require.Len(t, s.times, 5)
	})
	t.Run("in the body", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, s := stub(func(_ int, r *http.Request) (*http.Response, error) {
				resp, _ := response(200, "")
				resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"run":`), endless{r.Context()}))
				return resp, nil
			}).client(t, WithTimeout(time.Second))
			err := mutations["start"](t.Context(), c, "")
			requireKind(t, ErrUnavailable, err)
			require.True(t, MayHaveTakenEffect(err))
			require.ErrorContains(t, err, "no answer within 1s")
			require.Len(t, s.times, 1)
		})
	})
	t.Run("a cause of the caller's own", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, _ := stub(func(_ int, r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, context.Cause(r.Context())
			}).client(t)
			cause := errors.New("answered elsewhere")
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() { time.Sleep(time.Second); cancel(cause) }()
			_, err := c.Job(ctx, jobID)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, cause)
			_, err = c.Job(ctx, jobID)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, cause)
		})
	})
}

type endless struct{ ctx context.Context }

func (e endless) Read([]byte) (int, error) { <-e.ctx.Done(); return 0, e.ctx.Err() }

// A later failure that did nothing does not clear an earlier one that may have.
func TestDoubtStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := stub(func(n int, _ *http.Request) (*http.Response, error) {
			if n == 1 {
				return response(500, "")
			}
			return response(403, `{"error":"forbidden"}`)
		}).client(t)
		err := c.StopJob(t.Context(), jobID)
		requireKind(t, ErrForbidden, err)
		require.True(t, MayHaveTakenEffect(err))
		var api *APIError
		require.ErrorAs(t, err, &api)
		require.Equal(t, 403, api.Status)
		require.Len(t, s.times, 2)
	})
}

func TestBackoff(t *testing.T) {
	t.Run("grows, with jitter", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			seen := map[time.Duration]bool{}
			for range 50 {
				c, s := stub(func(int, *http.Request) (*http.Response, error) { return response(503, "") }).client(t)
				_, err := c.Job(t.Context(), jobID)
				requireKind(t, ErrUnavailable, err)
				require.Len(t, s.times, 5)
				mid := 500 * time.Millisecond
				for _, w := range s.waits() {
					require.GreaterOrEqual(t, w, mid/2)
					require.LessOrEqual(t, w, mid+mid/2+time.Millisecond)
					seen[w] = true
					mid += mid / 2
				}
			}
			require.Greater(t, len(seen), 100)
		})
	})
	t.Run("never above the cap", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, most := range []time.Duration{0, time.Millisecond, 200 * time.Millisecond, 3 * time.Second} {
				c, s := stub(func(int, *http.Request) (*http.Response, error) { return response(503, "") }).client(t, WithRetries(12, most))
				_, err := c.Job(t.Context(), jobID)
				require.Error(t, err)
				require.Len(t, s.times, 12)
				for _, w := range s.waits() {
					require.LessOrEqual(t, w, most)
				}
			}
		})
	})
	t.Run("ends with the context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, s := stub(func(int, *http.Request) (*http.Response, error) {
				return response(503, `{"error":"maintenance"}`, "Retry-After", "30")
			}).client(t)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			begin := time.Now()
			_, err := c.Job(ctx, jobID)
			require.Equal(t, 10*time.Second, time.Since(begin))
			require.Len(t, s.times, 1)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, ErrUnavailable)
			require.ErrorContains(t, err, "maintenance")
			var api *APIError
			require.ErrorAs(t, err, &api)
			require.Equal(t, 503, api.Status)
		})
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	begin := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where synctest begins
	for name, c := range map[string]struct {
		header []string
		most   time.Duration
		wait   time.Duration
		told   time.Duration
		gaveUp bool
	}{
		"seconds":                {[]string{"Retry-After", "7"}, time.Minute, 7 * time.Second, 7 * time.Second, false},
		"a fraction":             {[]string{"Retry-After", "0.25"}, time.Minute, 250 * time.Millisecond, 250 * time.Millisecond, false},
		"a date":                 {[]string{"Retry-After", begin.Add(20 * time.Second).Format(http.TimeFormat)}, time.Minute, 20 * time.Second, 20 * time.Second, false},
		"a date by their clock":  {[]string{"Retry-After", begin.Add(time.Hour + 20*time.Second).Format(http.TimeFormat), "Date", begin.Add(time.Hour).Format(http.TimeFormat)}, time.Minute, 20 * time.Second, 20 * time.Second, false},
		"just the cap":           {[]string{"Retry-After", "60"}, time.Minute, time.Minute, time.Minute, false},
		"beyond the cap":         {[]string{"Retry-After", "61"}, time.Minute, 0, 61 * time.Second, true},
		"a day":                  {[]string{"Retry-After", "86400"}, time.Minute, 0, 24 * time.Hour, true},
		"for ever":               {[]string{"Retry-After", "99999999999999999999"}, time.Minute, 0, 1e9 * time.Second, true},
		"beyond a cap of none":   {[]string{"Retry-After", "1"}, 0, 0, time.Second, true},
		"the reset":              {[]string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", fmt.Sprint(begin.Add(9 * time.Second).Unix())}, time.Minute, 9 * time.Second, 9 * time.Second, false},
		"a reset beyond the cap": {[]string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", fmt.Sprint(begin.Add(90 * time.Second).Unix())}, time.Minute, 0, 90 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl, s := stub(func(n int, _ *http.Request) (*http.Response, error) {
					if n == 1 {
						return response(429, `{"error":"slow_down"}`, c.header...)
					}
					return response(200, success)
				}).client(t, WithRetries(5, c.most))
				err := mutations["start"](t.Context(), cl, "")
				if c.gaveUp {
					requireKind(t, ErrRateLimited, err)
					require.Equal(t, c.told, RetryAfter(err))
					require.False(t, MayHaveTakenEffect(err))
					require.Len(t, s.times, 1)
					require.Zero(t, time.Since(begin), "it is not waited for")
					return
				}
				require.NoError(t, err)
				require.Len(t, s.times, 2)
				w := s.waits()[0]
				require.GreaterOrEqual(t, w, c.wait)
				require.LessOrEqual(t, w, c.wait+c.wait/4+time.Millisecond)
			})
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := answers(t, 200, success)
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request, _ int) {
			http.Redirect(w, r, elsewhere.URL+"/x?"+testKey, status)
		})
		h := s.Server.Client()
		h.CheckRedirect = func(*http.Request, []*http.Request) error { return nil }
		c := s.client(t, WithHTTPClient(h))
		_, err := c.Job(t.Context(), jobID)
		requireKind(t, ErrInvalid, err)
		require.ErrorContains(t, err, "redirects are not followed")
		require.NotContains(t, err.Error(), testKey)
		require.False(t, MayHaveTakenEffect(err))
		err = mutations["start"](t.Context(), c, "")
		requireKind(t, ErrInvalid, err)
		require.True(t, MayHaveTakenEffect(err), "a redirect may follow the effect")
		require.Len(t, s.saw(), 2)
	}
	require.Empty(t, elsewhere.saw())
}

func TestBodiesAreBounded(t *testing.T) {
	var written atomic.Int64
	huge := func(status int) *server {
		return serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.WriteHeader(status)
			chunk := []byte(strings.Repeat("x", 64<<10))
			for range 1 << 10 { // 64 MiB, if anybody reads it
				n, err := w.Write(chunk)
				written.Add(int64(n))
				if err != nil {
					return
				}
			}
		})
	}
	c := huge(200).client(t, WithMaxBody(100<<10))
	_, err := c.Job(t.Context(), jobID)
	require.ErrorContains(t, err, "larger than 102400 bytes")
	require.False(t, Temporary(err), "asking again would bring the same")
	require.False(t, MayHaveTakenEffect(err))
	err = mutations["start"](t.Context(), c, "")
	require.True(t, MayHaveTakenEffect(err))

	err = mutations["start"](t.Context(), huge(500).client(t, WithMaxBody(100<<10)), "")
	requireKind(t, ErrUnavailable, err)
	require.Less(t, len(err.Error()), 500)
	require.Less(t, written.Load(), int64(3*32<<20), "the rest is not even read")

	exact := `{"run":{"id":"` + jobID + `","title":"`
	exact += strings.Repeat("x", 1024-len(exact)-3) + `"}}`
	require.Len(t, exact, 1024)
	_, err = answers(t, 200, exact).client(t, WithMaxBody(1024)).Job(t.Context(), jobID)
	require.NoError(t, err)
	_, err = answers(t, 200, exact+" ").client(t, WithMaxBody(1024)).Job(t.Context(), jobID)
	require.ErrorContains(t, err, "larger than")
}

func (c *counted) Token() (*oauth2.Token, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return c.f(c.n)
}

// A connection that a proxy or server closed while it was idle costs a read
// nothing, and a mutation is not sent twice over it.
func TestKeptConnectionThatWasClosed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	posts := make(chan string, 10)
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { // one answer a connection, which claims to be kept
				defer conn.Close()
				r, err := http.ReadRequest(bufio.NewReader(conn))
				if err != nil {
					return
				}
				body, _ := io.ReadAll(r.Body)
				if r.Method == "POST" {
					posts <- string(body)
				}
				_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(success), success)
			})
		}
	})
	tr := &http.Transport{}
	c := newClient(t, WithBaseURL("http://"+l.Addr().String()), WithHTTPClient(&http.Client{Transport: tr}))
	succeeded := 0
	for range 5 {
		_, err := c.Folders(t.Context())
		require.NoError(t, err)
		if err := mutations["start"](t.Context(), c, ""); err == nil {
			succeeded++
		} else {
			requireKind(t, ErrUnavailable, err)
		}
	}
	tr.CloseIdleConnections()
	require.NoError(t, l.Close())
	wg.Wait()
	require.Equal(t, succeeded, len(posts), "as many effects as successes")
}
