package postgres

import (
	"testing"

	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// conforms runs both suites.
func conforms(t *testing.T, connString string, opts ...Option) {
	open := func(t *testing.T, tables Option) *Journal { return open(t, connString, append(opts, tables)...) }
	t.Run("journal", func(t *testing.T) {
		tables := map[journal.Journal]Option{}
		duvotooltest.TestJournal(t,
			func(t *testing.T) journal.Journal {
				own := ownTables()
				j := open(t, own)
				tables[j] = own
				return j
			},
			duvotooltest.Reopens(func(t *testing.T, j journal.Journal) journal.Journal {
				require.NoError(t, j.(*Journal).Close())
				again := open(t, tables[j])
				tables[again] = tables[j]
				return again
			}))
	})
	t.Run("leases", func(t *testing.T) {
		duvotooltest.TestLeases(t, func(t *testing.T) func() journal.Leases {
			own := ownTables()
			return func() journal.Leases { return open(t, own) }
		})
	})
}

func TestConformance(t *testing.T) { conforms(t, shared(t)) }
