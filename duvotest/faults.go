package duvotest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// FaultKind tells what goes wrong.
type FaultKind int

// What can go wrong with a request. "Effect" is what the request asks for;
// reads have none.
const (
	NoFault      FaultKind = iota // nothing: for a fault that only delays
	ResetBefore                   // the connection breaks, and the effect does not happen
	ResetAfter                    // the effect happens, and the connection breaks
	LateEffect                    // the connection breaks, and the effect happens EffectDelay later
	StatusBefore                  // Status is answered, and the effect does not happen
	StatusAfter                   // the effect happens, and Status is answered
	Truncate                      // the effect happens, and the answer breaks off in the middle
	NotJSON                       // the effect happens, and Body is answered in place of JSON
	Hang                          // nothing happens and nothing is answered until the request's context ends
)

var faultNames = map[FaultKind]string{NoFault: "delay", ResetBefore: "reset before", ResetAfter: "reset after", LateEffect: "late effect",
	StatusBefore: "status before", StatusAfter: "status after", Truncate: "truncate", NotJSON: "not JSON", Hang: "hang"}

// String names the kind.
func (k FaultKind) String() string { return faultNames[k] }

// A Fault is something that goes wrong with requests.
type Fault struct {
	Op          string // the operationId that it hits; empty: any
	Times       int    // how many requests it hits; zero: one
	Skip        int    // how many it lets pass before
	Kind        FaultKind
	Latency     time.Duration // before anything else
	Status      int           // of StatusBefore and StatusAfter; zero: 503
	RetryAfter  time.Duration // the Retry-After header, in whole seconds
	EffectDelay time.Duration // of LateEffect
	Body        string        // of NotJSON and the Status kinds; empty: a fitting one
}

// Inject queues faults. Each request meets the first queued one that hits it.
func (d *Duvo) Inject(faults ...Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range faults {
		if f.Times == 0 {
			f.Times = 1
		}
		d.faults = append(d.faults, &f)
	}
}

// InjectFunc sets a function that is asked about every request that no queued
// fault hits; nil lets it pass. It is called with the Duvo's lock held and
// must not call the Duvo. A nil function asks nobody any more.
func (d *Duvo) InjectFunc(f func(op string, r *http.Request) *Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faultFunc = f
}

func (d *Duvo) faultFor(in *incoming, r *http.Request) *Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	var hit *Fault
	for i, f := range d.faults {
		if f.Op != "" && f.Op != in.Op {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times--; f.Times == 0 {
			d.faults = append(d.faults[:i:i], d.faults[i+1:]...)
		}
		hit = f
		break
	}
	if hit == nil && d.faultFunc != nil {
		hit = d.faultFunc(in.Op, r)
	}
	if hit != nil {
		in.Fault = hit.Kind.String()
	}
	return hit
}

// serve answers a request that a fault has hit.
func (f *Fault) serve(d *Duvo, w http.ResponseWriter, r *http.Request, in *incoming) {
	if f.Latency > 0 {
		t := time.NewTimer(f.Latency)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		case <-d.ctx.Done():
		}
	}
	switch f.Kind {
	case NoFault:
		d.write(w, in, d.answer(in))
	case ResetBefore:
		panic(http.ErrAbortHandler)
	case ResetAfter:
		d.answer(in)
		panic(http.ErrAbortHandler)
	case LateEffect:
		d.later(f.EffectDelay, func() { d.answer(in) })
		panic(http.ErrAbortHandler)
	case StatusBefore:
		d.write(w, in, f.reply())
	case StatusAfter:
		d.answer(in)
		d.write(w, in, f.reply())
	case Truncate:
		rep := d.answer(in)
		body, _ := encodeReply(rep, d.cfg.quirks)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		d.told(in, rep.status)
		w.WriteHeader(rep.status)
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case NotJSON:
		rep := d.answer(in)
		body := f.Body
		if body == "" {
			body = "<!doctype html><title>Gateway</title>"
		}
		w.Header().Set("Content-Type", "text/html")
		d.told(in, rep.status)
		w.WriteHeader(rep.status)
		_, _ = w.Write([]byte(body))
	case Hang:
		select {
		case <-r.Context().Done():
		case <-d.ctx.Done():
		}
		panic(http.ErrAbortHandler)
	}
}

func (f *Fault) reply() reply {
	status := f.Status
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	rep := fail(status, strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_"), "An injected fault.")
	if f.Body != "" {
		rep.raw = []byte(f.Body)
	}
	rep.header = http.Header{}
	if f.RetryAfter > 0 {
		rep.header.Set("Retry-After", strconv.Itoa(int((f.RetryAfter+time.Second-1)/time.Second)))
	}
	return rep
}

// later lets something happen after a while, unless the Duvo is closed before.
func (d *Duvo) later(delay time.Duration, f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.wg.Go(func() {
		t := time.NewTimer(delay)
		defer t.Stop()
		select {
		case <-t.C:
			f()
		case <-d.ctx.Done():
		}
	})
}
