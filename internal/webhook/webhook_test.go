package webhook

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/duvotool/duvotool/internal/digest"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/stretchr/testify/require"
)

// A delivery tells of its Job once it is signed, and a replay has the same name.
func TestHandler(t *testing.T) {
	key, life := []byte("a secret of words"), lifetime.NewLifetime()
	var told []string
	h := New(Keys{Secrets: [][]byte{key}, Header: "X-Plain"}, life, slog.New(slog.DiscardHandler), func(_ *http.Request, job, delivery string) {
		told = append(told, job+" "+delivery)
	})
	body := []byte(`{"event":"run.completed","run_id":"job-1"}`)
	standard := func(id string, body []byte, age time.Duration) http.Header {
		stamp := strconv.FormatInt(time.Now().Add(-age).Unix(), 10)
		sum := digest.MAC(key, []byte(id+"."+stamp+"."), body)
		return http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {stamp}, "Webhook-Signature": {"v1,AAAA v1," + base64.StdEncoding.EncodeToString(sum)}}
	}
	deliver := func(header http.Header, body []byte) int {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header = header
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	plain := http.Header{"X-Plain": {"sha256=" + hex.EncodeToString(digest.MAC(key, body))}}
	require.Equal(t, 204, deliver(standard("m", body, 0), body))
	require.Equal(t, 204, deliver(standard("m", body, time.Minute), body))
	require.Equal(t, 204, deliver(plain, body))
	require.Equal(t, []string{"job-1 id:" + digest.Of("m"), "job-1 id:" + digest.Of("m"), "job-1 body:" + digest.Of(string(body))}, told)

	other := []byte(`{"event":"run.renamed","run_id":"job-1"}`)
	require.Equal(t, 204, deliver(standard("n", other, 0), other), "it changes no Job")
	require.Equal(t, 401, deliver(standard("n", body, 0), other))
	require.Equal(t, 401, deliver(standard("n", body, 10*time.Minute), body))
	require.Equal(t, 401, deliver(http.Header{}, body))
	require.Equal(t, 400, deliver(standard("n", []byte("no"), 0), []byte("no")))
	life.Close()
	life.Interrupt()
	require.Equal(t, 503, deliver(standard("o", body, 0), body))
	require.Len(t, told, 3)
}
