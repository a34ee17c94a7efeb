package temporal

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotooltest"
)

// TestBehaviour runs the suite of the root's operations over workflows in the SDK's test
// environment, in a bubble of time.
func TestBehaviour(t *testing.T) {
	for _, renews := range []bool{true, false} {
		if !renews && testing.Short() {
			continue // it does less
		}
		t.Run(fmt.Sprintf("renews=%t", renews), func(t *testing.T) { testBehaviour(t, renews) })
	}
}

// testBehaviour runs the suite, by option with as many continued runs as there can be.
func testBehaviour(t *testing.T, renews bool) {
	duvotooltest.TestBehaviour(t, duvotooltest.Kit{
		In: synctest.Test,
		Options: func(t *testing.T) []duvotool.Option {
			f := newFake(t)
			f.renews = renews
			return []duvotool.Option{On(f, "queue", f.option())}
		},
	})
}
