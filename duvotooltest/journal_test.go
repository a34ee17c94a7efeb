package duvotooltest

import (
	"testing"

	"github.com/duvotool/duvotool"
)

func TestMemoryJournal(t *testing.T) {
	TestJournal(t, func(*testing.T) duvotool.Journal { return duvotool.NewMemoryJournal() })
}
