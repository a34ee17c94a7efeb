package watch

import (
	"container/heap"
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/duvotool/duvotool/internal/workers"
	"github.com/stretchr/testify/require"
)

func testPlanner() *planner {
	return &planner{log: slog.New(slog.DiscardHandler), byJob: map[string]*Watch{}, clock: newClock()}
}

func testWatch(id string) *Watch { return newWatch(nil, duvo.Job{ID: id}, nil, newClock().now()) }

// What somebody waits for is read before what was due long ago, and what is being
// read is not read once more, but again afterwards if that was asked for.
func TestReadsInOrder(t *testing.T) {
	p := testPlanner()
	now := p.now()
	old, urgent := testWatch("OLD"), testWatch("urgent")
	p.add(old)
	p.add(urgent)
	require.Nil(t, p.ready())
	old.asked = now.Add(-time.Hour)
	p.plan(old)
	urgent.asked, urgent.urgent = now, true
	p.plan(urgent)
	require.Same(t, urgent, p.ready())

	heap.Pop(&p.due)
	urgent.asked, urgent.urgent, urgent.reading = 0, false, true
	urgent.asked = now
	p.plan(urgent)
	require.Same(t, old, p.ready(), "the other is being read")
	p.sighted(urgent, Sighting{Job: duvo.Job{Status: duvo.StatusRunning}})
	require.Len(t, p.due, 2, "it was asked for meanwhile")

	p.remove(old)
	require.Same(t, urgent, p.ready())
	require.Len(t, p.byJob, 1)
}

// In an outage one request at a time asks whether the service is back; sweeps that
// were given up meanwhile are taken up again only if reads failed too.
func TestBreaker(t *testing.T) {
	for _, reads := range []bool{true, false} {
		p := testPlanner()
		p.reading = 1
		n := testWatch("job")
		p.add(n)
		n.asked = p.now()
		p.plan(n)
		down := duvo.ErrUnavailable
		require.True(t, duvo.Temporary(down))
		p.sweep.pausedUntil = p.now().Add(time.Hour)
		for range outage {
			require.Same(t, n, p.ready())
			p.answered(down, reads)
		}
		require.Nil(t, p.ready(), "one asks already")
		p.reading = 0
		require.True(t, p.readAt(p.ready()).After(p.now().Add(time.Second/2)))
		p.answered(nil, true)
		require.Equal(t, n.due, p.readAt(p.ready()))
		require.Equal(t, reads, p.sweep.pausedUntil.IsZero())
	}
}

type sighter struct {
	*testing.T
	f func(*Watch, Sighting)
}

func (s sighter) Sighted(n *Watch, seen Sighting) func() { s.f(n, seen); return nil }

type reader func(context.Context, string) (duvo.Job, error)

// pool is one that leaves no goroutine behind.
func pool(t *testing.T) *workers.Pool {
	p := workers.New()
	t.Cleanup(p.Close)
	return p
}

func (r reader) Job(ctx context.Context, id string) (duvo.Job, error) { return r(ctx, id) }

// Something was sent to a Job that is read seldom: the next read, which was planned by
// its age before, comes soon.
func TestAliveReadsSoon(t *testing.T) {
	for _, answered := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			read := make(chan time.Time, 100)
			w := NewWatcher(reader(func(_ context.Context, id string) (duvo.Job, error) {
				return duvo.Job{ID: id, Status: duvo.StatusWaiting}, nil
			}), lifetime.NewLifetime(), pool(t), slog.New(slog.DiscardHandler), 0, false)
			n := w.Watch(duvo.Job{ID: "job", Status: duvo.StatusWaiting}, sighter{t, func(n *Watch, s Sighting) {
				read <- s.Began
				n.Schedule(0)
			}})
			defer n.Stop()
			n.Schedule(0)
			time.Sleep(time.Hour)
			for len(read) > 0 {
				<-read
			}
			time.Sleep(time.Until((<-read).Add(time.Second))) // just read, and read again in 90 s
			sent := time.Now()
			n.Alive(answered)
			require.WithinDuration(t, sent.Add(5*time.Second), <-read, time.Second)
		})
	}
}
