package temporal

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// begun is an activity that waits, as begin makes it.
func begun(l *later, cancel func()) *pending {
	p := &pending{l: l, cancel: cancel, can: make(chan struct{}), answer: make(chan answered, 1)}
	l.all[p] = struct{}{}
	return p
}

// TestStopWaitsForWhatBegins: what an activity waits for is ended once it has begun, and
// not before, or nobody would end it.
func TestStopWaitsForWhatBegins(t *testing.T) {
	for name, c := range map[string]struct {
		then  func(p *pending)
		ended bool
		err   error
	}{
		"ready":              {(*pending).ready, true, errClosing()},
		"answered before":    {func(p *pending) { p.complete(reply{}, nil); p.ready() }, false, nil},
		"it could not begin": {(*pending).abandon, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLater(nil, 0, true)
				began, ended, stopped := false, false, false
				p := begun(l, func() {
					require.True(t, began, "it was ended before it began")
					ended = true
				})
				go func() {
					l.stop(t.Context())
					stopped = true
				}()
				synctest.Wait()
				require.False(t, stopped)
				began = true
				c.then(p)
				synctest.Wait()
				require.True(t, stopped)
				require.Equal(t, c.ended, ended)
				require.Empty(t, l.all)
				if name == "it could not begin" {
					require.Empty(t, p.answer)
					return
				}
				require.Equal(t, answered{err: c.err}, <-p.answer)
			})
		})
	}
}

// TestNoJobIsReadAfterStop: an activity may be about to have its Job read when the worker
// ends, or when nobody has asked about the Job for long.
func TestNoJobIsReadAfterStop(t *testing.T) {
	h := &host{}
	h.seats = &seats{h: h, of: map[string]*watched{}}
	w, other := &watched{}, &watched{}
	h.seats.of["a"] = other
	require.False(t, h.seats.keep("a", w, "job", true), "another activity of the workflow has it")
	require.Same(t, other, h.seats.of["a"])
	clear(h.seats.of)
	h.seats.stop()
	require.False(t, h.seats.keep("a", w, "job", true))
	require.Empty(t, h.seats.of)
}
