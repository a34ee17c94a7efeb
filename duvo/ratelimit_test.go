package duvo

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRateLimit: what answers have told of the key's limit, until its minute is over.
func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		remaining := 120
		cl, _ := stub(func(int, *http.Request) (*http.Response, error) {
			return response(200, success, limits(remaining, time.Now().Add(40*time.Second))...)
		}).client(t)
		require.Zero(t, cl.RateLimit().Limit, "nothing was told")
		require.NoError(t, mutations["start"](t.Context(), cl, ""))
		r := cl.RateLimit()
		require.Equal(t, []int{300, 120}, []int{r.Limit, r.Left})
		require.WithinDuration(t, time.Now().Add(40*time.Second), r.Reset, time.Second)
		require.Zero(t, r.Held)

		remaining = 0
		require.NoError(t, mutations["start"](t.Context(), cl, ""))
		r = cl.RateLimit()
		require.Equal(t, []int{300, 0}, []int{r.Limit, r.Left})
		require.WithinDuration(t, time.Now().Add(40*time.Second), r.Held, time.Second)

		time.Sleep(42 * time.Second)
		r = cl.RateLimit()
		require.Equal(t, []int{300, 300}, []int{r.Limit, r.Left}, "a new minute")
		require.Zero(t, r.Held)
		require.Zero(t, r.Reset)
	})
}
