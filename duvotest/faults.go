package duvotest

import (
	"cmp"
	"errors"
	"fmt"
	"net"
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
	ResetBefore                   // the connection is reset, and the effect does not happen
	ResetAfter                    // the effect happens, and the connection is reset
	LateEffect                    // the connection is reset, and the effect happens EffectDelay later
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

// A Fault is something that goes wrong with requests. Its zero value hits one
// request of any operation and changes nothing.
type Fault struct {
	Op          string // the operationId that it hits; empty: any, and paths that are none
	Times       int    // how many requests it hits; zero: one; negative: all from then on
	Skip        int    // how many it lets pass before
	Kind        FaultKind
	Latency     time.Duration // before anything else
	Status      int           // of StatusBefore and StatusAfter, zero: 503; of NotJSON, zero: 200
	RetryAfter  time.Duration // the Retry-After header of the Status kinds, in whole seconds, rounded up
	EffectDelay time.Duration // of LateEffect
	Body        string        // of NotJSON and the Status kinds; empty: a fitting one
}

func (f *Fault) check() error {
	switch {
	case f.Op != "" && !known(f.Op):
		return fmt.Errorf("a fault names the operation %q, which does not exist", f.Op)
	case f.Kind.String() == "":
		return fmt.Errorf("there is no fault of kind %d", f.Kind)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("a fault cannot answer the status %d", f.Status)
	case f.Skip < 0 || f.Latency < 0 || f.RetryAfter < 0 || f.EffectDelay < 0:
		return errors.New("a fault has a negative number")
	}
	return nil
}

// Inject queues faults. Each request meets the first queued one that hits it.
// It panics if a fault makes no sense.
func (d *Duvo) Inject(faults ...Fault) {
	for _, f := range faults {
		if err := f.check(); err != nil {
			panic("duvotest: " + err.Error())
		}
	}
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
// fault hits; nil lets it pass. It must not read the request's body. The
// function is asked about one request at a time, in no particular order, and
// may call the Duvo, except this method. A nil function asks nobody any more.
func (d *Duvo) InjectFunc(f func(op string, r *http.Request) *Fault) {
	d.asking.Lock()
	defer d.asking.Unlock()
	d.faultFunc = f
}

func (d *Duvo) faultFor(in *incoming, r *http.Request) *Fault {
	hit := d.queued(in.Op)
	if hit == nil {
		hit = d.ask(in.Op, r)
	}
	if hit != nil {
		d.mu.Lock()
		in.Fault = hit.Kind.String()
		d.mu.Unlock()
	}
	return hit
}

// queued takes the first queued fault that hits.
func (d *Duvo) queued(op string) *Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, f := range d.faults {
		if f.Op != "" && f.Op != op {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times--; f.Times == 0 {
			d.faults = append(d.faults[:i:i], d.faults[i+1:]...)
		}
		return f
	}
	return nil
}

func (d *Duvo) ask(op string, r *http.Request) *Fault {
	d.asking.Lock()
	defer d.asking.Unlock()
	if d.faultFunc == nil {
		return nil
	}
	f := d.faultFunc(op, r)
	if f != nil {
		if err := f.check(); err != nil {
			panic("duvotest: " + err.Error())
		}
	}
	return f
}

// serve answers a request that a fault has hit.
func (f *Fault) serve(d *Duvo, w http.ResponseWriter, r *http.Request, in *incoming) {
	if f.Latency > 0 {
		t := time.NewTimer(f.Latency)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler) // nobody listens any more
		case <-d.ctx.Done():
		}
	}
	switch f.Kind {
	case NoFault:
		d.write(w, in, d.answer(in))
	case ResetBefore:
		reset(w)
	case ResetAfter:
		d.answer(in)
		reset(w)
	case LateEffect:
		d.later(f.EffectDelay, func() { d.answer(in) })
		reset(w)
	case StatusBefore:
		f.write(d, w, in)
	case StatusAfter:
		d.answer(in)
		f.write(d, w, in)
	case Truncate:
		rep := d.answer(in)
		body := d.encode(rep)
		d.head(w, in, rep.status, "application/json; charset=utf-8", len(body))
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case NotJSON:
		d.answer(in)
		d.send(w, in, cmp.Or(f.Status, http.StatusOK), "text/html; charset=utf-8", []byte(cmp.Or(f.Body, "<!doctype html><title>Gateway</title>")))
	case Hang:
		select {
		case <-r.Context().Done():
		case <-d.ctx.Done():
		}
		panic(http.ErrAbortHandler)
	}
}

// reset breaks a connection, a socket's so that its other end sees a reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// write answers the fault's status.
func (f *Fault) write(d *Duvo, w http.ResponseWriter, in *incoming) {
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((f.RetryAfter+time.Second-1)/time.Second)))
	}
	status := cmp.Or(f.Status, http.StatusServiceUnavailable)
	rep := fail(status, strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_"), "An injected fault.")
	if f.Body != "" {
		d.send(w, in, status, "text/plain; charset=utf-8", []byte(f.Body))
		return
	}
	d.write(w, in, rep)
}

// later lets something happen after a while, in a goroutine that Close waits
// for, unless the Duvo is closed before.
func (d *Duvo) later(delay time.Duration, f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.laterLocked(delay, f)
}

// laterLocked is later with mu held.
func (d *Duvo) laterLocked(delay time.Duration, f func()) {
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
