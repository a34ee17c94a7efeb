package duvotestmcp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// cut answers with the beginning of what breaks off.
func (s *Server) cut(w http.ResponseWriter, rec recorded, id json.RawMessage) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"structuredContent":%s`, id, rec.body)
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// recorded is an answer of the Duvo.
type recorded struct {
	status  int // zero: none was sent
	header  http.Header
	body    []byte
	aborted bool // it broke off
}

// isJSON reports whether a tool could hand the answer on: it is told to be JSON, or
// is an object all the same, as the body of a fault can be.
func (r recorded) isJSON() bool {
	return strings.HasPrefix(r.header.Get("Content-Type"), "application/json") ||
		bytes.HasPrefix(bytes.TrimSpace(r.body), []byte("{")) && json.Valid(r.body)
}

func (r recorded) copyTo(w http.ResponseWriter) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body)
}

// recorder takes an answer in. What breaks a connection breaks the outer one.
type recorder struct {
	*recorded
	outer http.ResponseWriter
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	r.body = append(r.body, b...)
	return len(b), nil
}

func (r *recorder) Flush() {}

func (r *recorder) Unwrap() http.ResponseWriter { return r.outer }
