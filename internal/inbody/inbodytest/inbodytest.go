// Package inbodytest holds handlers against the bound of package inbody.
package inbodytest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A Connection notes until when a body may come.
type Connection struct {
	*httptest.ResponseRecorder
	Until []time.Time // in the order in which it was told; zero: for ever
}

// NewConnection returns one that was told nothing.
func NewConnection() *Connection { return &Connection{ResponseRecorder: httptest.NewRecorder()} }

// SetReadDeadline is what http.ResponseController asks for.
func (c *Connection) SetReadDeadline(t time.Time) error {
	c.Until = append(c.Until, t)
	return nil
}

// Timed posts to a handler, which answers with this status, and expects that it has
// bounded how long the body may take, whatever the server's own timeouts.
func Timed(t *testing.T, h http.Handler, target string, status int) {
	t.Helper()
	c := NewConnection()
	h.ServeHTTP(c, httptest.NewRequest(http.MethodPost, target, strings.NewReader("x")))
	require.Equal(t, status, c.Code)
	require.NotEmpty(t, c.Until, "or whoever sends a byte now and then holds the connection")
}
