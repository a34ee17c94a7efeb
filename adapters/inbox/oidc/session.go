package oidc

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A session is who has signed in.
type session struct {
	ID    string    `json:"id"`
	Login string    `json:"login"`
	Name  string    `json:"name,omitempty"`
	Until time.Time `json:"until"`
}

// A begun is a sign-in that the provider has not answered.
type begun struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"`
	Next     string    `json:"next"`
	Until    time.Time `json:"until"`
}

func (s session) end() time.Time { return s.Until }
func (b begun) end() time.Time   { return b.Until }

// The cookies.
const (
	sessionCookie = "duvo-desk"
	beginCookie   = "duvo-desk-begin"
)

var coding = base64.RawURLEncoding

// name is a cookie's name: the prefix makes browsers take it by https from this host
// alone.
func (s *SignIn) name(cookie string) string {
	if s.secure {
		return "__Host-" + cookie
	}
	return cookie
}

// seal signs a value, for one cookie, and sets it.
func (s *SignIn) seal(w http.ResponseWriter, cookie string, v any, until time.Time) {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts and times
	}
	http.SetCookie(w, &http.Cookie{Name: s.name(cookie), Value: coding.EncodeToString(raw) + "." + coding.EncodeToString(s.sum(cookie, raw)),
		Path: "/", Expires: until, Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (s *SignIn) sum(cookie string, raw []byte) []byte {
	mac := hmac.New(sha256.New, s.cfg.SessionKey)
	mac.Write([]byte(cookie + "\x00" + s.cfg.Issuer + "\x00" + s.cfg.ClientID + "\x00"))
	mac.Write(raw)
	return mac.Sum(nil)
}

// open reads a cookie that was sealed, and whose time is not over.
func (s *SignIn) open(r *http.Request, cookie string, to interface{ end() time.Time }) bool {
	c, err := r.Cookie(s.name(cookie))
	if err != nil {
		return false
	}
	body, sum, _ := strings.Cut(c.Value, ".")
	raw, err := coding.DecodeString(body)
	given, err2 := coding.DecodeString(sum)
	if err != nil || err2 != nil || !hmac.Equal(given, s.sum(cookie, raw)) || json.Unmarshal(raw, to) != nil {
		return false
	}
	return time.Now().Before(to.end())
}

func (s *SignIn) drop(w http.ResponseWriter, cookie string) {
	http.SetCookie(w, &http.Cookie{Name: s.name(cookie), Path: "/", MaxAge: -1, Secure: s.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// ended are the sessions that were signed out of before their end.
type ended struct {
	mu  sync.Mutex
	ids map[string]time.Time // with their end
}

func (e *ended) add(id string, until time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ids == nil {
		e.ids = map[string]time.Time{}
	}
	for old, end := range e.ids {
		if time.Now().After(end) {
			delete(e.ids, old)
		}
	}
	e.ids[id] = until
}

func (e *ended) has(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.ids[id]
	return ok
}
