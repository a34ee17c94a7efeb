package duvotest_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

func TestMemory(t *testing.T) {
	inMemory(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		req, err := http.NewRequestWithContext(ctx, "GET", "http://any.host.test/v2/teams", nil)
		require.NoError(t, err)
		_, err = w.http.Do(req)
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, w.Requests())

		req, err = http.NewRequest("POST", "https://any.host.test/v2/teams", broken{})
		require.NoError(t, err)
		_, err = w.http.Do(req)
		require.ErrorIs(t, err, errBroken)
		require.Empty(t, w.Requests())

		req, err = http.NewRequest("GET", "https://any.host.test/base/v2/teams", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+w.Key())
		resp, err := w.http.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, "200 OK", resp.Status)
		require.Positive(t, resp.ContentLength)

		h := w.HTTPClient()
		h.Timeout = time.Second
		w.Inject(duvotest.Fault{Latency: time.Hour})
		began := time.Now()
		_, err = h.Get(duvotest.MemoryURL + "/v2/teams")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(began))
	})
}

type broken struct{}

var errBroken = http.ErrBodyNotAllowed // any

func (broken) Read([]byte) (int, error) { return 0, errBroken }
