package bolt

import (
	"path/filepath"
	"testing"

	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

func open(t *testing.T, path string, opts ...Option) *Journal {
	t.Helper()
	j, err := Open(path, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func TestConformance(t *testing.T) {
	duvotooltest.TestJournal(t,
		func(t *testing.T) journal.Journal { return open(t, filepath.Join(t.TempDir(), "journal.db")) },
		duvotooltest.Reopens(func(t *testing.T, j journal.Journal) journal.Journal {
			b := j.(*Journal)
			require.NoError(t, b.Close())
			return open(t, b.path)
		}))
}
