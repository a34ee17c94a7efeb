package main

import (
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvotest"
)

// A refusalKind is what is answered in place of a Job or its messages.
type refusalKind string

var refusalKinds = []refusalKind{"401", "403", "404", "409", "302 to a login page", "503 maintenance page", "200 maintenance page"}

const loginPath = "/login"

// serve answers a read.
func (k refusalKind) serve(w http.ResponseWriter) {
	page := func(status int) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<!doctype html><title>Back soon</title><p>We are upgrading.</p>")
	}
	status := map[refusalKind]int{"401": http.StatusUnauthorized, "403": http.StatusForbidden, "404": http.StatusNotFound, "409": http.StatusConflict}[k]
	switch k {
	case "302 to a login page":
		w.Header().Set("Location", loginPath)
		w.WriteHeader(http.StatusFound)
	case "503 maintenance page":
		page(http.StatusServiceUnavailable)
	case "200 maintenance page":
		page(http.StatusOK)
	default:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"error":"refused","message":"Not now."}`)
	}
}

// refusals decides which reads are refused: those of one Job for a while, by its
// plan, and now and then those of all Jobs.
type refusals struct {
	seed uint64
	duvo *duvotest.Duvo

	mu    sync.Mutex
	dice  dice
	from  time.Time // of the time in which all are refused
	until time.Time
	kind  refusalKind
	jobs  map[string]bool // that met a refusal of their own
	drawn map[string]int  // reads that were refused, by kind
	whole int             // times in which all were
}

func newRefusals(seed uint64, d *duvotest.Duvo) *refusals {
	return &refusals{seed: seed, duvo: d, dice: dice{rand.New(rand.NewPCG(seed, 4))}, jobs: map[string]bool{}, drawn: map[string]int{}}
}

// ofJob matches the paths that a Job and its messages are read at.
var ofJob = regexp.MustCompile(`/runs/([0-9a-fA-F-]{36})(/messages)?$`)

// of tells how a request is refused; empty: it is not.
func (f *refusals) of(r *http.Request) refusalKind {
	at := ofJob.FindStringSubmatch(r.URL.Path)
	if r.Method != http.MethodGet || at == nil {
		return ""
	}
	j, ok := f.duvo.Job(at[1])
	if !ok {
		return ""
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	kind := f.ofAll(time.Now())
	if p := planOf(f.seed, j.Input).Refused; kind == "" && p.For > 0 {
		if age := time.Since(j.CreatedAt); age >= p.After && age < p.After+p.For {
			kind = p.Kind
			f.jobs[j.ID] = true
		}
	}
	if kind != "" {
		f.drawn["read refused: "+string(kind)]++
	}
	return kind
}

// ofAll draws when all reads are refused. Called with mu held.
func (f *refusals) ofAll(now time.Time) refusalKind {
	if now.After(f.until) {
		first := f.until.IsZero()
		f.from = now.Add(f.dice.between(5*time.Second, 15*time.Second))
		f.until = f.from.Add(f.dice.between(300*time.Millisecond, 2*time.Second))
		f.kind = refusalKinds[f.dice.IntN(len(refusalKinds))]
		if !first {
			f.whole++
		}
	}
	if now.Before(f.from) {
		return ""
	}
	return f.kind
}

// tell adds what was drawn to counts.
func (f *refusals) tell(counts map[string]int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.Copy(counts, f.drawn)
	counts["Jobs whose reads were refused for a while"] += len(f.jobs)
	counts["times in which all reads were refused"] += f.whole
}

// losses draws by the plans whose answers are lost and whose repetition is refused.
type losses struct {
	seed uint64

	mu   sync.Mutex
	sent map[string]int // how often, by the name of the operation
}

// lostKey is the context key of the fault that a plan has for a request.
type lostKey struct{}

// mark gives the request that says what an operation has to say the fault that it
// is to meet; see faultMaker.request.
func (l *losses) mark(r *http.Request, said string) *http.Request {
	t, ok := planOf(l.seed, keyOf(said)).turnNamed(said)
	if said == "" || !ok || t.Lost == notLost {
		return r
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent[said]++
	var f *duvotest.Fault
	switch n := l.sent[said]; {
	case n == 1 && t.Lost == lostWith:
		f = &duvotest.Fault{Kind: duvotest.ResetAfter}
	case n == 1:
		f = &duvotest.Fault{Kind: duvotest.ResetBefore}
	case n == 2:
		f = &duvotest.Fault{Kind: duvotest.StatusBefore, Status: http.StatusBadRequest}
	default:
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), lostKey{}, f))
}

// tell adds what was drawn to counts.
func (l *losses) tell(counts map[string]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.sent {
		counts["starts and messages whose answer was lost by plan"]++
		if n > 1 {
			counts["of them with a refused repetition"]++
		}
	}
}
