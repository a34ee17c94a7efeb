package audit_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/audit"
	"github.com/stretchr/testify/require"
)

// A second opener is refused, whoever and under whatever name, before it has
// changed anything; and the chain stays whole.
func TestAuditFileHasOneOpener(t *testing.T) {
	if path := os.Getenv("DUVOTOOL_TEST_AUDIT_FILE"); path != "" { // the other process
		_, err := audit.OpenFile(path)
		require.ErrorIs(t, err, audit.ErrLocked)
		require.ErrorContains(t, err, path)
		return
	}
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	a, err := audit.OpenFile(path)
	require.NoError(t, err)
	require.NoError(t, a.Record(t.Context(), audit.Record{Event: audit.Decided}))

	names := []string{path}
	if runtime.GOOS != "windows" {
		link, hard := filepath.Join(t.TempDir(), "link"), path+".hard"
		require.NoError(t, os.Symlink(path, link))
		require.NoError(t, os.Link(path, hard))
		names = append(names, link, hard)
	}
	for _, name := range names {
		_, err = audit.OpenFile(name)
		require.ErrorIs(t, err, audit.ErrLocked)
		require.ErrorContains(t, err, name)
		require.ErrorContains(t, err, "process")
	}
	other := exec.Command(os.Args[0], "-test.run=^TestAuditFileHasOneOpener$")
	other.Env = append(os.Environ(), "DUVOTOOL_TEST_AUDIT_FILE="+path)
	out, err := other.CombinedOutput()
	require.NoError(t, err, "%s", out)

	require.NoError(t, a.Record(t.Context(), audit.Record{Event: audit.Sent}))
	require.NoError(t, a.Close())
	for range 2 { // whoever was refused holds nothing back, and nothing is broken
		a, err = audit.OpenFile(path)
		require.NoError(t, err)
		n, _ := a.Head()
		require.EqualValues(t, 2, n)
		require.NoError(t, a.Close())
	}
}

func TestAuditFileIsItsOwners(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes tell nothing there")
	}
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	a, err := audit.OpenFile(path)
	require.NoError(t, err)
	require.NoError(t, a.Record(t.Context(), audit.Record{By: "kim"}))
	require.NoError(t, a.Close())
	for _, mode := range []os.FileMode{0o666, 0o602, 0o660} {
		require.NoError(t, os.Chmod(path, mode))
		_, err := audit.OpenFile(path)
		require.ErrorContains(t, err, path)
		require.ErrorContains(t, err, "0600")
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), "a person must look first")
	}
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604} {
		require.NoError(t, os.Chmod(path, mode))
		a, err := audit.OpenFile(path)
		require.NoError(t, err)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
		require.NoError(t, a.Close())
	}
	_, err = audit.OpenFile(os.DevNull)
	require.ErrorContains(t, err, "not a regular file")
}

// A path that leads to some other file does it no harm.
func TestAuditFileSparesOtherFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "id_ed25519")
	whole := `{"seq":1,"prev":"","event":"decided"}` + "\n"
	for _, text := range []string{"a secret without an end of line", "two\nlines", whole + "and more", `{"seq":1,"prev":""}` + "\n" + `{"seq":3`} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := audit.OpenFile(path)
		require.ErrorContains(t, err, path)
		left, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, text, string(left))
	}
	for _, tail := range []string{"", `{"se`, "\x00\x00\x00", strings.Repeat("\x00", 5000)} { // what a crash leaves
		require.NoError(t, os.WriteFile(path, []byte(whole+tail), 0o600))
		a, err := audit.OpenFile(path)
		require.NoError(t, err)
		require.NoError(t, a.Record(t.Context(), audit.Record{}))
		require.NoError(t, a.Close())
		left, err := os.ReadFile(path)
		require.NoError(t, err)
		n, _, err := audit.Verify(bytes.NewReader(left), 0, "")
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
	}
}
