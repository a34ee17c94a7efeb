package inbox

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/inbody"
)

// maxBody bounds what is posted, in bytes.
const maxBody = 1 << 20

// csp lets pages load what the desk serves and nothing else.
const csp = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// A served is a handler for somebody who is signed in.
type served func(http.ResponseWriter, *http.Request, Person)

func (d *Desk) routes() {
	d.mux = http.NewServeMux()
	page := func(pattern string, h served) { d.mux.HandleFunc(pattern, d.known(h, d.signIn)) }
	api := func(pattern string, h served) { d.mux.HandleFunc(pattern, d.known(h, d.unauthorized)) }
	page("GET /{$}", d.list)
	page("GET /requests/{ref}", d.request)
	page("POST /requests/{ref}", d.decideOne)
	page("POST /requests/{ref}/notes", d.addNote)
	api("POST /requests/{ref}/challenge", d.challengeForm)
	page("GET /keys", d.keysPage)
	page("POST /keys/remove", d.removeKey)
	page("GET /batch", d.batch)
	page("POST /batch", d.decideBatch)
	page("GET /history", d.past)
	page("GET /history/{ref}", d.record)
	page("GET /events", d.events)
	page("GET /hold", d.holdPage)
	page("POST /hold", d.switchHold)
	api("GET /api/me", d.apiMe)
	api("GET /api/requests", d.apiList)
	api("GET /api/requests/{ref}", d.apiRequest)
	api("POST /api/decisions", d.apiDecide)
	api("POST /api/challenges", d.apiChallenge)
	api("POST /api/keys/challenge", d.apiAskKey)
	api("POST /api/keys", d.apiTakeKey)
	api("POST /api/requests/{ref}/notes", d.apiNote)
	api("GET /api/history", d.apiHistory)
	api("GET /api/events", d.events)
	api("GET /api/hold", d.apiHold)
	api("PUT /api/hold", d.apiSetHold)
	d.mux.HandleFunc("GET /api/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(description)
	})
	for _, a := range []asset{style, script} {
		d.mux.HandleFunc("GET /assets/"+a.name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", a.kind)
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			_, _ = w.Write(a.body)
		})
	}
	page("/", d.missing)
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, words["foreign"], http.StatusForbidden)
	}))
	d.safe = headers(cross.Handler(d.mux))
}

// headers are on every answer.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", csp)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r = inbody.Bound(w, r)
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

var errPerson = errors.New("inbox: Config.Person panicked")

// known lets through who is signed in.
func (d *Desk) known(h served, otherwise http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var p Person
		err := guard.Run(errPerson, func() (err error) { p, err = d.cfg.Person(r); return err })
		if err == nil && hitl.PersonKey(p.Login) == "" {
			err = errors.New("inbox: Config.Person told a person without a login")
		}
		switch {
		case errors.Is(err, ErrNotSignedIn):
			otherwise(w, r)
		case err != nil:
			d.cfg.Log.Error("inbox: who makes a request could not be told; it was refused", "error", hitl.SafeLine(err.Error(), 500))
			http.Error(w, words["errorText"], http.StatusInternalServerError)
		default:
			h(w, r, p)
		}
	}
}

// signIn sends somebody who is not signed in to where they can.
func (d *Desk) signIn(w http.ResponseWriter, r *http.Request) {
	to := ""
	if d.cfg.SignIn != "" {
		to = d.cfg.SignIn
		sep := "?"
		if strings.Contains(to, "?") {
			sep = "&"
		}
		if r.Method == http.MethodGet {
			to += sep + "next=" + url.QueryEscape(d.cfg.BasePath+r.URL.RequestURI())
		}
	}
	d.render(w, http.StatusUnauthorized, "signin", page{Title: words["signIn"], Body: to})
}

func (d *Desk) missing(w http.ResponseWriter, _ *http.Request, p Person) { d.notSeen(w, p) }

// notSeen is for what is not there and for what a person may not see: they look the
// same.
func (d *Desk) notSeen(w http.ResponseWriter, p Person) {
	d.render(w, http.StatusNotFound, "told", page{Title: words["notSeen"], Person: p, Body: told{words["notSeen"], words["notSeenText"]}})
}

// told is a page of a headline and a sentence.
type told struct{ Head, Text string }

// number reads a number of a query; zero where there is none.
func number(v url.Values, name string) int {
	n, err := strconv.Atoi(v.Get(name))
	if err != nil || n < 0 || n > 1<<20 {
		return 0
	}
	return n
}
