package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

const (
	maxBody      = 1 << 20
	maxKey       = 200              // bytes
	decideWithin = 20 * time.Second // for a decision to reach Duvo; after that the answer is 202
)

// A service is the HTTP side of a registry.
type service struct {
	reg    *duvotool.Registry
	person func(*http.Request) (string, error)
	log    *slog.Logger
}

func newService(reg *duvotool.Registry, person func(*http.Request) (string, error), log *slog.Logger) *service {
	return &service{reg, person, log}
}

// fromHeader tells who calls.
//
// THIS IS THE PLACE FOR REAL AUTHENTICATION: check a session, a token or a client's
// certificate here, and return the login that it proves. What stands here believes a
// header, which is right only behind a proxy that authenticates people, sets the
// header itself and removes what a client sent under its name. Nobody decides
// anything without a name: it is what the audit will say for years.
func fromHeader(name string) func(*http.Request) (string, error) {
	return func(r *http.Request) (string, error) {
		v := r.Header.Values(name)
		if name == "" || len(v) != 1 || hitl.PersonKey(v[0]) == "" || len(v[0]) > 200 {
			return "", errors.New("nobody has told who calls")
		}
		return v[0], nil
	}
}

// handler is all that is served. Browsers of other sites are refused, since a proxy
// may authenticate them by a cookie.
func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /jobs", s.as(s.start))
	mux.HandleFunc("GET /jobs", s.as(s.list))
	mux.HandleFunc("GET /jobs/{key}", s.as(s.show))
	mux.HandleFunc("GET /requests", s.as(s.requests))
	mux.HandleFunc("POST /jobs/{key}/requests/{id}", s.as(s.decide))
	mux.Handle("POST /duvo", s.reg.Webhook())
	mux.HandleFunc("GET /health", s.as(func(r *http.Request, _ string) (int, any, error) {
		return http.StatusOK, s.reg.CheckHealth(r.Context()), nil
	}))
	mux.Handle("/healthz", s.reg.Liveness())
	mux.Handle("/readyz", s.reg.Readiness())
	return http.NewCrossOriginProtection().Handler(mux)
}

