package temporal

import (
	"testing"
	"testing/synctest"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotooltest"
)

// TestBehaviour runs the suite of the root's operations over workflows in the SDK's test
// environment, in a bubble of time.
func TestBehaviour(t *testing.T) {
	duvotooltest.TestBehaviour(t, duvotooltest.Kit{
		In: synctest.Test,
		Options: func(t *testing.T) []duvotool.Option {
			f := newFake(t)
			return []duvotool.Option{On(f, "queue", f.option())}
		},
	})
}
