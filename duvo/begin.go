package duvo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"
)

// ErrTooLate is a request that was not begun, because the moment until which it
// might have been had passed, or its caller had left; see [NotAfter]. It had no
// effect, and is not attempted again.
var ErrTooLate = errors.New("duvo: the request was not begun in time, or its caller has left, so it was not sent")

type notAfterKey struct{}

// A beginLimit says until when a request may begin.
type beginLimit struct {
	by     time.Time
	caller context.Context
}

// NotAfter returns a context in which no request begins after t, nor once caller
// has ended: it fails with ErrTooLate instead, without effect. One that has begun
// by then is not disturbed. The zero time and a nil caller stand for no limit.
//
// It is for a request that rests on what was read just before. Whatever stands
// between the call and the first byte on the wire counts: the rate limit, the
// token source, another request that must come first, the search for the host,
// the dialling, TLS, a proxy, a place among the streams of HTTP/2. What cannot be
// seen is a transport of [WithTransport] that puts another in place of the one
// that it is given, and the transport of [WithHTTPClient] where it is not an
// *http.Transport and waits before it sends: there the limit is looked at when the
// request is handed over.
func NotAfter(ctx context.Context, t time.Time, caller context.Context) context.Context {
	return context.WithValue(ctx, notAfterKey{}, beginLimit{t, caller})
}

// MayBegin returns nil if a request with this context may begin now, and else an
// error that matches ErrTooLate and tells that it had no effect. It is for
// backends of one's own, to be asked just before the request is sent.
func MayBegin(ctx context.Context) error {
	if l, ok := ctx.Value(notAfterKey{}).(beginLimit); ok && l.passed() {
		return tooLateError{}
	}
	return nil
}

// begins is MayBegin of a request whose context must not have ended either.
func begins(ctx context.Context) error {
	if ctx.Err() != nil {
		return ended(ctx)
	}
	return MayBegin(ctx)
}

func (l beginLimit) passed() bool {
	return !l.by.IsZero() && time.Now().After(l.by) || l.caller != nil && l.caller.Err() != nil
}

type tooLateError struct{}

func (tooLateError) Error() string  { return strings.TrimPrefix(ErrTooLate.Error(), "duvo: ") }
func (tooLateError) Unwrap() error  { return ErrTooLate }
func (tooLateError) NoEffect() bool { return true }

// A gate is the transport that keeps what NotAfter promises. It stands beneath
// those that others have put around it, and right above the one that sends.
type gate struct{ next http.RoundTripper }

func (g gate) RoundTrip(r *http.Request) (*http.Response, error) {
	l, ok := r.Context().Value(notAfterKey{}).(beginLimit)
	if !ok {
		return g.next.RoundTrip(r)
	}
	var payload []byte
	var err error
	if r.Body != nil {
		payload, err = io.ReadAll(r.Body)
		_ = r.Body.Close()
	}
	if err == nil && l.passed() {
		err = tooLateError{}
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(r.Context()) // which ends with the attempt
	b := &beginning{limit: l, cancel: cancel, body: bytes.NewReader(payload)}
	out := r.WithContext(b.trace(ctx))
	if r.Body != nil {
		out.Body = io.NopCloser(b.body)
	}
	if _, tells := g.next.(*http.Transport); tells { // others may have begun by the time
		defer b.watch()()
	}
	resp, err := g.next.RoundTrip(out)
	if err != nil && b.unsent() {
		return nil, tooLateError{}
	}
	return resp, err
}

// CloseIdleConnections is called by http.Client.CloseIdleConnections.
func (g gate) CloseIdleConnections() {
	if c, ok := g.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// A beginning is one request until its first byte is written.
type beginning struct {
	limit  beginLimit
	cancel context.CancelCauseFunc // of the request's context
	body   *bytes.Reader           // owned by net/http

	mu        sync.Mutex
	begun     bool // it is being written, and goes on
	withdrawn bool // it is not to be written
	leaked    bool // a part of it was written all the same
}

// watch withdraws the request as soon as the limit has passed and it has not
// begun: it waits for a connection, and need not wait on. What it returns must be
// called at the end.
func (b *beginning) watch() (stop func()) {
	timer, left := func() bool { return true }, func() bool { return true }
	if !b.limit.by.IsZero() {
		timer = time.AfterFunc(time.Until(b.limit.by)+1, b.withdraw).Stop
	}
	if b.limit.caller != nil {
		left = context.AfterFunc(b.limit.caller, b.withdraw)
	}
	return func() { timer(); left() }
}

func (b *beginning) withdraw() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.withdrawLocked()
}

func (b *beginning) withdrawLocked() {
	if !b.begun && !b.withdrawn {
		b.withdrawn = true
		b.cancel(ErrTooLate)
	}
}

// unsent reports whether the request was withdrawn before a byte of it was
// written.
func (b *beginning) unsent() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.withdrawn && !b.leaked
}

// trace learns from net/http when the request has its connection and when it is
// written.
func (b *beginning) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) {
			if b.limit.passed() {
				b.withdraw()
			}
		},
		WroteHeaderField: func(name string, _ []string) { b.write(name) },
	})
}

// write is called by net/http when it has put the first of the headers into its
// buffer, and nothing on the wire. HTTP/1 does not look at the context any more
// then. It is kept from sending by the body: one that is shorter than announced
// fails the request, and the buffer is never sent. (Where the headers do not fit
// into it, some of them are sent, and the connection is closed in their midst or
// where the body should begin: no server can act on that.) HTTP/2 looks at the
// context before the first header, and sends them all.
func (b *beginning) write(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.begun {
		return
	}
	if !b.withdrawn && !b.limit.passed() {
		b.begun = true
		return
	}
	b.withdrawLocked()
	if strings.HasPrefix(name, ":") {
		b.leaked = true
	}
	_, _ = b.body.Seek(0, io.SeekEnd)
}
