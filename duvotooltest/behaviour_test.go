package duvotooltest_test

import (
	"testing"
	"testing/synctest"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/journal"
)

// TestBehaviourOfTheEngine runs the suite over operations that live in this process.
func TestBehaviourOfTheEngine(t *testing.T) {
	duvotooltest.TestBehaviour(t, duvotooltest.Kit{
		In: synctest.Test,
		Options: func(*testing.T) []duvotool.Option {
			return []duvotool.Option{duvotool.WithJournal(journal.NewMemory())}
		},
	})
}
