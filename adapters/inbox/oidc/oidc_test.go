package oidc_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/adapters/inbox/oidc"
	"github.com/duvotool/duvotool/hitl"
	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// A provider is a small one of OpenID Connect, at which everybody is kim.
type provider struct {
	*httptest.Server
	key *rsa.PrivateKey

	mu     sync.Mutex
	codes  map[string]url.Values               // what was asked for, by code; taken once
	change func(claims map[string]any)         // what it lies
	sign   func(claims []byte) (string, error) // nil: with its key
}

func newProvider(t *testing.T) *provider {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	p := &provider{key: key, codes: map[string]url.Values{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		tell(w, map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		tell(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		v := r.URL.Query()
		code := rand.Text()
		p.mu.Lock()
		p.codes[code] = v
		p.mu.Unlock()
		http.Redirect(w, r, v.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {v.Get("state")}}.Encode(), http.StatusFound)
	})
	mux.HandleFunc("POST /token", p.token)
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func tell(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked, ok := p.codes[r.FormValue("code")]
	delete(p.codes, r.FormValue("code"))
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	id, secret, _ := r.BasicAuth()
	if !ok || id != "desk" || secret != "secret" || asked.Get("code_challenge_method") != "S256" || base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") {
		http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
		return
	}
	claims := map[string]any{"iss": p.URL, "aud": "desk", "sub": "1", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(), "nonce": asked.Get("nonce"),
		"email": "kim@example.com", "email_verified": true, "name": "Kim <b>"}
	if p.change != nil {
		p.change(claims)
	}
	raw, _ := json.Marshal(claims)
	sign := p.sign
	if sign == nil {
		sign = signWith(p.key)
	}
	token, err := sign(raw)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	tell(w, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": token})
}

func signWith(key *rsa.PrivateKey) func([]byte) (string, error) {
	return func(claims []byte) (string, error) {
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
		if err != nil {
			return "", err
		}
		signed, err := s.Sign(claims)
		if err != nil {
			return "", err
		}
		return signed.CompactSerialize()
	}
}

type nothing struct{}

func (nothing) Pending() []hitl.Request                                   { return nil }
func (nothing) Decide(context.Context, hitl.Request, hitl.Decision) error { return nil }

// site is a desk with the sign-in, on a server, and a browser at it.
func site(t *testing.T, p *provider, change func(*oidc.Config)) (home string, browser *http.Client) {
	server := httptest.NewUnstartedServer(nil)
	home = "http://" + server.Listener.Addr().String()
	cfg := oidc.Config{Issuer: p.URL, ClientID: "desk", ClientSecret: "secret", CallbackURL: home + "/signin/callback", SessionKey: []byte(strings.Repeat("k", 32))}
	if change != nil {
		change(&cfg)
	}
	s, err := oidc.New(t.Context(), cfg)
	require.NoError(t, err)
	desk, err := inbox.New(inbox.Config{Registries: []inbox.Registry{nothing{}}, Person: s.Person, May: inbox.Everyone, BasePath: "/desk", SignIn: "/signin/", SignOut: "/signin/out"})
	require.NoError(t, err)
	t.Cleanup(desk.Close)
	mux := http.NewServeMux()
	mux.Handle("/signin/", http.StripPrefix("/signin", s))
	mux.Handle("/desk/", http.StripPrefix("/desk", desk))
	server.Config.Handler = mux
	server.Start()
	t.Cleanup(server.Close)
	return home, newBrowser(t)
}

func newBrowser(t *testing.T) *http.Client {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	b := &http.Client{Jar: jar, Transport: &http.Transport{}}
	t.Cleanup(b.CloseIdleConnections)
	return b
}

func get(t *testing.T, b *http.Client, at string) (status int, text, path string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", at, nil)
	require.NoError(t, err)
	return do(t, b, r)
}

func do(t *testing.T, b *http.Client, r *http.Request) (status int, text, path string) {
	t.Helper()
	res, err := b.Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(raw), res.Request.URL.RequestURI()
}

// TestSignIn: who is sent to sign in comes back to the page that they opened, is who the
// provider says, and is nobody after having signed out, with a copy of the cookie too.
func TestSignIn(t *testing.T) {
	p := newProvider(t)
	home, b := site(t, p, nil)
	status, text, _ := get(t, b, home+"/desk/history?by=lee")
	require.Equal(t, http.StatusUnauthorized, status)
	require.Contains(t, text, `href="/signin/?next=%2Fdesk%2Fhistory%3Fby%3Dlee"`)
	status, text, path := get(t, b, home+"/signin/?next="+url.QueryEscape("/desk/history?by=lee"))
	require.Equal(t, http.StatusOK, status, text)
	require.Equal(t, "/desk/history?by=lee", path)
	require.Contains(t, text, "kim@example.com")
	require.Contains(t, text, "Kim &lt;b&gt;")
	site, err := url.Parse(home)
	require.NoError(t, err)
	copied := b.Jar.Cookies(site)
	require.Len(t, copied, 1)
	out := func(origin string) (int, string, string) {
		r, err := http.NewRequestWithContext(t.Context(), "POST", home+"/signin/out", nil)
		require.NoError(t, err)
		r.Header.Set("Sec-Fetch-Site", origin)
		return do(t, b, r)
	}
	status, _, _ = out("cross-site")
	require.Equal(t, http.StatusForbidden, status)
	status, _, _ = get(t, b, home+"/desk/")
	require.Equal(t, http.StatusOK, status)
	status, _, path = out("same-origin")
	require.Equal(t, http.StatusUnauthorized, status)
	require.Equal(t, "/desk/", path)
	b.Jar.SetCookies(site, copied)
	status, _, _ = get(t, b, home+"/desk/")
	require.Equal(t, http.StatusUnauthorized, status)
}

// TestSignInAttacks: nobody comes in by a token, a state or a cookie that is not theirs.
func TestSignInAttacks(t *testing.T) {
	p := newProvider(t)
	home, _ := site(t, p, nil)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	set := func(name string, v any) func(map[string]any) { return func(c map[string]any) { c[name] = v } }
	for name, c := range map[string]struct {
		change func(map[string]any)
		sign   func([]byte) (string, error)
	}{
		"another sign-in's token": {change: set("nonce", "another")}, "no nonce": {change: func(c map[string]any) { delete(c, "nonce") }},
		"another client's": {change: set("aud", "another")}, "another provider's": {change: set("iss", "https://example.com")},
		"an old one": {change: set("exp", time.Now().Add(-time.Hour).Unix())}, "an unverified address": {change: set("email_verified", false)},
		"no address": {change: set("email", "")}, "another key": {sign: signWith(other)},
		"no signature": {sign: func(c []byte) (string, error) {
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(c) + ".", nil
		}},
	} {
		p.mu.Lock()
		p.change, p.sign = c.change, c.sign
		p.mu.Unlock()
		b := newBrowser(t)
		status, text, _ := get(t, b, home+"/signin/")
		require.GreaterOrEqual(t, status, 400, name)
		require.Contains(t, text, "You are not signed in", name)
		status, _, _ = get(t, b, home+"/desk/")
		require.Equal(t, http.StatusUnauthorized, status, name)
	}
	p.mu.Lock()
	p.change, p.sign = nil, nil
	p.mu.Unlock()

	// A code that was meant for another browser, or comes twice.
	first := newBrowser(t)
	var back string
	first.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.Path, "/signin/callback") {
			back = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}
	_, _, _ = get(t, first, home+"/signin/")
	require.NotEmpty(t, back)
	victim := newBrowser(t)
	status, _, _ := get(t, victim, back)
	require.Equal(t, http.StatusBadRequest, status, "the victim's browser did not begin it")
	victim.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	_, _, _ = get(t, victim, home+"/signin/")
	status, _, _ = get(t, victim, back)
	require.Equal(t, http.StatusBadRequest, status, "another state")
	status, _, _ = get(t, first, back)
	require.Equal(t, http.StatusOK, status)
	status, _, _ = get(t, first, back)
	require.Equal(t, http.StatusBadRequest, status, "it counts once")

	for _, next := range []string{"https://example.com/", "//example.com/", `/\example.com`, "javascript:alert(1)", "desk", "/\t/example.com"} {
		_, _, path := get(t, newBrowser(t), home+"/signin/?next="+url.QueryEscape(next))
		require.Equal(t, "/desk/", path, next)
	}
}

// TestCookies: a cookie that was changed, of another key or of another kind, or whose
// time is over, is nobody's.
func TestCookies(t *testing.T) {
	p := newProvider(t)
	home, b := site(t, p, nil)
	_, _, _ = get(t, b, home+"/signin/")
	at, err := url.Parse(home)
	require.NoError(t, err)
	good := b.Jar.Cookies(at)[0]
	try := func(where, name, value string) int {
		r, err := http.NewRequestWithContext(t.Context(), "GET", where+"/desk/", nil)
		require.NoError(t, err)
		r.AddCookie(&http.Cookie{Name: name, Value: value})
		status, _, _ := do(t, newBrowser(t), r)
		return status
	}
	require.Equal(t, 200, try(home, good.Name, good.Value))
	body, sum, _ := strings.Cut(good.Value, ".")
	raw, err := base64.RawURLEncoding.DecodeString(body)
	require.NoError(t, err)
	forged := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(raw), "kim@", "lee@", 1)))
	for _, bad := range []string{forged + "." + sum, body + ".", body, "", "." + sum, body + "." + sum[1:]} {
		require.Equal(t, 401, try(home, good.Name, bad), bad)
	}
	elsewhere, _ := site(t, p, func(c *oidc.Config) { c.SessionKey = []byte(strings.Repeat("x", 32)) })
	require.Equal(t, 401, try(elsewhere, good.Name, good.Value))
	short, quick := site(t, p, func(c *oidc.Config) { c.Session = time.Nanosecond })
	var over string
	quick.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		for _, c := range r.Response.Cookies() {
			if c.Name == good.Name {
				over = c.Value
			}
		}
		return nil
	}
	status, _, _ := get(t, quick, short+"/signin/")
	require.Equal(t, 401, status)
	require.NotEmpty(t, over)
	require.Equal(t, 401, try(short, good.Name, over), "its time is over, though a browser kept it")

	begins := newBrowser(t)
	begins.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	_, _, _ = get(t, begins, home+"/signin/")
	require.Equal(t, 401, try(home, good.Name, begins.Jar.Cookies(at)[0].Value), "that of a sign-in is no session")
	r, err := http.NewRequestWithContext(t.Context(), "GET", home+"/signin/callback?code=x&state=", nil)
	require.NoError(t, err)
	r.AddCookie(&http.Cookie{Name: begins.Jar.Cookies(at)[0].Name, Value: good.Value})
	status, _, _ = do(t, newBrowser(t), r)
	require.Equal(t, http.StatusBadRequest, status, "nor is a session one")
}

