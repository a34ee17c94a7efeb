package main

import (
	"crypto/rand"
	"crypto/subtle"
	"html/template"
	"net/http"
	"strings"
	"sync"

	"github.com/duvotool/duvotool/adapters/inbox"
)

// people may sign in here by a click on the emulator, and with a code that the program
// prints where Jobs are real. A real program signs people in with its company's accounts;
// see adapters/inbox/oidc.
var people = []inbox.Person{{Login: "kim@example.com"}, {Login: "lee@example.com"}}

// sessions are who is signed in, by the value of a cookie, or of a token for duvoctl.
type sessions struct {
	codes map[string]string // by login; nil: nobody needs one

	mu sync.Mutex
	by map[string]inbox.Person
}

func newSessions(coded bool) *sessions {
	s := &sessions{by: map[string]inbox.Person{}}
	if coded {
		s.codes = map[string]string{}
		for _, p := range people {
			s.codes[p.Login] = rand.Text()
		}
	}
	return s
}

const cookie = "desk-session"

// token makes a token for duvoctl.
func (s *sessions) token(p inbox.Person) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := rand.Text()
	s.by[t] = p
	return t
}

// person tells the desk who makes a request.
func (s *sessions) person(r *http.Request) (inbox.Person, error) {
	value, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if c, err := r.Cookie(cookie); err == nil && !ok {
		value, ok = c.Value, true
	}
	if !ok {
		return inbox.Person{}, inbox.ErrNotSignedIn
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.by[value]
	if !ok {
		return inbox.Person{}, inbox.ErrNotSignedIn
	}
	return p, nil
}

var signInPage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Sign in</title></head>
<body><main><h1>Sign in to the desk</h1><p>This is a demonstration: choose who you are.</p>
<form method="post"><input type="hidden" name="next" value="{{.Next}}">
{{if .Coded}}<p><label>The code that the program has printed for you <input name="code" type="password" required autocomplete="off"></label></p>
{{end}}{{range .People}}<p><button name="login" value="{{.Login}}">{{.Login}}</button></p>
{{end}}</form></main></body></html>
`))

func (s *sessions) serve(mux *http.ServeMux) {
	mux.HandleFunc("GET /signin", func(w http.ResponseWriter, r *http.Request) {
		_ = signInPage.Execute(w, map[string]any{"Next": local(r.URL.Query().Get("next")), "People": people, "Coded": s.codes != nil})
	})
	protect := http.NewCrossOriginProtection()
	mux.Handle("POST /signin", protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, p := range people {
			if p.Login == r.PostFormValue("login") {
				if code := s.codes[p.Login]; s.codes != nil && subtle.ConstantTimeCompare([]byte(code), []byte(r.PostFormValue("code"))) != 1 {
					http.Error(w, "that is not the code that the program has printed for "+p.Login, http.StatusForbidden)
					return
				}
				value := rand.Text()
				s.mu.Lock()
				s.by[value] = p
				s.mu.Unlock()
				http.SetCookie(w, &http.Cookie{Name: cookie, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
				http.Redirect(w, r, local(r.PostFormValue("next")), http.StatusSeeOther)
				return
			}
		}
		http.Error(w, "there is no such person", http.StatusBadRequest)
	})))
	mux.Handle("POST /signout", protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie(cookie); err == nil {
			s.mu.Lock()
			delete(s.by, c.Value)
			s.mu.Unlock()
		}
		http.Redirect(w, r, "/signin", http.StatusSeeOther)
	})))
}

// local lets somebody be sent to this server only.
func local(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.Contains(next, "\\") {
		return "/desk/"
	}
	return next
}
