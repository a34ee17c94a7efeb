package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

func newPath(t *testing.T) string { return filepath.Join(t.TempDir(), "journal.db") }

func put(t *testing.T, j *Journal, r journal.Record) journal.Record {
	t.Helper()
	revision, err := j.Put(t.Context(), r)
	require.NoError(t, err)
	r.Revision = revision
	return r
}

func holds(t *testing.T, j *Journal, want journal.Record) {
	t.Helper()
	got, err := j.Get(t.Context(), want.Key)
	require.NoError(t, err)
	require.Equal(t, want.Revision, got.Revision)
	require.Equal(t, string(want.Data), string(got.Data))
}

// made makes a journal of so many records, closes it, and returns its path and
// the last record.
func made(t *testing.T, records int) (string, journal.Record) {
	path := newPath(t)
	j := open(t, path)
	var last journal.Record
	for i := range records {
		last = put(t, j, journal.Record{Key: fmt.Sprintf("key-%d", i), At: time.Unix(int64(i), 0), Done: i%2 == 0, Data: bytes.Repeat([]byte("d"), 10*i)})
	}
	require.NoError(t, j.Close())
	return path, last
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, b, 0o600))
}

// flip changes a byte of a file.
func flip(t *testing.T, path string, at int64) {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b[at] ^= 0x10
	require.NoError(t, os.WriteFile(path, b, 0o600))
}

// newestMeta returns where the newest meta page is, and the other one.
func newestMeta(t *testing.T, path string) (newest, other int64) {
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	at := func(page int) uint64 { return order.Uint64(b[page*pageSize+pageHeader+48:]) }
	if at(0) > at(1) {
		return 0, pageSize
	}
	return pageSize, 0
}

func requireErr(t *testing.T, path string, target error, text ...string) {
	t.Helper()
	j, err := Open(path, WithLockTimeout(0))
	if err == nil {
		_ = j.Close()
	}
	require.ErrorIs(t, err, target)
	require.ErrorContains(t, err, path)
	for _, s := range text {
		require.ErrorContains(t, err, s)
	}
}

func TestFilesAreTheirOwnersAlone(t *testing.T) {
	path, _ := made(t, 1)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 2)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode(), e.Name())
	}
}

// What others could read is mended; what they could write is refused, and stays as
// it is.
func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes tell nothing there")
	}
	path, last := made(t, 3)
	for _, file := range []string{path, path + ".head"} {
		require.NoError(t, os.Chmod(file, 0o644))
		j := open(t, path)
		holds(t, j, last)
		require.NoError(t, j.Close())
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode())

		require.NoError(t, os.Chmod(file, 0o666))
		_, err = Open(path)
		require.ErrorContains(t, err, file+" may be written to by others")
		require.NotErrorIs(t, err, ErrCorrupt)
		info, err = os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o666), info.Mode())
		require.NoError(t, os.Chmod(file, 0o600))
	}
	holds(t, open(t, path), last)
}

func TestLocked(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	requireErr(t, path, ErrLocked)
	began := time.Now()
	_, err := Open(path, WithLockTimeout(50*time.Millisecond))
	require.ErrorIs(t, err, ErrLocked)
	require.ErrorContains(t, err, "several share one of adapters/postgres")
	require.GreaterOrEqual(t, time.Since(began), 50*time.Millisecond)

	opened := make(chan error, 1) // one that waits gets it
	go func() {
		j, err := Open(path, WithLockTimeout(time.Minute))
		if err == nil {
			err = j.Close()
		}
		opened <- err
	}()
	require.NoError(t, j.Close())
	require.NoError(t, <-opened)
}

// Another program that uses bbolt has the database itself open.
func TestLockedDatabase(t *testing.T) {
	path, _ := made(t, 1)
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	requireErr(t, path, ErrLocked)
	require.NoError(t, db.Close())
	open(t, path)
}

