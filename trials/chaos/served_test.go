package main

import (
	"net/http/httptest"
	"testing"

	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/journal"
)

func TestServedLeases(t *testing.T) {
	duvotooltest.TestLeases(t, func(t *testing.T) func() journal.Leases {
		server := httptest.NewServer(journalHandler(journal.NewShared()))
		t.Cleanup(server.Close)
		return func() journal.Leases {
			s := newServed(server.URL)
			t.Cleanup(s.close)
			return s
		}
	})
}

func TestServedJournal(t *testing.T) {
	duvotooltest.TestJournal(t, func(t *testing.T) journal.Journal {
		server := httptest.NewServer(journalHandler(journal.NewMemory()))
		t.Cleanup(server.Close)
		s := newServed(server.URL)
		t.Cleanup(s.close)
		return s
	})
}
