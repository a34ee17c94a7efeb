package duvotooltest

import (
	"testing"

	"github.com/duvotool/duvotool/journal"
)

func TestMemoryLeases(t *testing.T) {
	TestLeases(t, func(*testing.T) func() journal.Leases {
		j := journal.NewMemory().(journal.Leases)
		return func() journal.Leases { return j }
	})
}
