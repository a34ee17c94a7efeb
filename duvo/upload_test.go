package duvo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/internal/syncbuf"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

func staticTokens(token string) oauth2.TokenSource {
	return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})
}

const signature = "s1gnature-0123456789"

// big is a content that is too large for a direct upload.
var big = bytes.Repeat([]byte("0123456789abcde\xff"), MaxDirectUpload/16+1)

func bigUpload(r io.Reader) SandboxUpload {
	return SandboxUpload{SandboxID: sandboxID, Path: "/workspace/big.bin", Content: r, Size: int64(len(big))}
}

// plain hides everything about a reader but Read.
func streamed(b []byte) io.Reader { return io.MultiReader(bytes.NewReader(b)) }

// api is a server that tells an upload URL.
func api(t *testing.T, to func(n int) string) *server {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		answer(w, 200, `{"upload_url":"`+to(n)+`","path":"/workspace/there.bin","expires_in_seconds":60}`)
	})
}

func store(t *testing.T, h func(w http.ResponseWriter, r *http.Request, n int)) *server {
	t.Helper()
	return serve(t, h)
}

func stored(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(200) }

func TestUploadToURL(t *testing.T) {
	for name, content := range map[string]io.Reader{"a file": bytes.NewReader(big), "a stream": streamed(big), "a slow stream": iotest.HalfReader(streamed(big))} {
		t.Run(name, func(t *testing.T) {
			st := store(t, stored)
			a := api(t, func(int) string { return st.URL + "/bucket/x?sig=" + signature + "&a=%2F#fragment" })
			jar, err := cookiejar.New(nil)
			require.NoError(t, err)
			here, err := url.Parse(a.URL)
			require.NoError(t, err)
			jar.SetCookies(here, []*http.Cookie{{Name: "session", Value: "secret"}}) // cookies know no port
			c := a.client(t, WithHTTPClient(&http.Client{Transport: a.Server.Client().Transport, Jar: jar}))
			f, err := c.UploadSandboxFile(t.Context(), bigUpload(content))
			require.NoError(t, err)
			require.Equal(t, SandboxFile{Name: "there.bin", Path: "/workspace/there.bin", Type: "file", Size: int64(len(big))}, f)

			asked := a.saw()
			require.Len(t, asked, 1)
			require.Equal(t, prefix+"/v2/sandboxes/"+sandboxID+"/upload-urls", asked[0].uri)
			require.JSONEq(t, `{"path":"/workspace/big.bin"}`, asked[0].body)
			require.Equal(t, "Bearer "+testKey, asked[0].header.Get("Authorization"))
			require.NotEmpty(t, asked[0].header.Get("Cookie"), "the jar is in use")
			puts := st.saw()
			require.Len(t, puts, 1)
			require.Equal(t, "PUT", puts[0].method)
			require.Equal(t, "/bucket/x?sig="+signature+"&a=%2F", puts[0].uri)
			require.True(t, string(big) == puts[0].body, "the content, to the byte")
			require.Equal(t, int64(len(big)), puts[0].length)
			require.False(t, puts[0].chunked)
			for _, h := range []string{"Authorization", "Cookie", "Idempotency-Key"} {
				require.Empty(t, puts[0].header.Values(h), h)
			}
		})
	}
}

// A reader that can be read again is read from where it stands.
func TestUploadFromWhereItStands(t *testing.T) {
	st := store(t, stored)
	a := api(t, func(int) string { return st.URL + "/x" })
	r := bytes.NewReader(append([]byte("head"), big...))
	_, err := r.Seek(4, io.SeekStart)
	require.NoError(t, err)
	_, err = a.client(t).UploadSandboxFile(t.Context(), bigUpload(r))
	require.NoError(t, err)
	require.True(t, string(big) == st.saw()[0].body)
	require.Equal(t, len(big), r.Len())
}

