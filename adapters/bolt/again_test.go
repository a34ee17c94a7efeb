package bolt

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// A head file that cannot be written for a while: the journal takes nothing
// meanwhile, and then works again, with what had come to the database.
func TestHeadFileThatCannotBeWritten(t *testing.T) {
	path, last := made(t, 3)
	synctest.Test(t, func(t *testing.T) {
		j := open(t, path)
		defer j.Close()
		require.NoError(t, j.Ready(t.Context()))
		writes := j.headFile
		reads, err := os.Open(path + ".head")
		require.NoError(t, err)
		defer reads.Close()
		j.headFile = reads
		_, err = j.Put(t.Context(), journal.Record{Key: "new", Data: []byte("x")})
		require.ErrorContains(t, err, "head file")
		require.ErrorIs(t, err, journal.ErrUnavailable)
		_, err = j.Get(t.Context(), last.Key)
		require.ErrorIs(t, err, journal.ErrUnavailable, "nothing is told that is not on disk")
		require.ErrorIs(t, j.Ready(t.Context()), journal.ErrUnavailable)
		j.headFile = writes
		_, err = j.Put(t.Context(), journal.Record{Key: "more"})
		require.ErrorIs(t, err, journal.ErrUnavailable, "it is not read again at every call")
		time.Sleep(retryAfter)
		require.NoError(t, j.Ready(t.Context()))
		holds(t, j, last)
		holds(t, j, journal.Record{Key: "new", Revision: 1, Data: []byte("x")})
		put(t, j, journal.Record{Key: "more"})
		require.NoError(t, j.Close())
		holds(t, open(t, path), last)
	})
}

// Only what the system cannot have forgotten is tried again.
func TestWhichFailuresPass(t *testing.T) {
	write := &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	sync := os.NewSyscallError("fdatasync", syscall.EIO)
	for err, want := range map[error]bool{
		&commitError{fmt.Errorf("writing: %w", write)}: true,
		&commitError{fmt.Errorf("writing: %w", sync)}:  false,
		&commitError{errors.New("file sync error")}:    false,
		&slotError{sync}:  true,
		&slotError{write}: true,
		write:             false, // of neither
	} {
		require.Equal(t, want, passes(err), err)
	}
}

// Files that are no longer at their paths are noticed at the next commit, and
// nobody opens the journal beside its process unless both are gone. Put back, it
// goes on.
func TestMovedFiles(t *testing.T) {
	remove := func(t *testing.T, path string) func() {
		require.NoError(t, os.Rename(path, path+".aside"))
		return func() { require.NoError(t, os.Rename(path+".aside", path)) }
	}
	replace := func(t *testing.T, path string) func() {
		back := remove(t, path)
		copyFile(t, path+".aside", path)
		return back
	}
	for name, move := range map[string]func(t *testing.T, path string) func(){"removed": remove, "replaced": replace} {
		for which, ends := range map[string][]string{"the database": {""}, "the head file": {".head"}, "both": {"", ".head"}} {
			t.Run(name+" "+which, func(t *testing.T) {
				path, last := made(t, 3)
				j := open(t, path)
				var back []func()
				for _, end := range ends {
					back = append(back, move(t, path+end))
				}
				before := j.head
				for range 2 {
					_, err := j.Put(t.Context(), journal.Record{Key: "new"})
					require.ErrorIs(t, err, ErrMoved)
					require.ErrorContains(t, err, path)
					require.NotErrorIs(t, err, journal.ErrUnavailable, "a person must look")
					require.ErrorIs(t, j.Ready(t.Context()), ErrMoved)
				}
				require.Equal(t, before, j.head, "nothing is written on")
				if which == "the database" { // the lock is on the other
					_, err := Open(path, WithLockTimeout(0))
					require.ErrorIs(t, err, ErrLocked)
				}
				for _, b := range back {
					b()
				}
				put(t, j, journal.Record{Key: "new"})
				holds(t, j, last)
			})
		}
	}
}

// A path is where it was when the journal was opened, wherever the process goes.
func TestRelativePath(t *testing.T) {
	t.Chdir(t.TempDir())
	j := open(t, "journal.db")
	t.Chdir(t.TempDir())
	put(t, j, journal.Record{Key: "a"})
	require.NoError(t, j.Ready(t.Context()))
}

// Both files were removed, and another process has begun a journal at the path:
// the first one writes nothing more, to either.
func TestAnotherJournalInItsPlace(t *testing.T) {
	path, last := made(t, 3)
	j := open(t, path)
	require.NoError(t, os.Rename(path, path+".aside"))
	require.NoError(t, os.Rename(path+".head", path+".aside.head"))
	other := open(t, path)
	put(t, other, journal.Record{Key: "other"})
	_, err := j.Put(t.Context(), journal.Record{Key: "new"})
	require.ErrorIs(t, err, ErrMoved)
	_, err = j.Forget(t.Context(), time.Now().Add(time.Hour))
	require.ErrorIs(t, err, ErrMoved)
	require.NoError(t, j.Close())
	put(t, other, journal.Record{Key: "new"})
	require.NoError(t, other.Close())
	holds(t, open(t, path+".aside"), last)
}