func TestOptions(t *testing.T) {
	_, err := Open(newPath(t), WithLockTimeout(-1))
	require.ErrorContains(t, err, "lock timeout")
	_, err = Open("")
	require.ErrorContains(t, err, "path")
	dir := t.TempDir()
	_, err = Open(dir)
	require.ErrorContains(t, err, dir)
	_, err = Open(filepath.Join(dir, "none", "journal.db"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "none")
}

func TestSymlink(t *testing.T) {
	path, last := made(t, 3)
	link := newPath(t)
	require.NoError(t, os.Symlink(path, link))
	j := open(t, link)
	holds(t, j, last)
	_, err := os.Stat(link + ".head")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestNotAJournal(t *testing.T) {
	path := newPath(t)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	requireErr(t, path, ErrCorrupt, "empty")

	require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("text\n"), 10000), 0o600))
	requireErr(t, path, ErrCorrupt, "no journal")

	require.NoError(t, os.Remove(path))
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: pageSize})
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("other"))
		require.NoError(t, err)
		return b.Put([]byte("k"), []byte("v"))
	}))
	require.NoError(t, db.Close())
	requireErr(t, path, ErrCorrupt)
}

// alter changes what is in a database, and lets its head be of that transaction.
func alter(t *testing.T, path string, f func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		h, err := decodeHead(tx.Bucket(bucketMeta).Get(keyHead))
		require.NoError(t, err)
		require.NoError(t, putHead(tx, h))
		return f(tx)
	}))
	require.NoError(t, db.Close())
}

func TestAnotherProgramWrote(t *testing.T) {
	path, last := made(t, 10)
	alter(t, path, func(*bbolt.Tx) error { return nil })
	holds(t, open(t, path), last)

	path, _ = made(t, 10)
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(*bbolt.Tx) error { return nil }))
	require.NoError(t, db.Close())
	requireErr(t, path, ErrCorrupt, "another program")
}

func TestNewerFormat(t *testing.T) {
	path, _ := made(t, 3)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	alter(t, path, func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("what format 2 needs"))
		require.NoError(t, err)
		return tx.Bucket(bucketMeta).Put(keyFormat, []byte{0, 0, 0, 2})
	})
	requireErr(t, path, ErrNewer, "2")
	alter(t, path, func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyFormat, make([]byte, 4)) })
	requireErr(t, path, ErrCorrupt, "format 0")

	require.NoError(t, os.WriteFile(path, b, 0o600))
	h := binary.BigEndian.AppendUint32([]byte(slotMagic), 2)
	require.NoError(t, os.WriteFile(path+".head", seal(append(h, make([]byte, slotBody-len(h))...)), 0o600))
	requireErr(t, path, ErrNewer, "2", ".head")
}

// Each of these leaves a database that bbolt finds nothing wrong with.
func TestForeignChanges(t *testing.T) {
	for name, f := range map[string]func(tx *bbolt.Tx) error{
		"a record is gone": func(tx *bbolt.Tx) error { return tx.Bucket(bucketRecords).Delete([]byte("key-4")) },
		"a record twice": func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketRecords)
			return b.Put([]byte("key-99"), bytes.Clone(b.Get([]byte("key-4"))))
		},
		"a record changed": func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketRecords)
			v := bytes.Clone(b.Get([]byte("key-4")))
			v[len(v)-1]++
			return b.Put([]byte("key-4"), v)
		},
		"another record": func(tx *bbolt.Tx) error {
			r := journal.Record{Key: "key-4", At: time.Unix(4, 0), Done: true, Data: []byte("other")}
			return tx.Bucket(bucketRecords).Put([]byte("key-4"), encodeRecord(r, 1))
		},
		"a short record":     func(tx *bbolt.Tx) error { return tx.Bucket(bucketRecords).Put([]byte("key-4"), []byte("x")) },
		"unfinished is gone": func(tx *bbolt.Tx) error { return tx.Bucket(bucketUnfinished).Delete([]byte("key-3")) },
		"done is unfinished": func(tx *bbolt.Tx) error { return tx.Bucket(bucketUnfinished).Put([]byte("key-4"), indexed) },
		"done at another time": func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucketDone)
			k, _ := b.Cursor().First()
			k = bytes.Clone(k)
			require.NoError(t, b.Delete(k))
			k[8]++
			return b.Put(k, indexed)
		},
		"a bucket more": func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("more"))
			return err
		},
		"no head":  func(tx *bbolt.Tx) error { return tx.Bucket(bucketMeta).Delete(keyHead) },
		"no index": func(tx *bbolt.Tx) error { return tx.DeleteBucket(bucketDone) },
		"a bucket inside": func(tx *bbolt.Tx) error {
			_, err := tx.Bucket(bucketUnfinished).CreateBucket([]byte("key-98"))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			path, _ := made(t, 10)
			alter(t, path, f)
			requireErr(t, path, ErrCorrupt)
			_, err := Open(path, AcceptLoss()) // the database itself is not whole
			require.ErrorIs(t, err, ErrCorrupt)
		})
	}
}