// A bearer that a transport adds by itself stays with the API.
func TestUploadPastATransportThatAuthorizes(t *testing.T) {
	st := store(t, stored)
	a := api(t, func(int) string { return st.URL + "/x" })
	c := a.client(t, WithHTTPClient(oauth2.NewClient(t.Context(), staticTokens("t0ken"))))
	t.Cleanup(c.CloseIdleConnections)
	_, err := c.UploadSandboxFile(t.Context(), bigUpload(bytes.NewReader(big)))
	require.NoError(t, err)
	require.NotEmpty(t, a.saw()[0].header.Get("Authorization"))
	require.Empty(t, st.saw()[0].header.Get("Authorization"))
}

func TestUploadURLAtTheAPIItself(t *testing.T) {
	c, s := stub(func(n int, r *http.Request) (*http.Response, error) {
		if n == 1 {
			return response(200, `{"upload_url":"https://API.duvo.ai:443/up?sig=`+signature+`"}`)
		}
		if r.Header.Get("Authorization") != "" || r.Method != "PUT" {
			return response(400, "{}")
		}
		return response(204, "")
	}).client(t)
	f, err := c.UploadSandboxFile(t.Context(), bigUpload(bytes.NewReader(big)))
	require.NoError(t, err)
	require.Equal(t, "/workspace/big.bin", f.Path)
	require.Len(t, s.times, 2)
}

func TestUploadFollowsNoRedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		other := store(t, stored)
		st := store(t, func(w http.ResponseWriter, r *http.Request, _ int) {
			http.Redirect(w, r, other.URL+"/y?sig="+signature, status)
		})
		a := api(t, func(int) string { return st.URL + "/x?sig=" + signature })
		_, err := a.client(t).UploadSandboxFile(t.Context(), bigUpload(bytes.NewReader(big)))
		requireKind(t, ErrInvalid, err)
		require.ErrorContains(t, err, "not followed")
		require.True(t, MayHaveTakenEffect(err))
		require.NotContains(t, err.Error(), signature)
		require.Len(t, st.saw(), 1)
		require.Empty(t, other.saw())
	}
}

func TestUploadURLsThatAreRefused(t *testing.T) {
	far, near := "https://api.duvo.ai", "http://127.0.0.1:8080/x"
	for _, c := range []struct {
		base, to string
		ok       bool
	}{
		{far, "https://store.example.com/a?b=c", true}, {far, "HTTPS://store.example.com", true}, {far, "https://store.example.com:8443/a", true},
		{far, "http://store.example.com/a", false}, {far, "http://127.0.0.1/a", false}, {far, "http://localhost/a", false},
		{near, "http://127.0.0.1:9/a", true}, {near, "http://localhost/a", true}, {near, "http://[::1]/a", true}, {near, "https://store.example.com/a", true},
		{near, "http://store.example.com/a", false}, {near, "http://10.0.0.1/a", false}, {near, "http://localhost.example.com/a", false},
		{far, "", false}, {far, "store.example.com/a", false}, {far, "/a", false}, {far, "//store.example.com/a", false}, {far, "https:///a", false},
		{far, "https://:443/a", false}, {far, "https:store.example.com", false}, {far, "https://user@store.example.com/a", false},
		{far, "https://u:p@store.example.com/a", false}, {far, "ftp://store.example.com/a", false}, {far, "file:///etc/passwd", false},
		{far, "unix:///run/docker.sock", false}, {far, "https://store.example.com/\n", false}, {far, "https://store.example.com/" + strings.Repeat("a", 9000), false},
		{far, "https://store.example.com\\@10.0.0.1/a", false},
	} {
		base, err := parseBaseURL(c.base, false)
		require.NoError(t, err)
		u, err := checkUploadURL(base, c.to)
		require.Equal(t, c.ok, err == nil, "%s from %s: %v", c.to, c.base, err)
		if err == nil {
			require.Empty(t, u.Fragment)
			continue
		}
		require.NotContains(t, err.Error(), "/a")

		// And nothing is sent, nor asked for again.
		client, s := stub(func(n int, _ *http.Request) (*http.Response, error) {
			b, _ := jsonOf(map[string]string{"upload_url": c.to})
			return response(200, b)
		}).client(t, WithBaseURL(c.base))
		_, err = client.UploadSandboxFile(t.Context(), bigUpload(bytes.NewReader(big)))
		require.ErrorContains(t, err, "createSandboxUploadUrl: unexpected answer", c.to)
		require.False(t, MayHaveTakenEffect(err))
		require.Len(t, s.times, 1, c.to)
	}
}

