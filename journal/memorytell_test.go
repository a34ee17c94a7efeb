package journal

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// A listener that is slow loses texts, and is told so in their place; who tells waits
// for nobody.
func TestSlowListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewShared()
		done := errors.New("heard enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		goOn, ended := make(chan struct{}), make(chan error)
		var heard []string
		go func() {
			ended <- m.Listen(ctx, func(text string) {
				if heard = append(heard, text); text == "first" {
					<-goOn
				}
				if text == "last" {
					cancel(done)
				}
			})
		}()
		synctest.Wait()
		require.NoError(t, m.Tell(t.Context(), "first"))
		synctest.Wait()
		for i := range maxQueued + 10 {
			require.NoError(t, m.Tell(t.Context(), fmt.Sprint(i)))
		}
		close(goOn)
		synctest.Wait()
		require.Len(t, heard, 1+maxQueued+1)
		require.Equal(t, []string{"first", "0", "1"}, heard[:3])
		require.Equal(t, "", heard[len(heard)-1])
		require.NoError(t, m.Tell(t.Context(), "last"))
		require.NoError(t, m.Tell(t.Context(), "too late"))
		require.Equal(t, done, <-ended)
		require.Equal(t, "last", heard[len(heard)-1])
		require.Empty(t, m.(*memory).listening)
	})
}
