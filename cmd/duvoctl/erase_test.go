package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/audit"
	"github.com/stretchr/testify/require"
)

// TestAuditErase: a person's data is found, erased by its Jobs, and the audit verifies.
func TestAuditErase(t *testing.T) {
	b := atDuvoBench(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	f, err := audit.OpenFile(path)
	require.NoError(t, err)
	for _, r := range []audit.Record{
		{Event: audit.Requested, JobID: "j-1", Key: "order 4711", RequestID: "r-1", Title: "Refund to jo@example.com"},
		{Event: audit.Decided, JobID: "j-1", RequestID: "r-1", Verdict: "approved", By: kim, Reason: "he is right"},
		{Event: audit.Decided, JobID: "j-2", RequestID: "r-2", Verdict: "denied", By: kim, Reason: "too late"},
	} {
		require.NoError(t, f.Record(t.Context(), r))
	}
	args := []string{"audit", "erase", path, "--job", "j-1", "--by", lee, "--reason", "request 17", "-y"}
	require.Equal(t, exitError, b.ctl(args...).code)
	require.Contains(t, b.ctl(args...).errs, "stop the service")
	require.NoError(t, f.Close())
	found := b.ok("audit", "query", path, "--all", "--text", "JO@EXAMPLE")
	require.Equal(t, 2, strings.Count(found, "\n"), "the names of the columns, and one record")
	for _, told := range []string{"jo@example.com", "j-1", "order 4711"} { // by which it is erased here and in the journal
		require.Contains(t, found, told)
	}
	require.Equal(t, "No record matches.\n", b.ok("audit", "query", path, "--all", "--text", "nobody@example.com"))
	require.Empty(t, b.ok("audit", "query", path, "--all", "--text", "nobody@example.com", "--json"))
	_, head, _ := strings.Cut(strings.TrimSpace(b.ok("audit", "verify", path)), "--head ")

	require.NotZero(t, b.ctl(args[:len(args)-1]...).code, "nobody has confirmed it")
	for _, missing := range [][]string{args[:3], {"audit", "erase", path, "--job", "j-1", "--reason", "x", "-y"}, {"audit", "erase", path, "--job", "j-1", "--by", lee, "-y"}, {"audit", "erase", "--job", "j-1"}} {
		require.Equal(t, exitError, b.ctl(missing...).code)
	}
	b.json(0, "audit-erase", nil, args...)
	require.Contains(t, b.ok("audit", "verify", path, "--head", head), "The texts of 2 lines were erased, as the audit tells.")
	b.json(0, "audit-verify", nil, "audit", "verify", path)
	files, err := filepath.Glob(path + "*")
	require.NoError(t, err)
	require.Len(t, files, 2)
	for _, name := range files {
		raw, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NotContains(t, string(raw), "jo@example.com")
		require.NotContains(t, string(raw), "he is right")
	}
	require.Contains(t, b.ok("audit", "query", path, "--job", "j-1"), "approved")
	require.Contains(t, b.ok("audit", "erase", path, "--job", "j-1", "--by", lee, "--reason", "again", "-y"), "The texts of 0 records are erased.")
}