// What a name leads to is looked at when it is dialled.
func TestUploadToPrivateAddresses(t *testing.T) {
	var reached atomic.Int64
	inside := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // an answer before its end may be lost with the connection
		reached.Add(1)
	}))
	inside.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			reached.Add(1)
		}
	}
	inside.StartTLS()
	t.Cleanup(inside.Close)
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	require.NoError(t, err)
	for _, host := range []string{"127.0.0.1:" + port, "localhost:" + port, "[::ffff:127.0.0.1]:" + port, "0.0.0.0:" + port, "[::1]", "10.0.0.1", "192.168.1.1",
		"172.16.0.1", "169.254.169.254", "100.64.0.1", "[fd00::1]", "[fe80::1]", "[64:ff9b::a00:1]", "255.255.255.255", "224.0.0.1"} {
		c, s := stub(func(int, *http.Request) (*http.Response, error) {
			return response(200, `{"upload_url":"https://`+host+`/latest?sig=`+signature+`"}`)
		}).client(t)
		_, err := c.UploadSandboxFile(t.Context(), bigUpload(bytes.NewReader(big)))
		require.ErrorIs(t, err, errNotPublic, host)
		require.False(t, MayHaveTakenEffect(err), host)
		require.False(t, Temporary(err), host)
		require.NotContains(t, err.Error(), signature)
		require.Len(t, s.times, 1, "and is not tried again")
	}
	require.Zero(t, reached.Load())

	// The same place, for a client whose API is local as well.
	a := api(t, func(int) string { return inside.URL + "/x" })
	_, err = a.client(t, WithHTTPClient(inside.Client())).UploadSandboxFile(t.Context(), bigUpload(bytes.NewReader(big)))
	require.NoError(t, err)
	require.Equal(t, int64(2), reached.Load(), "one connection, one request")
	// Which makes no other address fit.
	a = api(t, func(int) string { return "https://10.0.0.1/x" })
	_, err = a.client(t).UploadSandboxFile(t.Context(), bigUpload(bytes.NewReader(big)))
	require.ErrorIs(t, err, errNotPublic)
}

// A transport that was given dials for the API only, and lends neither its
// proxy nor its certificate.
func TestGuardedTransport(t *testing.T) {
	var dials atomic.Int64
	own := &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			dials.Add(1)
			return nil, errors.New("not this way")
		},
		Proxy: func(*http.Request) (*url.URL, error) { return url.Parse("http://127.0.0.1:1") },
	}
	c := &http.Client{Transport: guarded(own, false)}
	_, err := c.Get("https://10.0.0.1/") //nolint:bodyclose // there is none
	require.ErrorIs(t, err, errNotPublic)
	require.Zero(t, dials.Load())
	require.NotNil(t, own.Proxy, "what was given is not changed")
	for _, from := range []http.RoundTripper{nil, own, stub(nil).transport(), http.DefaultTransport} {
		g := guarded(from, true)
		require.Nil(t, g.Proxy)
		require.Nil(t, g.TLSClientConfig.Certificates)
		require.NotNil(t, g.DialContext)
	}
}

func (f stub) transport() http.RoundTripper { return &stubbed{f: f} }

func TestMayReach(t *testing.T) {
	for a, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "2606:4700::1111": true, "::ffff:8.8.8.8": true, "64:ff9b::808:808": true, "172.32.0.1": true, "100.128.0.1": true,
		"10.1.2.3": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.0.1": false, "169.254.169.254": false, "100.64.0.1": false, "0.0.0.0": false,
		"0.1.2.3": false, "127.0.0.1": false, "127.9.9.9": false, "::1": false, "::": false, "::ffff:10.0.0.1": false, "::ffff:100.64.0.1": false, "::ffff:127.0.0.1": false, "::10.0.0.1": false,
		"64:ff9b::a9fe:a9fe": false, "64:ff9b::7f00:1": false, "2002:a00:1::": false, "2001::1": false, "fe80::1": false, "fe80::1%eth0": false, "fc00::1": false, "fd12::1": false,
		"fec0::1": false, "ff02::1": false, "224.0.0.1": false, "255.255.255.255": false, "240.0.0.1": false, "198.18.0.1": false, "192.0.0.1": false,
		"2606:4700::1111%eth0": false,
	} {
		ip := netip.MustParseAddr(a)
		require.Equal(t, want, mayReach(ip, false), a)
		require.Equal(t, want || ip.Unmap().IsLoopback(), mayReach(ip, true), a)
	}
}

