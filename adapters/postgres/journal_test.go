package postgres

import (
	"testing"

	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

func TestConformance(t *testing.T) {
	at := map[journal.Journal]string{}
	duvotooltest.TestJournal(t,
		func(t *testing.T) journal.Journal {
			db := database(t)
			j := open(t, db)
			at[j] = db
			return j
		},
		duvotooltest.Reopens(func(t *testing.T, j journal.Journal) journal.Journal {
			require.NoError(t, j.(*Journal).Close())
			again := open(t, at[j])
			at[again] = at[j]
			return again
		}))
}

func TestLeasesConformance(t *testing.T) {
	duvotooltest.TestLeases(t, func(t *testing.T) func() journal.Leases {
		db := database(t)
		return func() journal.Leases { return open(t, db) }
	})
}