// A crash between the two files: the database is one ahead.
func TestCrashBeforeTheHeadFile(t *testing.T) {
	path, _ := made(t, 5)
	head := path + ".head.kept"
	copyFile(t, path+".head", head)
	j := open(t, path)
	last := put(t, j, journal.Record{Key: "last", Data: []byte("x")})
	require.NoError(t, j.Close())
	copyFile(t, head, path+".head")

	for range 2 { // and again, healed
		j = open(t, path)
		holds(t, j, last)
		require.NoError(t, j.Close())
	}
	flip(t, path, func() int64 { at, _ := newestMeta(t, path); return at + 30 }())
	requireErr(t, path, ErrCorrupt, "lost") // the head file was brought up to date

	// Two ahead is no crash of ours.
	path, _ = made(t, 5)
	copyFile(t, path+".head", head)
	j = open(t, path)
	put(t, j, journal.Record{Key: "a"})
	last = put(t, j, journal.Record{Key: "b"})
	require.NoError(t, j.Close())
	copyFile(t, head, path+".head")
	requireErr(t, path, ErrCorrupt, "older")
	holds(t, open(t, path, AcceptLoss()), last)
}

// A crash while the head file's slot was written: it is torn.
func TestTornSlot(t *testing.T) {
	for i := range int64(2) {
		path, last := made(t, 5)
		flip(t, path+".head", i*slotSize+20)
		j := open(t, path)
		holds(t, j, last)
		last = put(t, j, journal.Record{Key: "next"})
		require.NoError(t, j.Close())
		holds(t, open(t, path), last)
		f, err := os.Open(path + ".head")
		require.NoError(t, err)
		s, err := readSlots(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.NotNil(t, s[0], "it was healed")
		require.NotNil(t, s[1], "it was healed")
	}
}

// One slot was written where the other one belongs.
func TestMisplacedSlot(t *testing.T) {
	for i := range 2 {
		path, last := made(t, 5)
		b := read(t, path+".head")
		copy(b[i*slotSize:][:slotSize], b[(1-i)*slotSize:])
		require.NoError(t, os.WriteFile(path+".head", b, 0o600))
		holds(t, open(t, path), last)
	}
}

// The head file of another journal that is as old, or of one before it.
func TestAnotherHeadFile(t *testing.T) {
	path, _ := made(t, 5)
	other := newPath(t)
	j := open(t, other)
	for i := range 5 {
		put(t, j, journal.Record{Key: fmt.Sprint("other-", i)})
	}
	copyFile(t, other+".head", path+".head")
	requireErr(t, path, ErrCorrupt, "other records")

	ahead := put(t, j, journal.Record{Key: "one-more"})
	require.NoError(t, j.Close())
	shorter, _ := made(t, 5)
	copyFile(t, shorter+".head", other+".head")
	requireErr(t, other, ErrCorrupt, "other records")
	holds(t, open(t, other, AcceptLoss()), ahead)
}

// A crash while a meta page was written, which nobody was told of.
func TestTornMeta(t *testing.T) {
	path, last := made(t, 5)
	_, other := newestMeta(t, path)
	flip(t, path, other+30)
	j := open(t, path)
	holds(t, j, last)
	last = put(t, j, journal.Record{Key: "next"})
	require.NoError(t, j.Close())
	holds(t, open(t, path), last)
}

// The newest meta page is damaged after its Put returned: bbolt would go on with
// the one before.
func TestLostTransaction(t *testing.T) {
	path, last := made(t, 5)
	newest, _ := newestMeta(t, path)
	flip(t, path, newest+30)

	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err, "bbolt notices nothing")
	require.NoError(t, db.View(func(tx *bbolt.Tx) error {
		require.Nil(t, tx.Bucket(bucketRecords).Get([]byte(last.Key)))
		return nil
	}))
	require.NoError(t, db.Close())

	requireErr(t, path, ErrCorrupt, "lost")
	requireErr(t, path, ErrCorrupt, "lost") // it stays so

	b, err := os.ReadFile(path + ".head")
	require.NoError(t, err)
	for i := range int64(2) { // and if the slot that tells of it is damaged as well
		require.NoError(t, os.WriteFile(path+".head", b, 0o600))
		flip(t, path+".head", i*slotSize+20)
		requireErr(t, path, ErrCorrupt)
	}
	flip(t, path+".head", 20)
	requireErr(t, path, ErrCorrupt)
	require.NoError(t, os.Remove(path+".head"))
	requireErr(t, path, ErrCorrupt, "missing")

	first, _ := made(t, 1) // what is left is a journal as it is made
	newest, _ = newestMeta(t, first)
	flip(t, first, newest+30)
	require.NoError(t, os.Truncate(first+".head", 0))
	requireErr(t, first, ErrCorrupt, "missing")

	j := open(t, path, AcceptLoss())
	_, err = j.Get(t.Context(), last.Key)
	require.ErrorIs(t, err, journal.ErrNoRecord)
	require.NoError(t, j.Close())
	open(t, path)
}