// What can be read again is sent again, to a URL of its own; else once.
func TestUploadIsRepeated(t *testing.T) {
	failing := func(status, times int) func(http.ResponseWriter, *http.Request, int) {
		return func(w http.ResponseWriter, _ *http.Request, n int) {
			if n <= times {
				answer(w, status, `{"error":"busy"}`)
			}
		}
	}
	for name, c := range map[string]struct {
		content io.Reader
		ctx     context.Context
		status  int
		puts    int
		kind    error
		effect  bool
	}{
		"a file":                 {bytes.NewReader(big), t.Context(), 503, 3, nil, false},
		"a file, held back":      {bytes.NewReader(big), t.Context(), 429, 3, nil, false},
		"a file, once":           {bytes.NewReader(big), WithoutResend(t.Context()), 503, 1, ErrUnavailable, true},
		"a stream":               {streamed(big), t.Context(), 503, 1, ErrUnavailable, true},
		"a stream, held back":    {streamed(big), t.Context(), 429, 1, ErrRateLimited, false},
		"a URL that has expired": {bytes.NewReader(big), t.Context(), 403, 1, ErrForbidden, false},
		"a URL that is no good":  {bytes.NewReader(big), t.Context(), 401, 1, ErrForbidden, false},
		"too large":              {bytes.NewReader(big), t.Context(), 413, 1, ErrInvalid, false},
	} {
		t.Run(name, func(t *testing.T) {
			st := store(t, failing(c.status, 2))
			a := api(t, func(n int) string { return fmt.Sprintf("%s/x%d?sig=%s", st.URL, n, signature) })
			_, err := a.client(t).UploadSandboxFile(c.ctx, bigUpload(c.content))
			if c.kind == nil {
				require.NoError(t, err)
			} else {
				requireKind(t, c.kind, err)
				require.Equal(t, c.effect, MayHaveTakenEffect(err))
				var e *APIError
				require.ErrorAs(t, err, &e)
				require.Equal(t, "uploadToUrl", e.Operation)
				require.Equal(t, c.status, e.Status)
				require.Equal(t, "busy", e.Code)
			}
			puts, keys := st.saw(), map[string]bool{}
			require.Len(t, puts, c.puts)
			for i, p := range puts {
				require.True(t, string(big) == p.body)
				require.Equal(t, fmt.Sprintf("/x%d?sig=%s", i+1, signature), p.uri)
			}
			for _, r := range a.saw() {
				keys[r.header.Get("Idempotency-Key")] = true
			}
			require.Len(t, keys, c.puts, "a key each: the server must not tell an old URL again")
		})
	}
}

// Where no URL is to be had, that is the failure, and it was tried enough.
func TestNoUploadURL(t *testing.T) {
	s := answers(t, 503, `{"error":"down"}`)
	_, err := s.client(t).UploadSandboxFile(t.Context(), bigUpload(bytes.NewReader(big)))
	requireKind(t, ErrUnavailable, err)
	require.ErrorContains(t, err, "createSandboxUploadUrl")
	require.False(t, MayHaveTakenEffect(err), "there is no file without a URL")
	require.Len(t, s.saw(), 4)
	for _, body := range []string{"{}", `{"upload_url":7}`, `{"upload_url":null}`, `[]`} {
		_, err := answers(t, 200, body).client(t).UploadSandboxFile(t.Context(), bigUpload(bytes.NewReader(big)))
		require.ErrorContains(t, err, "unexpected answer")
	}
}

