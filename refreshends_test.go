package duvotool_test

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// deaf is a backend that hears no context while it lists Assignments.
type deaf struct {
	duvotool.Backend
	asleep atomic.Bool
	wake   chan struct{}
	begun  atomic.Int32
}

func (d *deaf) Assignments(ctx context.Context) iter.Seq2[duvo.Assignment, error] {
	d.begun.Add(1)
	if d.asleep.Load() {
		<-d.wake
	}
	return d.Backend.Assignments(ctx)
}

// A Refresh ends with its context, whatever it waits for, and with Close.
func TestRefreshEnds(t *testing.T) {
	for name, hang := range map[string]func(d *duvotest.Duvo, b *deaf){
		"the server hangs": func(d *duvotest.Duvo, _ *deaf) {
			d.Inject(duvotest.Fault{Op: "listAgents", Kind: duvotest.Hang, Times: 100})
		},
		"the backend hears nothing": func(_ *duvotest.Duvo, b *deaf) { b.asleep.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				b := &deaf{Backend: d.Client(duvo.WithTimeout(time.Hour)), wake: make(chan struct{})}
				reg := discover(t, b)
				hang(d, b)
				began := time.Now()
				first, behind := make(chan error, 1), make(chan error, 1)
				go func() {
					_, err := reg.Refresh(context.Background())
					first <- err
				}()
				synctest.Wait()
				go func() {
					_, err := reg.Refresh(context.Background())
					behind <- err
				}()
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				_, err := reg.Refresh(ctx)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, 3*time.Second, time.Since(began))
				require.EqualValues(t, 2, b.begun.Load(), "one is under way at a time")

				closed := make(chan error, 1)
				go func() { closed <- reg.Close(context.Background()) }()
				require.ErrorIs(t, <-first, outcome.ErrClosed)
				require.ErrorIs(t, <-behind, outcome.ErrClosed)
				require.Equal(t, 3*time.Second, time.Since(began))
				if b.asleep.Load() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					require.ErrorContains(t, reg.Close(ctx), "backend (1)", "it is named")
					close(b.wake)
				}
				require.NoError(t, <-closed)
				_, err = reg.Refresh(t.Context())
				require.ErrorIs(t, err, outcome.ErrClosed)
			}, duvotest.WithAssignment(refunds))
		})
	}
}

// A Refresh that was given up changes nothing, and the next one comes when the
// backend is done with it.
func TestRefreshThatWasGivenUp(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		b := &deaf{Backend: d.Client(), wake: make(chan struct{})}
		reg := discover(t, b)
		b.asleep.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := reg.Refresh(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, d.AddAssignment(duvotest.Assignment{Name: "New"}))
		b.asleep.Store(false)
		close(b.wake)
		synctest.Wait()
		require.Len(t, reg.All(), 1, "its caller was told that it failed")
		c, err := reg.Refresh(t.Context())
		require.NoError(t, err)
		require.Len(t, c.Added, 1)
		require.Len(t, reg.All(), 2)
	}, duvotest.WithAssignment(refunds))
}

// Discover ends with its context too.
func TestDiscoverEnds(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		b := &deaf{Backend: d.Client(), wake: make(chan struct{})}
		b.asleep.Store(true)
		defer close(b.wake)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := duvotool.Discover(ctx, b)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(began))
	}, duvotest.WithAssignment(refunds))
}
