package audit

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A file that somebody changes in place, as a rotation does that copies it and cuts
// it to nothing, takes no records: they would not follow what is there. Put back as
// it was, it goes on.
func TestFileThatWasChangedInPlace(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, path string, was []byte){
		"cut to nothing": func(t *testing.T, path string, _ []byte) { require.NoError(t, os.Truncate(path, 0)) },
		"cut in a line": func(t *testing.T, path string, was []byte) {
			require.NoError(t, os.Truncate(path, int64(len(was)-5)))
		},
		"appended to": func(t *testing.T, path string, was []byte) {
			require.NoError(t, os.WriteFile(path, append(was, "{}\n"...), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := OpenFile(filepath.Join(t.TempDir(), "audit.jsonl"))
			require.NoError(t, err)
			defer a.Close()
			for range 2 {
				require.NoError(t, a.Record(t.Context(), Record{By: "kim"}))
			}
			was, err := os.ReadFile(a.path)
			require.NoError(t, err)
			change(t, a.path, was)
			now, err := os.ReadFile(a.path)
			require.NoError(t, err)
			for range 2 {
				err = a.Record(t.Context(), Record{By: "lee"})
				require.ErrorContains(t, err, "changed by somebody else")
				require.NotErrorIs(t, err, ErrUnavailable)
				require.ErrorContains(t, a.Ready(t.Context()), "changed by somebody else")
				there, err := os.ReadFile(a.path)
				require.NoError(t, err)
				require.Equal(t, now, there, "nothing is written into it")
			}
			require.NoError(t, os.WriteFile(a.path, was, 0o600))
			require.NoError(t, a.Ready(t.Context()))
			require.NoError(t, a.Record(t.Context(), Record{By: "max"}))
			sound(t, a.path, 3, "max")
		})
	}
}

// What is no file of its own is refused, and left as it is.
func TestOpenFileWhereThereIsNoFile(t *testing.T) {
	dir := t.TempDir()
	_, err := OpenFile(dir)
	require.Error(t, err)
	_, err = OpenFile(filepath.Join(dir, "no folder", "audit.jsonl"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = OpenFile(os.DevNull)
	require.ErrorContains(t, err, "not a regular file")

	// A link leads to its file, which one opener has, whatever it is called.
	path, link := filepath.Join(dir, "audit.jsonl"), filepath.Join(dir, "link.jsonl")
	require.NoError(t, os.Symlink(path, link))
	a, err := OpenFile(link)
	require.NoError(t, err)
	defer a.Close()
	_, err = OpenFile(path)
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, a.Record(t.Context(), Record{By: "kim"}))

	// A folder in its place is noticed, and so is a link to another file.
	away := filepath.Join(dir, "away")
	require.NoError(t, os.Rename(path, away))
	require.NoError(t, os.Mkdir(path, 0o700))
	require.ErrorContains(t, a.Record(t.Context(), Record{By: "lee"}), "removed or replaced")
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Symlink(os.DevNull, path))
	require.ErrorContains(t, a.Record(t.Context(), Record{By: "lee"}), "removed or replaced")
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Rename(away, path))
	require.NoError(t, a.Record(t.Context(), Record{By: "max"}))
	sound(t, path, 2, "max")
}
