package inbox_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// changing is a registry in which something else waits each time.
type changing struct {
	crowd
	reads atomic.Int64
}

func (c *changing) Pending() []hitl.Request {
	return newCrowd(1 + int(c.reads.Add(1)%7))
}

// A reader is a connection of somebody who watches.
type reader struct {
	*httptest.ResponseRecorder
	slow   bool
	by     time.Time // for the next write
	mu     sync.Mutex
	writes int
	most   int // bytes of one write
	told   int // events
}

// soFar is what it was sent until now.
func (r *reader) soFar() (told, writes, most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.told, r.writes, r.most
}

func (r *reader) SetWriteDeadline(t time.Time) error { r.by = t; return nil }
func (r *reader) FlushError() error                  { return nil }

// Write takes nothing of a slow reader's, until it has had its time.
func (r *reader) Write(b []byte) (int, error) {
	r.mu.Lock()
	r.writes++
	r.most = max(r.most, len(b))
	r.told += bytes.Count(b, []byte("event: changed"))
	r.mu.Unlock()
	if r.slow {
		time.Sleep(time.Until(r.by))
		return 0, os.ErrDeadlineExceeded
	}
	return len(b), nil
}

// A thousand may watch, and of those who do not read nothing piles up: each has one
// event on its way at most, however often something changes, and is cut off.
func TestAThousandWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &changing{}
		desk, err := inbox.New(inbox.Config{Registries: []inbox.Registry{reg}, Person: person, May: inbox.Everyone})
		require.NoError(t, err)
		var all sync.WaitGroup
		ctx, leave := context.WithCancel(t.Context())
		watch := func(ctx context.Context, slow bool) *reader {
			r := &reader{ResponseRecorder: httptest.NewRecorder(), slow: slow}
			req := httptest.NewRequestWithContext(ctx, http.MethodGet, "/events", nil)
			req.Header.Set("X-Person", kim)
			all.Go(func() { desk.ServeHTTP(r, req) })
			return r
		}
		var quick, slow []*reader
		for range 500 {
			quick, slow = append(quick, watch(ctx, false)), append(slow, watch(t.Context(), true))
		}
		synctest.Wait()
		require.Equal(t, 1000, desk.Watching())
		time.Sleep(2 * time.Second)
		synctest.Wait()
		changes := int(reg.reads.Load())
		require.Less(t, changes, 60, "they are looked for once for all")
		require.Greater(t, changes, 10)
		for _, r := range quick {
			told, _, _ := r.soFar()
			require.Greater(t, told, 10)
			require.LessOrEqual(t, told, changes+1)
		}
		for _, r := range slow {
			_, writes, most := r.soFar()
			require.Equal(t, 1, writes)
			require.Less(t, most, 100)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.Equal(t, 500, desk.Watching(), "who does not read is cut off")
		leave()
		synctest.Wait()
		require.Zero(t, desk.Watching())
		time.Sleep(time.Second)
		synctest.Wait()
		before := reg.reads.Load()
		time.Sleep(time.Hour)
		require.Equal(t, before, reg.reads.Load(), "nobody watches, so nobody looks")

		for range 2000 {
			watch(t.Context(), false)
		}
		synctest.Wait()
		late := watch(t.Context(), false)
		synctest.Wait()
		require.Equal(t, http.StatusServiceUnavailable, late.Code)
		require.Equal(t, 2000, desk.Watching())
		desk.Close()
		all.Wait()
		require.Zero(t, desk.Watching())
	})
}
