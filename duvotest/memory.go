package duvotest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
)

// MemoryURL is the base URL for [Duvo.HTTPClient]. It is never dialled.
const MemoryURL = "http://127.0.0.1"

// HTTPClient returns a client that reaches the Duvo without a socket, whatever
// the URL's host. It works under testing/synctest. A connection that a fault
// breaks shows as a *net.OpError with ECONNRESET, an answer that breaks off as
// io.ErrUnexpectedEOF.
func (d *Duvo) HTTPClient() *http.Client { return &http.Client{Transport: memory{d}} }

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
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	in := r.Clone(ctx)
	in.Body = io.NopCloser(bytes.NewReader(body))
	in.RequestURI = r.URL.RequestURI()
	w := &memoryWriter{header: http.Header{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				w.aborted = true
				if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
			}
		}()
		m.h.ServeHTTP(w, in)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := ctx.Err(); err != nil && w.aborted {
		return nil, err
	}
	if w.aborted && w.status == 0 {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	if w.status == 0 {
		w.status = http.StatusOK
	}
	resp := &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.header, ContentLength: int64(w.body.Len()), Request: r,
	}
	var stream io.Reader = &w.body
	if w.aborted {
		resp.ContentLength = -1
		stream = io.MultiReader(stream, broken{})
	}
	resp.Body = io.NopCloser(stream)
	return resp, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// memoryWriter is touched by the handler's goroutine until it is done.
type memoryWriter struct {
	header  http.Header
	status  int
	body    bytes.Buffer
	aborted bool
}

func (w *memoryWriter) Header() http.Header { return w.header }

func (w *memoryWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		w.header = w.header.Clone()
	}
}

func (w *memoryWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

func (w *memoryWriter) Flush() {}
