package inbox_test

import (
	"io"
	"testing"

	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/audit"
	"github.com/stretchr/testify/require"
)

// The history goes over the files that the audit continues.
func TestTheHistoryGoesOverAllFiles(t *testing.T) {
	path := t.TempDir() + "/audit.jsonl"
	f, err := audit.OpenFile(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	for _, who := range []string{kim, lee} {
		require.NoError(t, f.Record(t.Context(), audit.Record{Event: audit.Decided, By: who}))
		_, err = f.Rotate()
		require.NoError(t, err)
	}
	file, err := inbox.AuditFile(path)(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	text, err := io.ReadAll(file)
	require.NoError(t, err)
	require.Contains(t, string(text), kim)
	require.Contains(t, string(text), lee)
}