func TestOneFileMissing(t *testing.T) {
	path, _ := made(t, 5)
	require.NoError(t, os.Rename(path+".head", path+".kept"))
	requireErr(t, path, ErrCorrupt, "missing")
	require.NoError(t, os.Rename(path+".kept", path+".head"))
	require.NoError(t, os.Rename(path, path+".kept"))
	requireErr(t, path, ErrCorrupt, "missing", "5 records")
	_, err := os.Stat(path)
	require.ErrorIs(t, err, os.ErrNotExist, "nothing was put in its place")
}

// A crash while a journal was made leaves a database without its head file, or
// with an unfinished one.
func TestCrashWhileMade(t *testing.T) {
	path, _ := made(t, 0)
	for _, b := range [][]byte{nil, make([]byte, 100), make([]byte, 2*slotSize)} {
		require.NoError(t, os.WriteFile(path+".head", b, 0o600))
		require.NoError(t, os.WriteFile(path+".new", []byte("cut"), 0o600))
		j := open(t, path)
		require.NoError(t, j.Close())
	}
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Truncate(path+".head", 0))
	require.NoError(t, os.WriteFile(path+".new", []byte("cut"), 0o600))
	j := open(t, path)
	put(t, j, journal.Record{Key: "a"})
}

func TestCompacts(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	for i := range 300 {
		put(t, j, journal.Record{Key: fmt.Sprint("key-", i), Done: true, Data: bytes.Repeat([]byte{byte(i)}, 8<<10)})
	}
	last := put(t, j, journal.Record{Key: "last", Data: []byte("kept")})
	require.NoError(t, j.Close())
	full, err := os.Stat(path)
	require.NoError(t, err)
	j = open(t, path)
	same, err := os.Stat(path)
	require.NoError(t, err)
	require.True(t, os.SameFile(full, same), "there is little to gain")

	n, err := j.Forget(t.Context(), time.Now())
	require.NoError(t, err)
	require.Equal(t, 300, n)
	require.NoError(t, j.Close())
	before, err := os.Stat(path)
	require.NoError(t, err)
	require.Greater(t, before.Size(), int64(2<<20))

	for range 2 {
		j = open(t, path)
		holds(t, j, last)
		last = put(t, j, last)
		require.NoError(t, j.Close())
		after, err := os.Stat(path)
		require.NoError(t, err)
		require.Less(t, after.Size(), int64(1<<20))
		require.Equal(t, os.FileMode(0o600), after.Mode())
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 2, "no copy is left behind")
}

