package main

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvotest"
)

// The longest time that an effect may come after its request was answered or cut
// off, which the workers' times must leave room for.
const latestEffect = 700 * time.Millisecond

// A faultMaker draws faults, of requests and of webhooks.
type faultMaker struct {
	part float64 // of all requests

	mu    sync.Mutex // guards the rest
	rand  *rand.Rand
	drawn map[string]int // by kind
	hooks map[string]int // by kind
}

func newFaultMaker(seed uint64, part float64) *faultMaker {
	return &faultMaker{part: part, rand: rand.New(rand.NewPCG(seed, 1)), drawn: map[string]int{}, hooks: map[string]int{}}
}

// between draws a time. Called with mu held.
func (m *faultMaker) between(least, most time.Duration) time.Duration {
	return least + time.Duration(m.rand.Int64N(int64(most-least)))
}

// request draws what happens to a request, unless a plan has a fault for it; nil:
// nothing.
func (m *faultMaker) request(_ string, r *http.Request) *duvotest.Fault {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f, ok := r.Context().Value(lostKey{}).(*duvotest.Fault); ok {
		m.drawn["by plan: "+f.Kind.String()]++
		return f
	}
	if m.rand.Float64() >= m.part {
		return nil
	}
	f := &duvotest.Fault{}
	status := []int{500, 502, 503, 504}[m.rand.IntN(4)]
	switch n := m.rand.IntN(100); {
	case n < 16:
		f.Kind = duvotest.ResetBefore
	case n < 32:
		f.Kind = duvotest.ResetAfter
	case n < 40:
		f.Kind, f.EffectDelay = duvotest.LateEffect, m.between(0, latestEffect)
	case n < 55:
		f.Kind, f.Status = duvotest.StatusBefore, status
	case n < 65:
		f.Kind, f.Status = duvotest.StatusAfter, status
	case n < 68:
		f.Kind, f.Status, f.RetryAfter = duvotest.StatusBefore, http.StatusTooManyRequests, time.Second
	case n < 78:
		f.Kind = duvotest.Truncate
	case n < 83:
		f.Kind = duvotest.NotJSON
	case n < 95:
		f.Latency = m.between(50*time.Millisecond, 900*time.Millisecond)
	default:
		f.Kind = duvotest.Hang
	}
	name := f.Kind.String()
	if f.Status != 0 {
		name += " " + strconv.Itoa(f.Status)
	}
	m.drawn[name]++
	return f
}

// A hookCarrier delivers webhooks, but for those that it loses, repeats or holds
// up.
type hookCarrier struct {
	faults *faultMaker
	next   http.RoundTripper
}

func (c hookCarrier) RoundTrip(r *http.Request) (*http.Response, error) {
	m := c.faults
	m.mu.Lock()
	fault, late := "", time.Duration(0)
	if m.rand.Float64() < m.part {
		fault, late = []string{"loss", "loss", "duplicate", "late"}[m.rand.IntN(4)], m.between(0, time.Second)
		m.hooks[fault]++
	}
	m.mu.Unlock()
	switch fault {
	case "loss":
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return &http.Response{Status: "204 No Content", StatusCode: http.StatusNoContent, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	case "duplicate":
		again := r.Clone(r.Context())
		if r.GetBody != nil {
			again.Body, _ = r.GetBody()
		}
		if resp, err := c.next.RoundTrip(again); err == nil {
			_ = resp.Body.Close()
		}
	case "late":
		t := time.NewTimer(late)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return c.next.RoundTrip(r)
}

func (c hookCarrier) CloseIdleConnections() {
	if t, ok := c.next.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}
