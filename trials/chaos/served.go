package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"

	"github.com/duvotool/duvotool/journal"
)

// A journal that processes share: the harness holds it in memory, and serves it
// on a loopback socket. It outlives the workers, as a database would.

// servedErrors are the errors that come through by the number of their status.
var servedErrors = map[int]error{
	http.StatusConflict: journal.ErrConflict, http.StatusNotFound: journal.ErrNoRecord,
	http.StatusLocked: journal.ErrOwned, http.StatusGone: journal.ErrLapsed, http.StatusPreconditionFailed: journal.ErrFenced,
}

// answer answers a call of a served journal.
func answer(w http.ResponseWriter, v any, err error) {
	status := http.StatusOK
	if err != nil {
		status = http.StatusInternalServerError
		for n, known := range servedErrors {
			if errors.Is(err, known) {
				status = n
			}
		}
	}
	if status == http.StatusInternalServerError {
		http.Error(w, err.Error(), status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// journalHandler serves a journal, with its leases where it has them.
func journalHandler(j journal.Journal) http.Handler {
	mux := http.NewServeMux()
	if l, ok := j.(journal.Leases); ok {
		serveLeases(mux, l)
	}
	mux.HandleFunc("POST /put", func(w http.ResponseWriter, r *http.Request) {
		var rec journal.Record
		if err := json.NewDecoder(r.Body).Decode(&rec); err != nil {
			answer(w, nil, err)
			return
		}
		// What came whole is put, whether its sender still lives or not.
		revision, err := j.Put(context.WithoutCancel(r.Context()), rec)
		answer(w, revision, err)
	})
	mux.HandleFunc("GET /get", func(w http.ResponseWriter, r *http.Request) {
		rec, err := j.Get(r.Context(), r.URL.Query().Get("key"))
		answer(w, rec, err)
	})
	mux.HandleFunc("GET /unfinished", func(w http.ResponseWriter, r *http.Request) {
		all := []journal.Record{}
		for rec, err := range j.Unfinished(r.Context()) {
			if err != nil {
				answer(w, nil, err)
				return
			}
			all = append(all, rec)
		}
		answer(w, all, nil)
	})
	mux.HandleFunc("POST /forget", func(w http.ResponseWriter, r *http.Request) {
		var before time.Time
		if err := json.NewDecoder(r.Body).Decode(&before); err != nil {
			answer(w, nil, err)
			return
		}
		n, err := j.Forget(r.Context(), before)
		answer(w, n, err)
	})
	return mux
}

// A served journal is one that another process holds. Its methods may be called at
// once.
type served struct {
	url  string
	http *http.Client
}

func newServed(url string) *served {
	return &served{url, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 50}}}
}

func (s *served) Put(ctx context.Context, r journal.Record) (revision uint64, err error) {
	err = s.do(ctx, http.MethodPost, "/put", r, &revision)
	return revision, err
}

func (s *served) Get(ctx context.Context, key string) (r journal.Record, err error) {
	err = s.do(ctx, http.MethodGet, "/get?key="+url.QueryEscape(key), nil, &r)
	return r, err
}

func (s *served) Unfinished(ctx context.Context) iter.Seq2[journal.Record, error] {
	return func(yield func(journal.Record, error) bool) {
		var all []journal.Record
		if err := s.do(ctx, http.MethodGet, "/unfinished", nil, &all); err != nil {
			yield(journal.Record{}, err)
			return
		}
		for _, r := range all {
			if ctx.Err() != nil {
				yield(journal.Record{}, context.Cause(ctx))
				return
			}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (s *served) Forget(ctx context.Context, before time.Time) (n int, err error) {
	err = s.do(ctx, http.MethodPost, "/forget", before, &n)
	return n, err
}

func (s *served) do(ctx context.Context, method, path string, in, out any) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return unavailable(ctx, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return unavailable(ctx, err)
	case servedErrors[resp.StatusCode] != nil:
		_ = json.Unmarshal(text, out) // whose the key is, say
		return servedErrors[resp.StatusCode]
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("the served journal: %s: %s", resp.Status, bytes.TrimSpace(text))
	}
	return json.Unmarshal(text, out)
}

// unavailable words why no answer came.
func unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", journal.ErrUnavailable, err)
}

func (s *served) close() { s.http.CloseIdleConnections() }
