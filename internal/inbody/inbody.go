// Package inbody bounds how long whoever sends a request may take for its body. What
// answers strangers needs that of its own: a server's ReadTimeout would also end the
// answers that are streams, so many servers have none.
package inbody

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// Time is how long a body may take.
const Time = 30 * time.Second

// Bound returns the request with a body that has to come within [Time], read or not:
// else the connection ends. Once it was read to its end the handler may take as long
// as it wants. A server that has a ReadTimeout keeps that, and where no connection is
// to be bounded, as in memory, nothing is.
func Bound(w http.ResponseWriter, r *http.Request) *http.Request {
	if s, _ := r.Context().Value(http.ServerContextKey).(*http.Server); r.Body == nil || r.Body == http.NoBody || s != nil && s.ReadTimeout > 0 {
		return r
	}
	c := http.NewResponseController(w)
	if c.SetReadDeadline(time.Now().Add(Time)) != nil {
		return r
	}
	out := r.WithContext(r.Context())
	out.Body = &body{r.Body, c}
	return out
}

type body struct {
	io.ReadCloser
	c *http.ResponseController
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.c.SetReadDeadline(time.Time{}) // the answer may be a stream
	}
	return n, err
}