func TestClosed(t *testing.T) {
	path, last := made(t, 3)
	j := open(t, path)
	require.NoError(t, j.Close())
	require.NoError(t, j.Close())
	_, err := j.Get(t.Context(), last.Key)
	require.ErrorIs(t, err, os.ErrClosed)
	_, err = j.Put(t.Context(), last)
	require.ErrorIs(t, err, os.ErrClosed)
	_, err = j.Forget(t.Context(), time.Now())
	require.ErrorIs(t, err, os.ErrClosed)
	for _, err := range j.Unfinished(t.Context()) {
		require.ErrorIs(t, err, os.ErrClosed)
	}
}

func TestCloseWaitsForPuts(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	results := make(chan error)
	const n = 50
	for i := range n {
		go func() {
			_, err := j.Put(context.Background(), journal.Record{Key: fmt.Sprint("key-", i), Data: []byte("x")})
			results <- err
		}()
	}
	first := <-results
	require.NoError(t, j.Close())
	stored := 0
	for i := range n {
		err := first
		if i > 0 {
			err = <-results
		}
		if err == nil {
			stored++
		} else {
			require.ErrorIs(t, err, os.ErrClosed)
		}
	}
	require.Positive(t, stored)
	j = open(t, path)
	have := 0
	for _, err := range j.Unfinished(t.Context()) {
		require.NoError(t, err)
		have++
	}
	require.Equal(t, stored, have)
}

// The file is cut under an open journal: reading what was mapped faults.
func TestCutWhileOpen(t *testing.T) {
	whole, last := made(t, 40)
	for name, use := range map[string]func(j *Journal) error{
		"get": func(j *Journal) error { _, err := j.Get(context.Background(), "key-3"); return err },
		"put": func(j *Journal) error {
			_, err := j.Put(context.Background(), journal.Record{Key: "new"})
			return err
		},
		"unfinished": func(j *Journal) (last error) {
			for _, last = range j.Unfinished(context.Background()) {
			}
			return last
		},
		"forget": func(j *Journal) error { _, err := j.Forget(context.Background(), time.Now()); return err },
	} {
		for _, size := range []int64{0, pageSize, 2 * pageSize, 3 * pageSize} {
			t.Run(fmt.Sprint(name, size), func(t *testing.T) {
				path := newPath(t)
				copyFile(t, whole, path)
				copyFile(t, whole+".head", path+".head")
				j := open(t, path)
				require.NoError(t, os.Truncate(path, size))
				require.Error(t, use(j))
				_, err := j.Put(t.Context(), last)
				require.Error(t, err, "nothing more is done")
				require.ErrorContains(t, err, path)
				_ = j.Close()
				requireErr(t, path, ErrCorrupt) // and nobody holds the lock
			})
		}
	}
}

func TestTooLarge(t *testing.T) {
	j := open(t, newPath(t))
	_, err := j.Put(t.Context(), journal.Record{Key: "a", Data: make([]byte, maxData+1)})
	require.ErrorContains(t, err, "allowed")
	for i := range 4 { // bbolt keeps as many in one page
		put(t, j, journal.Record{Key: fmt.Sprint("a", i), Data: make([]byte, maxData)})
	}
	require.NoError(t, j.Close())
	open(t, j.path)
}
