package duvotest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"syscall"
)

// MemoryURL is the base URL for [Duvo.HTTPClient]. It is never dialled.
const MemoryURL = "http://127.0.0.1"

// HTTPClient returns a client that reaches the Duvo without a socket, whatever
// the URL's host, and starts no goroutine. It works under testing/synctest.
// Each request ends with its context, also in the midst of an injected
// latency. A connection that a fault breaks shows as a *net.OpError with
// ECONNRESET, an answer that breaks off as io.ErrUnexpectedEOF.
func (d *Duvo) HTTPClient() *http.Client { return InMemory(d) }

// InMemory returns a client that reaches a handler as [Duvo.HTTPClient] reaches
// a Duvo: one that is wrapped in something, for example. An answer is handed
// over when the handler has returned.
func InMemory(h http.Handler) *http.Client { return &http.Client{Transport: memory{h}} }

// memory is a transport that serves each request in its caller's goroutine.
type memory struct{ h http.Handler }

func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	runtime.Gosched() // others get to run meanwhile, as over a network
	in := r.Clone(ctx)
	in.Header = canonical(r.Header)
	in.Body = io.NopCloser(bytes.NewReader(body))
	in.RequestURI = r.URL.RequestURI()
	w := &memoryWriter{header: http.Header{}}
	m.serve(w, in)
	switch {
	case w.status == 0 && ctx.Err() != nil:
		return nil, ctx.Err()
	case w.status == 0:
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	return &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.sent, Request: r,
		ContentLength: w.length(), Body: &memoryBody{ctx: ctx, rest: w.body, broken: w.aborted},
	}, nil
}

// canonical spells the names of headers as a server reads them, however a client
// has written them.
func canonical(h http.Header) http.Header {
	out := make(http.Header, len(h))
	for name, values := range h {
		name = http.CanonicalHeaderKey(name)
		out[name] = append(out[name], values...)
	}
	return out
}

func (m memory) serve(w *memoryWriter, r *http.Request) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			w.aborted = true
		} else if p != nil {
			panic(p)
		}
	}()
	m.h.ServeHTTP(w, r)
}

type memoryWriter struct {
	header, sent http.Header
	status       int // zero: nothing was sent
	body         []byte
	aborted      bool
}

func (w *memoryWriter) Header() http.Header { return w.header }

func (w *memoryWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *memoryWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.body = append(w.body, b...)
	return len(b), nil
}

func (w *memoryWriter) Flush() {}

func (w *memoryWriter) length() int64 {
	if n, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil {
		return n
	}
	return -1
}

// memoryBody is an answer's body. Reading it ends with the request's context.
type memoryBody struct {
	ctx    context.Context
	rest   []byte
	broken bool
}

func (b *memoryBody) Read(p []byte) (int, error) {
	switch {
	case b.ctx.Err() != nil:
		return 0, b.ctx.Err()
	case len(b.rest) > 0:
		n := copy(p, b.rest)
		b.rest = b.rest[n:]
		return n, nil
	case b.broken:
		return 0, io.ErrUnexpectedEOF
	}
	return 0, io.EOF
}

func (b *memoryBody) Close() error { return nil }