// A store repeats what was signed; none of it is shown.
func TestUploadURLIsASecret(t *testing.T) {
	xml := `<?xml version="1.0"?><Error><Code>SignatureDoesNotMatch</Code><StringToSign>PUT /x ` + signature + `</StringToSign><HostId>` + signature + `</HostId></Error>`
	logged := &syncbuf.Buffer{}
	for _, body := range []string{xml, signature, "<html>" + signature, `{"error":"no","message":"bad ` + signature + `"}`, `{"` + signature + `":1}`} {
		for _, status := range []int{200 + 107, 400, 403, 500} {
			st := store(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
				w.Header().Set("X-Request-Id", signature)
				answer(w, status, body)
			})
			a := api(t, func(int) string { return st.URL + "/x?X-Sig=" + signature })
			_, err := a.client(t, WithLogger(textLogger(logged))).UploadSandboxFile(t.Context(), bigUpload(bytes.NewReader(big)))
			require.NotContains(t, err.Error(), "StringToSign")
			for e := err; e != nil; e = errors.Unwrap(e) {
				require.NotContains(t, fmt.Sprintf("%v %+v %#v", e, e, e), signature)
				requirePresentable(t, e)
			}
			if body == xml && status == 403 {
				require.ErrorContains(t, err, "403 Forbidden: SignatureDoesNotMatch")
			}
		}
	}
	// Failures on the way, too.
	gone := httptest.NewServer(nil)
	gone.Close()
	a := api(t, func(int) string { return gone.URL + "/secret/x?X-Sig=" + signature })
	_, err := a.client(t, WithLogger(textLogger(logged))).UploadSandboxFile(t.Context(), bigUpload(bytes.NewReader(big)))
	requireKind(t, ErrUnavailable, err)
	require.False(t, MayHaveTakenEffect(err), "nobody was there")
	require.NotContains(t, err.Error(), "secret")
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), signature)
	require.NotEmpty(t, logged.String())
	require.NotContains(t, logged.String(), signature)
}

// What is wrong with a content is told as that, and is no reason to try again.
func TestUploadOfABrokenContent(t *testing.T) {
	broken := errors.New("the disk is on fire")
	half := big[:len(big)/2]
	for name, c := range map[string]struct {
		content io.Reader
		want    error
		text    string
	}{
		"broken":                       {io.MultiReader(bytes.NewReader(half), iotest.ErrReader(broken)), broken, "on fire"},
		"panics":                       {io.MultiReader(bytes.NewReader(half), panicking{}), nil, "panicked: oh"},
		"short":                        {streamed(half), ErrInvalid, "ended before"},
		"long":                         {streamed(append(slices.Clone(big), 'x')), ErrInvalid, "longer"},
		"short, and can be read again": {bytes.NewReader(half), ErrInvalid, "ended before"},
		"long, and can be read again":  {bytes.NewReader(append(slices.Clone(big), 'x')), ErrInvalid, "longer"},
	} {
		t.Run(name, func(t *testing.T) {
			whole := make(chan bool, 10)
			st := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				b, err := io.ReadAll(r.Body)
				whole <- err == nil && len(b) >= len(big)
			}))
			t.Cleanup(st.Close)
			a := api(t, func(int) string { return st.URL + "/x" })
			_, err := a.client(t).UploadSandboxFile(t.Context(), bigUpload(c.content))
			require.ErrorContains(t, err, c.text)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
			}
			require.False(t, Temporary(err))
			require.False(t, MayHaveTakenEffect(err))
			require.Len(t, a.saw(), 1)
			require.False(t, <-whole, "no store took it for the file")
		})
	}
}

// A slow mover reads a request's body a piece at a time.
type slowMover struct {
	pause  time.Duration
	pieces int
	read   *atomic.Int64
}

func (s slowMover) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == "POST" {
		return response(200, `{"upload_url":"https://api.duvo.ai/up?sig=`+signature+`"}`)
	}
	defer r.Body.Close()
	piece := make([]byte, len(big)/s.pieces+1)
	for {
		n, err := io.ReadFull(r.Body, piece)
		s.read.Add(int64(n))
		if err != nil {
			if n == 0 && err != io.EOF {
				return nil, err
			}
			break
		}
		select {
		case <-time.After(s.pause):
		case <-r.Context().Done():
			return nil, context.Cause(r.Context())
		}
	}
	return response(200, "")
}

