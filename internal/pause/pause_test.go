package pause_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/internal/pause"
	"github.com/stretchr/testify/require"
)

var errSlow = errors.New("too slow")

func TestTheClockStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, stop := pause.WithTimeout(t.Context(), 30*time.Second, errSlow)
		defer stop()
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		time.Sleep(20 * time.Second)
		by, _ := inner.Deadline()
		require.Equal(t, 30*time.Second, by.Sub(began))
		end := pause.Begin(inner)
		_, bound := inner.Deadline()
		require.False(t, bound)
		time.Sleep(time.Hour)
		require.NoError(t, inner.Err())
		end()
		by, _ = inner.Deadline()
		require.Equal(t, time.Hour+50*time.Second, by.Sub(began))
		<-inner.Done()
		require.Equal(t, time.Hour+50*time.Second, time.Since(began))
		require.ErrorIs(t, context.Cause(inner), errSlow)
		pause.Begin(inner)() // it has ended
	})
}

func TestTheCallersTimeGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		caller, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ctx, stop := pause.WithTimeout(caller, 30*time.Second, errSlow)
		defer stop()
		defer pause.Begin(ctx)()
		<-ctx.Done()
		require.Equal(t, time.Minute, time.Since(began))
		require.ErrorIs(t, ctx.Err(), context.DeadlineExceeded)
		pause.Begin(context.Background())() // no clock
	})
}
