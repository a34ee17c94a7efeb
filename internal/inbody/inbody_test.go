package inbody_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/internal/inbody"
	"github.com/duvotool/duvotool/internal/inbody/inbodytest"
	"github.com/stretchr/testify/require"
)

func TestABodyIsBounded(t *testing.T) {
	w := inbodytest.NewConnection()
	before := time.Now()
	r := inbody.Bound(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("hello")))
	require.Len(t, w.Until, 1)
	require.WithinRange(t, w.Until[0], before.Add(inbody.Time), time.Now().Add(inbody.Time))
	one := make([]byte, 1)
	_, err := r.Body.Read(one)
	require.NoError(t, err)
	require.Len(t, w.Until, 1, "it has not come yet")
	text, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, "ello", string(text))
	require.True(t, w.Until[len(w.Until)-1].IsZero(), "the handler may take its time")
}

func TestWhatIsNotBounded(t *testing.T) {
	w := inbodytest.NewConnection()
	get := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	require.Same(t, get, inbody.Bound(w, get), "a stream is asked for")
	post := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x"))
	own := post.WithContext(context.WithValue(t.Context(), http.ServerContextKey, &http.Server{ReadTimeout: time.Second}))
	require.Same(t, own, inbody.Bound(w, own), "the server has a bound of its own")
	require.Empty(t, w.Until)
	require.Same(t, post, inbody.Bound(httptest.NewRecorder(), post), "there is no connection")
}

// A real connection is bounded, also where nobody reads the body.
func TestAConnectionIsBounded(t *testing.T) {
	bounded := make(chan bool, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bounded <- inbody.Bound(w, r) != r
		_ = http.NewResponseController(w).SetReadDeadline(time.Now()) // as if the time were over
		http.Error(w, "who are you?", http.StatusUnauthorized)
	}))
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 100000\r\n\r\nx")
	require.NoError(t, err)
	require.True(t, <-bounded)
	text, err := io.ReadAll(c) // it ends, though the rest never comes
	require.NoError(t, err)
	require.Contains(t, string(text), "401 Unauthorized")
}
