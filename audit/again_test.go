package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// failing is a disk that fails as it is told to: after so many bytes, when it is
// synced, when it is cut.
type failing struct {
	*os.File
	room           int // bytes; negative: enough
	noSync, noCuts bool
	syncs          int
}

func (d *failing) Write(b []byte) (int, error) {
	if d.room < 0 || len(b) <= d.room {
		d.room = max(d.room-len(b), min(d.room, -1))
		return d.File.Write(b)
	}
	n, err := d.File.Write(b[:d.room])
	d.room = 0
	return n, errors.Join(err, syscall.ENOSPC)
}

func (d *failing) Sync() error {
	if d.syncs++; d.noSync {
		return syscall.EIO
	}
	return d.File.Sync()
}

func (d *failing) Truncate(size int64) error {
	if d.noCuts {
		return syscall.EIO
	}
	return d.File.Truncate(size)
}

func openFailing(t *testing.T) (*File, *failing) {
	a, err := OpenFile(filepath.Join(t.TempDir(), "audit.jsonl"))
	require.NoError(t, err)
	d := &failing{File: a.f, room: -1}
	a.disk = d
	t.Cleanup(func() { _ = a.Close() })
	return a, d
}

// sound holds that the file has so many lines in a chain, and the last is By.
func sound(t *testing.T, path string, lines int64, by string) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	n, _, err := Verify(bytes.NewReader(b), 0, "")
	require.NoError(t, err)
	require.Equal(t, lines, n)
	require.Contains(t, string(b[bytes.LastIndexByte(b[:len(b)-1], '\n')+1:]), `"by":"`+by+`"`)
}

// Whatever fails once, the file works again by itself when it can, and what a
// record that failed has left stands in nobody's way.
func TestFileWorksAgain(t *testing.T) {
	for name, fail := range map[string]func(*failing){
		"full":                       func(d *failing) { d.room = 0 },
		"full within a line":         func(d *failing) { d.room = 40 },
		"cannot be synced":           func(d *failing) { d.noSync = true },
		"full, and cannot be cut":    func(d *failing) { d.room, d.noCuts = 40, true },
		"whole, and cannot be cut":   func(d *failing) { d.noSync, d.noCuts = true, true },
		"full at the line break":     func(d *failing) { d.room = 400 },
		"nothing of it can be saved": func(d *failing) { d.room, d.noSync, d.noCuts = 3, true, true },
	} {
		t.Run(name, func(t *testing.T) {
			a, d := openFailing(t)
			require.NoError(t, a.Ready(t.Context()))
			require.Zero(t, d.syncs, "asking costs nothing while all is well")
			require.NoError(t, a.Record(t.Context(), Record{By: "kim"}))
			fail(d)
			for i := range 3 {
				err := a.Record(t.Context(), Record{By: "lee", Reason: fmt.Sprintf("%0400d", i)})
				require.ErrorIs(t, err, ErrUnavailable)
				require.ErrorIs(t, a.Ready(t.Context()), ErrUnavailable)
				n, _ := a.Head()
				require.EqualValues(t, 1, n)
				if !d.noCuts {
					sound(t, a.path, 1, "kim")
				}
			}
			*d = failing{File: d.File, room: -1}
			require.NoError(t, a.Ready(t.Context()))
			sound(t, a.path, 1, "kim")
			require.NoError(t, a.Record(t.Context(), Record{By: "max"}))
			sound(t, a.path, 2, "max")
			n, head := a.Head()
			require.NoError(t, a.Close())
			again, err := OpenFile(a.path)
			require.NoError(t, err)
			n2, head2 := again.Head()
			require.Equal(t, n, n2)
			require.Equal(t, head, head2)
			require.NoError(t, again.Record(t.Context(), Record{By: "new"}))
			require.NoError(t, again.Close())
			sound(t, a.path, 3, "new")
		})
	}
}

