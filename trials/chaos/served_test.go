package main

import (
	"net/http/httptest"
	"testing"

	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/journal"
)

func TestServedJournal(t *testing.T) {
	duvotooltest.TestJournal(t, func(t *testing.T) journal.Journal {
		server := httptest.NewServer(journalHandler(journal.NewMemory()))
		t.Cleanup(server.Close)
		s := newServed(server.URL)
		t.Cleanup(s.close)
		return s
	})
}
