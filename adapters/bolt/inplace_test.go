package bolt

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// overwrite puts other bytes into a file, which stays the same file.
func overwrite(t *testing.T, path string, with []byte) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteAt(with, 0)
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
}

// An older copy that is put back into the open file, where each record is whole, is
// noticed at the next call, whichever that is, and nothing is written into it. The
// next process refuses it too, since its head file tells of more.
func TestOlderCopyInPlace(t *testing.T) {
	for name, call := range map[string]func(j *Journal) error{
		"Get": func(j *Journal) error { _, err := j.Get(t.Context(), "key-0"); return err },
		"Put": func(j *Journal) error { _, err := j.Put(t.Context(), journal.Record{Key: "new"}); return err },
		"Unfinished": func(j *Journal) error {
			for _, err := range j.Unfinished(t.Context()) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"Forget": func(j *Journal) error { _, err := j.Forget(t.Context(), time.Now()); return err },
	} {
		t.Run(name, func(t *testing.T) {
			path, last := made(t, 3)
			old, err := os.ReadFile(path)
			require.NoError(t, err)
			j := open(t, path)
			last.Done = true
			last.Revision, err = j.Put(t.Context(), last)
			require.NoError(t, err)
			overwrite(t, path, old)
			require.ErrorIs(t, call(j), ErrCorrupt)
			_, err = j.Get(t.Context(), last.Key)
			require.ErrorIs(t, err, ErrCorrupt, "and from then on")
			_ = j.Close()
			now, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, old, now[:len(old)], "nothing is written into it")
			requireErr(t, path, ErrCorrupt)
		})
	}
}

// A link to nowhere is no place for a new journal: the old one is behind it, when
// its volume is there.
func TestLinkToNowhere(t *testing.T) {
	path, last := made(t, 3)
	link, away := filepath.Join(t.TempDir(), "link.db"), filepath.Join(t.TempDir(), "away.db")
	require.NoError(t, os.Symlink(path, link))
	for _, end := range []string{"", ".head"} {
		require.NoError(t, os.Rename(path+end, away+end))
	}
	_, err := Open(link)
	require.ErrorContains(t, err, "a link to a file that is not there")
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink, "the link stays")
	for _, end := range []string{"", ".head"} {
		require.NoError(t, os.Rename(away+end, path+end))
	}
	holds(t, open(t, link), last)
}

// Folders where the files belong are refused when a journal is opened and noticed
// when it is written.
func TestFoldersInTheirPlace(t *testing.T) {
	for _, end := range []string{"", ".head"} {
		path := newPath(t)
		require.NoError(t, os.Mkdir(path+end, 0o700))
		_, err := Open(path)
		require.Error(t, err)
		require.NotErrorIs(t, err, ErrLocked)

		path, last := made(t, 3)
		j := open(t, path)
		require.NoError(t, os.Rename(path+end, path+".aside"))
		require.NoError(t, os.Mkdir(path+end, 0o700))
		_, err = j.Put(t.Context(), journal.Record{Key: "new"})
		require.ErrorIs(t, err, ErrMoved)
		require.NoError(t, os.Remove(path+end))
		require.NoError(t, os.Rename(path+".aside", path+end))
		put(t, j, journal.Record{Key: "new"})
		holds(t, j, last)
	}
}

// Of many that open one path at the same moment, also where there is no journal yet,
// one has it.
func TestOpenAtTheSameMoment(t *testing.T) {
	for range 5 {
		path := newPath(t)
		var mu sync.Mutex
		var got []*Journal
		var begin, end sync.WaitGroup
		begin.Add(8)
		for range 8 {
			end.Go(func() {
				begin.Done()
				begin.Wait()
				j, err := Open(path, WithLockTimeout(0))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					got = append(got, j)
					return
				}
				if !errors.Is(err, ErrLocked) {
					t.Error(err)
				}
			})
		}
		end.Wait()
		require.Len(t, got, 1)
		put(t, got[0], journal.Record{Key: "a"})
		require.NoError(t, got[0].Close())
	}
}

// Who waits for the lock of a head file that is removed meanwhile does not get one
// that keeps nobody else away.
func TestLockThatWasRemoved(t *testing.T) {
	path, _ := made(t, 3)
	j := open(t, path)
	require.NoError(t, j.Close())
	f, err := os.OpenFile(path+".head", os.O_RDWR, 0)
	require.NoError(t, err)
	late := &Journal{path: path, headFile: f}
	require.NoError(t, os.Rename(path+".head", path+".aside"))
	require.ErrorIs(t, late.lock(), ErrMoved)
	copyFile(t, path+".aside", path+".head")
	require.ErrorIs(t, late.lock(), ErrMoved)
	require.NoError(t, late.release())
}
