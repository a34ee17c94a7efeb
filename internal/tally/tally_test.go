package tally_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/internal/tally"
	"github.com/stretchr/testify/require"
)

func TestTally(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all tally.Tally
		n, tell := all.Note("a")
		require.True(t, tell)
		require.Equal(t, 1, n)
		for range 3 {
			_, tell = all.Note("a")
			require.False(t, tell)
		}
		_, tell = all.Note("b")
		require.True(t, tell, "another reason")
		time.Sleep(tally.Every)
		n, tell = all.Note("a")
		require.True(t, tell)
		require.Equal(t, 4, n, "those that were not told of, too")
	})
}
