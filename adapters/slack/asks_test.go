package slack

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// Of two who decide what a policy is asked one wins, and the other is told who.
func TestAskedOfTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := newAsks(), duvotooltest.Approval("Refund 120 EUR")
		got := make(chan hitl.Decision, 2)
		for range 2 { // asked twice at once, too
			go func() {
				d, err := s.wait(t.Context(), r, func() {})
				if err == nil {
					got <- d
				}
			}()
		}
		synctest.Wait()
		require.Len(t, s.Pending(), 1)
		changed := r
		changed.Input = "another"
		require.ErrorIs(t, s.Decide(t.Context(), changed, hitl.Approve("kim", "")), hitl.ErrRequestChanged)
		require.NoError(t, s.Decide(t.Context(), r, hitl.Approve("kim", "")))
		err := s.Decide(t.Context(), r, hitl.Deny("lee", ""))
		require.ErrorIs(t, err, outcome.ErrNotPending)
		require.Equal(t, "kim", (<-got).By)
		require.Equal(t, "kim", (<-got).By)
		require.Empty(t, s.Pending())
		time.Sleep(time.Second)
		require.ErrorIs(t, s.Decide(t.Context(), r, hitl.Deny("lee", "")), outcome.ErrNotPending)
	})
}