// TestLogin: the host says who somebody is, and who is nobody.
func TestLogin(t *testing.T) {
	p := newProvider(t)
	home, b := site(t, p, func(c *oidc.Config) {
		c.Login = func(c oidc.Claims) (string, error) {
			if c.Subject != "1" {
				return "", fmt.Errorf("who is %s?", c.Subject)
			}
			return "kim", nil
		}
	})
	_, text, _ := get(t, b, home+"/signin/")
	require.Contains(t, text, "Signed in as <b>kim</b>")
	p.mu.Lock()
	p.change = func(c map[string]any) { c["sub"] = "2" }
	p.mu.Unlock()
	status, _, _ := get(t, newBrowser(t), home+"/signin/")
	require.Equal(t, http.StatusForbidden, status)
}

func TestNew(t *testing.T) {
	p := newProvider(t)
	good := oidc.Config{Issuer: p.URL, ClientID: "desk", CallbackURL: "https://desk.example.com/signin/callback", SessionKey: make([]byte, 32)}
	for name, change := range map[string]func(*oidc.Config){
		"no issuer": func(c *oidc.Config) { c.Issuer = "" }, "no client": func(c *oidc.Config) { c.ClientID = "" }, "plain": func(c *oidc.Config) { c.CallbackURL = "http://desk.example.com/" },
		"no callback": func(c *oidc.Config) { c.CallbackURL = "/callback" }, "short key": func(c *oidc.Config) { c.SessionKey = make([]byte, 31) }, "nobody there": func(c *oidc.Config) { c.Issuer = p.URL + "/x" },
	} {
		cfg := good
		change(&cfg)
		_, err := oidc.New(t.Context(), cfg)
		require.Error(t, err, name)
	}
	s, err := oidc.New(t.Context(), good)
	require.NoError(t, err)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	cookie := w.Result().Cookies()[0]
	require.Equal(t, "__Host-duvo-desk-begin", cookie.Name)
	require.True(t, cookie.Secure && cookie.HttpOnly)
	require.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
}