// An upload may take as long as it likes while it moves.
func TestUploadMoves(t *testing.T) {
	run := func(name string, pause time.Duration, limit time.Duration, check func(t *testing.T, err error, read int64, took time.Duration)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := slowMover{pause, 20, &atomic.Int64{}}
				c, err := New(WithAPIKey(testKey), WithTeam(teamID), WithHTTPClient(&http.Client{Transport: m}), WithTimeout(7*time.Second), WithRetries(2, 0))
				require.NoError(t, err)
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				begin := time.Now()
				_, err = c.UploadSandboxFile(ctx, bigUpload(bytes.NewReader(big)))
				check(t, err, m.read.Load(), time.Since(begin))
			})
		})
	}
	run("slowly", 6*time.Second, time.Hour, func(t *testing.T, err error, read int64, took time.Duration) {
		require.NoError(t, err)
		require.Equal(t, int64(len(big)), read)
		require.Greater(t, took, 100*time.Second)
	})
	run("not", 8*time.Second, time.Hour, func(t *testing.T, err error, _ int64, took time.Duration) {
		requireKind(t, ErrUnavailable, err)
		require.ErrorContains(t, err, "no answer within 7s")
		require.NotErrorIs(t, err, context.Canceled)
		require.True(t, MayHaveTakenEffect(err))
		require.Equal(t, 14*time.Second, took, "twice")
	})
	run("until the caller has had enough", 6*time.Second, 20*time.Second, func(t *testing.T, err error, _ int64, took time.Duration) {
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.True(t, MayHaveTakenEffect(err))
		require.Equal(t, 20*time.Second, took)
	})
}

func FuzzUploadURL(f *testing.F) {
	for _, s := range []string{`{"upload_url":"https://store.example.com/a?b=c","path":"/workspace/a"}`, `{"upload_url":"http://127.0.0.1:80/a","path":7}`,
		`{"upload_url":"https://u:p@h/\u0000"}`, `{"upload_url":"https://[::1%25eth0]:443/#x"}`, `{"upload_url":"https://a\\@b/"}`, `[]`, `null`, `{"upload_url":"HTTPS:x"}`} {
		f.Add([]byte(s))
	}
	bases := []string{"https://api.duvo.ai", "http://127.0.0.1:9/x"}
	f.Fuzz(func(t *testing.T, body []byte) {
		at, err := decodeUploadURL(body)
		if err != nil {
			require.Zero(t, at)
			return
		}
		require.NotEmpty(t, at.URL)
		for i, b := range bases {
			base, err := parseBaseURL(b, false)
			require.NoError(t, err)
			u, err := checkUploadURL(base, at.URL)
			if err != nil {
				require.Less(t, len(err.Error()), 1000)
				continue
			}
			require.True(t, u.Scheme == "https" || i == 1 && u.Scheme == "http" && loopback(u.Hostname()))
			require.Nil(t, u.User)
			require.NotEmpty(t, u.Hostname())
			if q := u.RawQuery; len(q) >= 8 {
				require.NotContains(t, hider(u, strings.Clone)("PUT "+u.String()+" and "+q), q)
			}
			req, err := http.NewRequest("PUT", u.String(), nil)
			if err == nil {
				require.Equal(t, u.Host, req.URL.Host, "what was looked at is what is dialled")
				require.Empty(t, req.Header)
			}
		}
	})
}

func FuzzDecodeSandbox(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var box Sandbox
		if box.UnmarshalJSON(body) == nil {
			require.NotEmpty(t, box.ID)
			requireStable(t, box, func(b []byte) (s Sandbox, err error) { err = s.UnmarshalJSON(b); return s, err })
		}
		fuzzList(t, body, "files", func(f SandboxFile) {
			require.NotEmpty(t, f.Path)
			require.NotEmpty(t, f.Name)
			require.GreaterOrEqual(t, f.Size, int64(0))
		})
		u := upload("hello")
		if file, err := decodeUploaded(body, u); err == nil {
			require.Equal(t, int64(5), file.Size)
			require.NotEmpty(t, file.Path)
			require.NotEmpty(t, file.Name)
		}
	})
}
