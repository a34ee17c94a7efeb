package watch

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/stretchr/testify/require"
)

// A Job that waits for a person and cannot be read, while lists look after the others,
// is tried again later and later: not at once because it was not read for long.
func TestRefusedReadsArePaced(t *testing.T) {
	for _, before := range []time.Duration{0, time.Hour} { // since it was last read; zero: never
		synctest.Test(t, func(t *testing.T) {
			reads := 0
			w := NewWatcher(reader(func(context.Context, string) (duvo.Job, error) {
				time.Sleep(time.Millisecond)
				reads++
				return duvo.Job{}, &duvo.APIError{Status: 409}
			}), lifetime.NewLifetime(), pool(t), slog.New(slog.DiscardHandler), 0, false)
			w.sweep.on = true
			n := w.Watch(duvo.Job{ID: "job", Status: duvo.StatusWaiting}, sighter{t, func(n *Watch, _ Sighting) { n.Retry() }})
			defer n.Stop()
			if before > 0 {
				n.lastRead, n.tried = w.now().Add(-before), w.now().Add(-before)
			}
			n.Now()
			time.Sleep(time.Minute)
			n.w.mu.Lock()
			defer n.w.mu.Unlock()
			require.Greater(t, reads, 2)
			require.Less(t, reads, 12)
		})
	}
}
