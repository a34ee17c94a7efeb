// Package oidc signs people in at a desk by a company's OpenID Connect provider.
//
//	signIn, err := oidc.New(ctx, oidc.Config{
//		Issuer:      "https://accounts.example.com",
//		ClientID:    id, ClientSecret: secret,
//		CallbackURL: "https://desk.example.com/signin/callback",
//		SessionKey:  key, // 32 random bytes, kept
//	})
//	desk, err := inbox.New(inbox.Config{..., Person: signIn.Person, SignIn: "/signin/", SignOut: "/signin/out"})
//	mux.Handle("/signin/", http.StripPrefix("/signin", signIn))
//	mux.Handle("/desk/", http.StripPrefix("/desk", desk))
//
// It is the authorization code flow with PKCE, a state and a nonce. Who has signed in is
// in a cookie of the browser, signed, for as long as a session lasts; nothing is kept in
// the program but which sessions were signed out of before their end. What is refused is
// logged, at most once a minute for each reason.
package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/inbody"
	"github.com/duvotool/duvotool/internal/tally"
	"golang.org/x/oauth2"
)

// Claims are what a provider tells of a person.
type Claims struct {
	Subject  string         // who it is to the provider, for good
	Email    string         // empty: it told none, or did not verify it
	Name     string         // as the person is shown; anybody may have chosen it
	All      map[string]any // all that it told, such as groups
	IssuedAt time.Time
}

// A Config says by which provider people sign in.
type Config struct {
	Issuer       string   // the provider's, such as "https://accounts.example.com"
	ClientID     string   // the desk's there
	ClientSecret string   // empty: the provider knows the desk as a public client
	CallbackURL  string   // where the provider sends people back to: the path "callback" of this handler, as the provider knows it
	SessionKey   []byte   // signs sessions: at least 32 bytes, the same in each process that serves the desk
	Scopes       []string // besides openid; nil: email and profile

	// Login tells under which login somebody decides; an error refuses them. nil: their
	// verified e-mail address, whatever its domain: say here who belongs to the company
	// where the provider signs in others too.
	Login func(Claims) (string, error)

	Session time.Duration // how long a session lasts; zero: 8 hours
	Home    string        // where people go who signed in without having been sent; empty: "/desk/"
	Client  *http.Client  // for what is asked of the provider; nil: one that waits 30 seconds
	Log     *slog.Logger  // nil: slog.Default
}

// A SignIn is the handler: it begins at "/", comes back at "/callback", and ends by a
// POST to "/out". It is safe for concurrent use.
type SignIn struct {
	cfg      Config
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
	handler  http.Handler
	secure   bool // cookies travel by https alone
	ended    ended
	refusals tally.Tally // by reason
}

// minKey is how long a key for sessions must be, in bytes.
const minKey = 32

// New finds the provider. It fails where the provider cannot be reached.
func New(ctx context.Context, cfg Config) (*SignIn, error) {
	callback, err := url.Parse(cfg.CallbackURL)
	switch {
	case cfg.Issuer == "" || cfg.ClientID == "":
		return nil, errors.New("oidc: Config.Issuer and Config.ClientID say by which provider people sign in")
	case err != nil || callback.Host == "" || callback.Scheme != "https" && (callback.Scheme != "http" || !loopback(callback.Hostname())):
		return nil, errors.New("oidc: Config.CallbackURL must be a whole https address")
	case len(cfg.SessionKey) < minKey:
		return nil, fmt.Errorf("oidc: Config.SessionKey needs at least %d random bytes", minKey)
	}
	if cfg.Session <= 0 {
		cfg.Session = 8 * time.Hour
	}
	if cfg.Home == "" {
		cfg.Home = "/desk/"
	}
	if cfg.Client == nil {
		cfg.Client = &http.Client{Timeout: 30 * time.Second}
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Login == nil {
		cfg.Login = byEmail
	}
	if cfg.Scopes == nil {
		cfg.Scopes = []string{"email", "profile"}
	}
	// The provider's keys are fetched when they are needed, after ctx has ended too.
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, cfg.Client), cfg.Issuer)
	if err != nil {
		return nil, fmt.Errorf("oidc: the provider: %w", err)
	}
	s := &SignIn{cfg: cfg, secure: callback.Scheme == "https"}
	s.oauth = oauth2.Config{ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret, Endpoint: provider.Endpoint(), RedirectURL: cfg.CallbackURL,
		Scopes: append([]string{oidc.ScopeOpenID}, cfg.Scopes...)}
	s.verifier = provider.VerifierContext(oidc.ClientContext(context.WithoutCancel(ctx), cfg.Client), &oidc.Config{ClientID: cfg.ClientID})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.begin)
	mux.HandleFunc("GET /callback", s.back)
	mux.HandleFunc("POST /out", s.out)
	s.handler = http.NewCrossOriginProtection().Handler(mux)
	return s, nil
}

func loopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

func byEmail(c Claims) (string, error) {
	if c.Email == "" {
		return "", errors.New("the provider told no verified e-mail address")
	}
	return c.Email, nil
}

// ServeHTTP serves the handler's three paths.
func (s *SignIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	s.handler.ServeHTTP(w, inbody.Bound(w, r))
}

// Person is for [inbox.Config]: who has signed in.
func (s *SignIn) Person(r *http.Request) (inbox.Person, error) {
	var who session
	if !s.open(r, sessionCookie, &who) || s.ended.has(who.ID) || hitl.PersonKey(who.Login) == "" {
		return inbox.Person{}, inbox.ErrNotSignedIn
	}
	return inbox.Person{Login: who.Login, Name: who.Name}, nil
}

// begin sends somebody to the provider.
func (s *SignIn) begin(w http.ResponseWriter, r *http.Request) {
	b := begun{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: local(r.URL.Query().Get("next"), s.cfg.Home), Until: time.Now().Add(beginFor)}
	s.seal(w, beginCookie, b, b.Until)
	http.Redirect(w, r, s.oauth.AuthCodeURL(b.State, oidc.Nonce(b.Nonce), oauth2.S256ChallengeOption(b.Verifier)), http.StatusSeeOther)
}

// beginFor is how long somebody may take at the provider.
const beginFor = 15 * time.Minute

// back takes somebody in whom the provider sends back.
func (s *SignIn) back(w http.ResponseWriter, r *http.Request) {
	no := func(status int, text string, err error) {
		if n, tell := s.refusals.Note(text); tell { // anybody can come back without having been sent
			s.cfg.Log.Warn("oidc: a sign-in was refused", "reason", hitl.SafeLine(text, 200), "error", hitl.SafeLine(fmt.Sprint(err), 500), "refused", n)
		}
		http.Error(w, "You are not signed in: "+text+". Go back to the desk and try again.", status)
	}
	v := r.URL.Query()
	var b begun
	known := s.open(r, beginCookie, &b)
	s.drop(w, beginCookie)
	switch {
	case !known || subtle.ConstantTimeCompare([]byte(b.State), []byte(v.Get("state"))) != 1:
		no(http.StatusBadRequest, "this browser did not begin that, or too long ago", nil)
		return
	case v.Get("error") != "":
		no(http.StatusForbidden, "the provider refused", errors.New(v.Get("error")+": "+v.Get("error_description")))
		return
	}
	claims, err := s.claims(r.Context(), v.Get("code"), b)
	if err != nil {
		no(http.StatusBadGateway, "what the provider told cannot be trusted", err)
		return
	}
	login, err := s.cfg.Login(claims)
	if err != nil || hitl.PersonKey(login) == "" {
		no(http.StatusForbidden, "you are nobody at this desk", err)
		return
	}
	who := session{ID: rand.Text(), Login: login, Name: claims.Name, Until: time.Now().Add(s.cfg.Session)}
	s.seal(w, sessionCookie, who, who.Until)
	http.Redirect(w, r, b.Next, http.StatusSeeOther)
}

// claims exchanges a code for what the provider tells, and checks that it is for this
// sign-in.
func (s *SignIn) claims(ctx context.Context, code string, b begun) (Claims, error) {
	ctx = oidc.ClientContext(ctx, s.cfg.Client)
	token, err := s.oauth.Exchange(ctx, code, oauth2.VerifierOption(b.Verifier))
	if err != nil {
		return Claims{}, err
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return Claims{}, errors.New("there is no ID token")
	}
	id, err := s.verifier.Verify(ctx, raw)
	if err != nil {
		return Claims{}, err
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(b.Nonce)) != 1 {
		return Claims{}, errors.New("the ID token is of another sign-in")
	}
	c := Claims{Subject: id.Subject, IssuedAt: id.IssuedAt}
	if err := id.Claims(&c.All); err != nil {
		return Claims{}, err
	}
	c.Name, _ = c.All["name"].(string)
	if verified := c.All["email_verified"]; verified == true || verified == "true" {
		c.Email, _ = c.All["email"].(string)
	}
	return c, nil
}

// out ends the session.
func (s *SignIn) out(w http.ResponseWriter, r *http.Request) {
	var who session
	if s.open(r, sessionCookie, &who) {
		s.ended.add(who.ID, who.Until)
	}
	s.drop(w, sessionCookie)
	http.Redirect(w, r, s.cfg.Home, http.StatusSeeOther)
}

// local returns a path of this site; where it is none, the other one.
func local(next, otherwise string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return otherwise
	}
	return next
}
