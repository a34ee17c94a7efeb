package main

import (
	"bufio"
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/duvotool/duvotool/journal"
)

// The part of a served journal that is about owners.

// An ofOwner is what most calls are about.
type ofOwner struct {
	Owner string
	Keys  []string
	N     int
	Lasts time.Duration
	Text  string
}

// serveLeases serves what a journal has beside records.
func serveLeases(mux *http.ServeMux, j journal.Leases) {
	call := func(path string, f func(context.Context, ofOwner) (any, error)) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			var about ofOwner
			err := json.NewDecoder(r.Body).Decode(&about)
			var v any
			if err == nil { // what came whole is done, whether its sender still lives or not
				v, err = f(context.WithoutCancel(r.Context()), about)
			}
			answer(w, v, err)
		})
	}
	call("/renew", func(ctx context.Context, a ofOwner) (any, error) { return j.Renew(ctx, a.Owner, a.Lasts) })
	call("/own", func(ctx context.Context, a ofOwner) (any, error) { return j.Own(ctx, a.Owner, a.Keys[0]) })
	call("/takeover", func(ctx context.Context, a ofOwner) (any, error) { return j.TakeOver(ctx, a.Owner, a.N) })
	call("/release", func(ctx context.Context, a ofOwner) (any, error) { return nil, j.Release(ctx, a.Owner, a.Keys...) })
	call("/tell", func(ctx context.Context, a ofOwner) (any, error) { return nil, j.Tell(ctx, a.Text) })
	mux.HandleFunc("GET /owned", func(w http.ResponseWriter, r *http.Request) {
		all, err := collect(j.Owned(r.Context(), r.URL.Query().Get("owner")))
		answer(w, all, err)
	})
	mux.HandleFunc("GET /heads", func(w http.ResponseWriter, r *http.Request) {
		all, err := collect(j.Heads(r.Context()))
		answer(w, all, err)
	})
	mux.HandleFunc("GET /listen", func(w http.ResponseWriter, r *http.Request) {
		to := http.NewResponseController(w)
		_ = to.Flush()
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		_ = j.Listen(ctx, func(text string) {
			if json.NewEncoder(w).Encode(text) != nil || to.Flush() != nil {
				cancel()
			}
		})
	})
}

func collect[T any](list iter.Seq2[T, error]) ([]T, error) {
	all := []T{}
	for v, err := range list {
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

func (s *served) Renew(ctx context.Context, owner string, lasts time.Duration) (told journal.Renewal, err error) {
	err = s.do(ctx, http.MethodPost, "/renew", ofOwner{Owner: owner, Lasts: lasts}, &told)
	return told, err
}

func (s *served) Own(ctx context.Context, owner, key string) (l journal.Lease, err error) {
	err = s.do(ctx, http.MethodPost, "/own", ofOwner{Owner: owner, Keys: []string{key}}, &l)
	return l, err
}

func (s *served) TakeOver(ctx context.Context, owner string, n int) (taken []journal.Lease, err error) {
	err = s.do(ctx, http.MethodPost, "/takeover", ofOwner{Owner: owner, N: n}, &taken)
	return taken, err
}

func (s *served) Release(ctx context.Context, owner string, keys ...string) error {
	var nothing any
	return s.do(ctx, http.MethodPost, "/release", ofOwner{Owner: owner, Keys: keys}, &nothing)
}

func (s *served) Tell(ctx context.Context, text string) error {
	if err := journal.CheckTold(text); err != nil { // JSON would mend what is not UTF-8
		return err
	}
	var nothing any
	return s.do(ctx, http.MethodPost, "/tell", ofOwner{Text: text}, &nothing)
}

func (s *served) Owned(ctx context.Context, owner string) iter.Seq2[journal.Lease, error] {
	return listed[journal.Lease](ctx, s, "/owned?owner="+url.QueryEscape(owner))
}

func (s *served) Heads(ctx context.Context) iter.Seq2[journal.Record, error] {
	return listed[journal.Record](ctx, s, "/heads")
}

// listed lists what a served journal has at a path.
func listed[T any](ctx context.Context, s *served, path string) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var all []T
		if err := s.do(ctx, http.MethodGet, path, nil, &all); err != nil {
			var none T
			yield(none, err)
			return
		}
		for _, v := range all {
			if ctx.Err() != nil {
				var none T
				yield(none, context.Cause(ctx))
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

// Listen connects again where its connection breaks.
func (s *served) Listen(ctx context.Context, f func(text string)) error {
	for again := false; ctx.Err() == nil; again = true {
		_ = s.listen(ctx, again, f)
		sleepUntil(ctx.Done(), 50*time.Millisecond)
	}
	return context.Cause(ctx)
}

func (s *served) listen(ctx context.Context, again bool, f func(text string)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/listen", nil)
	if err != nil {
		return err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if again {
		f("")
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		f(text)
	}
	return lines.Err()
}