// A file that is no longer at its path takes nothing that nobody will find, and
// goes on when it is back.
func TestFileThatWasMoved(t *testing.T) {
	for name, instead := range map[string]func(t *testing.T, path string){
		"removed":  func(*testing.T, string) {},
		"replaced": func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, nil, 0o600)) },
		"opened anew": func(t *testing.T, path string) {
			b, err := OpenFile(path)
			require.NoError(t, err)
			require.NoError(t, b.Record(t.Context(), Record{By: "another"}))
			require.NoError(t, b.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := openFailing(t)
			require.NoError(t, a.Record(t.Context(), Record{By: "kim"}))
			aside := a.path + ".aside"
			require.NoError(t, os.Rename(a.path, aside))
			instead(t, a.path)
			for _, err := range []error{a.Record(t.Context(), Record{By: "lee"}), a.Ready(t.Context())} {
				require.ErrorContains(t, err, "removed or replaced")
				require.ErrorContains(t, err, a.path)
				require.NotErrorIs(t, err, ErrUnavailable, "a person must look")
			}
			sound(t, aside, 1, "kim")
			require.NoError(t, os.Rename(aside, a.path))
			require.NoError(t, a.Record(t.Context(), Record{By: "max"}))
			sound(t, a.path, 2, "max")
		})
	}
}

// Moved while a record is on its way, it is not told as kept.
func TestFileThatIsMovedMeanwhile(t *testing.T) {
	a, d := openFailing(t)
	require.NoError(t, a.Record(t.Context(), Record{By: "kim"}))
	a.disk = &moving{failing: d, path: a.path}
	require.ErrorContains(t, a.Record(t.Context(), Record{By: "lee"}), "removed or replaced")
	a.disk = d
	require.NoError(t, os.Rename(a.path+".aside", a.path))
	require.NoError(t, a.Record(t.Context(), Record{By: "max"}))
	sound(t, a.path, 2, "max")
}

type moving struct {
	*failing
	path string
}

func (m *moving) Sync() error {
	_ = os.Rename(m.path, m.path+".aside")
	return m.failing.Sync()
}

// What others have written is not cut off.
func TestFileThatOthersChanged(t *testing.T) {
	for name, change := range map[string]func(path string, b []byte) []byte{
		"added to":    func(_ string, b []byte) []byte { return append(b, "a note\n"...) },
		"cut":         func(_ string, b []byte) []byte { return b[:len(b)-5] },
		"overwritten": func(_ string, b []byte) []byte { return bytes.Replace(b, []byte("kim"), []byte("eve"), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			a, d := openFailing(t)
			require.NoError(t, a.Record(t.Context(), Record{By: "kim"}))
			d.room = 0
			require.ErrorIs(t, a.Record(t.Context(), Record{By: "lee"}), ErrUnavailable)
			d.room = -1
			b, err := os.ReadFile(a.path)
			require.NoError(t, err)
			changed := change(a.path, b)
			require.NoError(t, os.WriteFile(a.path, changed, 0o600))
			err = a.Record(t.Context(), Record{By: "max"})
			require.Error(t, err)
			require.NotErrorIs(t, err, ErrUnavailable)
			after, err := os.ReadFile(a.path)
			require.NoError(t, err)
			require.Equal(t, changed, after)
		})
	}
}

func TestClosedFile(t *testing.T) {
	a, _ := openFailing(t)
	require.NoError(t, a.Close())
	for _, err := range []error{a.Record(t.Context(), Record{}), a.Ready(t.Context())} {
		require.ErrorContains(t, err, "closed")
		require.NotErrorIs(t, err, ErrUnavailable)
	}
}

// A path is where it was when the file was opened, wherever the process goes.
func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	a, err := OpenFile("audit.jsonl")
	require.NoError(t, err)
	t.Cleanup(func() { _ = a.Close() })
	t.Chdir(t.TempDir())
	require.NoError(t, a.Record(t.Context(), Record{By: "kim"}))
}