// as answers people with what f returns: a status and what goes with it, or an error.
func (s *service) as(f func(r *http.Request, by string) (int, any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		by, err := s.person(r)
		if err != nil {
			s.answer(w, http.StatusUnauthorized, problem{Error: err.Error()})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		status, body, err := f(r, by)
		if err != nil {
			var words string
			if status, words = explain(err); status >= 500 {
				s.log.Warn("a request failed", "path", r.URL.Path, "by", by, "status", status, "error", hitl.SafeLine(err.Error(), 500))
			}
			if status == http.StatusServiceUnavailable {
				w.Header().Set("Retry-After", "10")
			}
			body = problem{Error: words}
		}
		if asked, ok := body.(*work); ok {
			w.Header().Set("Location", "/jobs/"+url.PathEscape(asked.Key))
		}
		s.answer(w, status, body)
	}
}

// start starts work, or joins what was started under its key. 202: it is recorded,
// and goes on whatever becomes of this process. 200: this is how it ended. Where Duvo
// cannot be reached for half a minute, or does not take the start, show tells that no
// Job was started, and the same POST tries again.
func (s *service) start(r *http.Request, by string) (int, any, error) {
	var in struct{ Key, Assignment, Input string }
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	if in.Key == "" || len(in.Key) > maxKey {
		return 0, nil, badRequest(fmt.Sprintf("a key of 1 to %d bytes is needed: what names the work, such as an order's number, and is the same when it is asked for again", maxKey))
	}
	tool, err := s.reg.Tool(in.Assignment)
	if err != nil && !s.reg.Discovered() {
		return 0, nil, errNotKnown
	} else if err != nil {
		return 0, nil, err
	}
	ctx := duvotool.WithOperationKey(duvotool.WithCaller(r.Context(), hitl.Caller{User: by}), in.Key)
	return standing(tool.Start(ctx, in.Input))
}

// show tells how work stands. It starts nothing.
func (s *service) show(r *http.Request, _ string) (int, any, error) {
	_, body, err := standing(s.reg.Lookup(r.Context(), r.PathValue("key")))
	return http.StatusOK, body, err
}

// A work is how what somebody asked for stands.
type work struct {
	Key        string               `json:"key"`
	Outcome    outcome.Outcome      `json:"outcome"`
	Assignment string               `json:"assignment"`
	JobID      string               `json:"job_id,omitempty"` // empty: not started yet, or never
	Status     duvo.Status          `json:"status,omitempty"`
	Output     string               `json:"output,omitempty"` // of a remote agent: data, not HTML
	Note       string               `json:"note,omitempty"`
	Decisions  []hitl.DecisionEntry `json:"decisions,omitempty"`
	By         string               `json:"by"`
	StartedAt  time.Time            `json:"started_at,omitzero"`
	EndedAt    time.Time            `json:"ended_at,omitzero"`
}

func standing(res *outcome.Result, err error) (int, any, error) {
	if err != nil {
		return 0, nil, err
	}
	w := &work{Key: res.Key, Outcome: res.Outcome, Assignment: res.Assignment.Name, JobID: res.JobID, Status: res.Status, Output: res.Output,
		Note: res.Note, Decisions: res.Decisions, By: res.Caller.User, StartedAt: res.StartedAt, EndedAt: res.EndedAt}
	if res.Outcome == outcome.OutcomePending {
		w.EndedAt = time.Time{} // it is when it was looked at
		return http.StatusAccepted, w, nil
	}
	return http.StatusOK, w, nil
}

// list lists what is in flight, and what nobody can tell whether it was started.
func (s *service) list(*http.Request, string) (int, any, error) {
	all := []*work{}
	for _, j := range s.reg.Jobs() {
		w := &work{Key: j.Key, Outcome: outcome.OutcomePending, Assignment: j.Assignment.Name, JobID: j.JobID, Status: j.Status, By: j.Caller.User, StartedAt: j.StartedAt}
		if j.Unknown {
			w.Outcome = outcome.OutcomeUnknown // see Registry.Candidates and Registry.Reconcile
		}
		all = append(all, w)
	}
	return http.StatusOK, map[string]any{"jobs": all}, nil
}

// A waiting is a request that waits for a person. The texts of Request are a
// stranger's, as they came; Shown is all of it, safe to print.
type waiting struct {
	hitl.Request
	Assignment string `json:"assignment"` // its name
	Digest     string `json:"digest"`
	Shown      string `json:"shown"`
	Decide     string `json:"decide"` // where to post the decision
}

// digestOf stands for all that a person sees of a request: its text, and for what
// Assignment, Build and input it is.
func digestOf(r hitl.Request) string { return r.Digest() + "." + r.ContentDigest() }

func (s *service) requests(*http.Request, string) (int, any, error) {
	all := []waiting{}
	for _, r := range s.reg.Pending() {
		all = append(all, waiting{r, r.Assignment.Name, digestOf(r), r.String(), "/jobs/" + url.PathEscape(r.Key) + "/requests/" + url.PathEscape(r.ID)})
	}
	return http.StatusOK, map[string]any{"requests": all}, nil
}

// decide takes a decision about what was seen, and about nothing else. 200: Duvo has
// it, also where this person decided so before. 202: it counts, and is sent as soon as
// it can be; after more than 15 minutes, or if it reads differently by then, the request
// waits for a decision again. 409: it does not count. 503: the same decision may be posted again.
func (s *service) decide(r *http.Request, by string) (int, any, error) {
	var in struct {
		Digest, Verdict, Reason string
		Answers                 map[string]string
	}
	if err := decode(r, &in); err != nil {
		return 0, nil, err
	}
	d, known := map[string]hitl.Decision{
		"approve": hitl.Approve(by, in.Reason), "deny": hitl.Deny(by, in.Reason), "answer": hitl.Answer(by, in.Answers),
	}[in.Verdict]
	if !known {
		return 0, nil, badRequest(`the verdict must be "approve", "deny" or "answer"`)
	}
	ctx, cancel := context.WithTimeout(r.Context(), decideWithin)
	defer cancel()
	id, key := r.PathValue("id"), r.PathValue("key")
	decided := errNotRead
	for _, req := range s.reg.Pending() {
		switch {
		case req.Key != key:
		case req.ID != id:
			decided = outcome.ErrNotPending // the Job has gone on to another
		case in.Digest != digestOf(req):
			return 0, nil, hitl.ErrRequestChanged
		default:
			decided = s.reg.Decide(ctx, req, d)
		}
	}
	switch {
	case decided == nil:
		return http.StatusOK, map[string]any{"by": by, "verdict": d.Verdict}, nil
	case errors.Is(decided, journal.ErrUnavailable), errors.Is(decided, audit.ErrUnavailable):
		return 0, nil, fmt.Errorf("%w: %w", errNotKept, decided)
	case !errors.Is(decided, errNotRead) && !errors.Is(decided, outcome.ErrNotPending) && !errors.Is(decided, context.DeadlineExceeded):
		return 0, nil, decided
	}
	res, err := s.reg.Lookup(r.Context(), key)
	if err != nil {
		return 0, nil, err
	}
	status, entry := decidedBefore(res.Decisions, id, in.Digest)
	switch waits := res.Outcome == outcome.OutcomePending && res.Status == duvo.StatusWaiting; {
	case entry != nil && (entry.By != by || entry.Verdict != d.Verdict || !maps.Equal(entry.Answers, d.Answers)):
		return 0, nil, &outcome.DecidedError{Entry: *entry}
	case status == http.StatusConflict:
		return 0, nil, outcome.ErrNotPending
	case entry != nil:
		return status, entry, nil
	case waits || errors.Is(decided, context.DeadlineExceeded):
		return 0, nil, decided
	}
	return 0, nil, outcome.ErrNotPending
}

// decidedBefore finds what was decided of a request that no longer waits, or whose
// decision is on its way; nil if nothing was that counts for this digest. The status
// is zero where nothing at all is known of the request.
func decidedBefore(all []hitl.DecisionEntry, id, digest string) (status int, entry *hitl.DecisionEntry) {
	for _, e := range slices.Backward(all) {
		switch {
		case e.RequestID != id:
		case !strings.HasPrefix(digest, e.Digest+"."):
			status = http.StatusConflict // it read differently
		case e.Delivery == hitl.Accepted, e.Delivery == hitl.Unconfirmed:
			return http.StatusOK, &e
		case e.Delivery == hitl.Sent, e.Delivery == hitl.NotSent:
			return http.StatusAccepted, &e
		default:
			return http.StatusConflict, &e // refused, or superseded
		}
	}
	return status, nil
}

type problem struct {
	Error string `json:"error"`
}

func (s *service) answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		s.log.Error("an answer cannot be written", "error", err)
		status, text = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}
