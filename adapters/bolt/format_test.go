package bolt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// fixture is a journal as format 1 wrote it. Journals like it keep opening; with
// DUVOTOOL_WRITE_FIXTURE=1 the test writes it anew, which only a new format should
// need, under another name.
const fixture = "testdata/format-1.db"

// fixtureRecords are what it holds, with the revisions that they have there.
func fixtureRecords() []journal.Record {
	at := time.Date(2026, 3, 1, 9, 0, 0, 987654321, time.UTC)
	return []journal.Record{
		{Key: "op-refund_4711", Revision: 3, At: at, Data: []byte(`{"job":"one","state":"waiting"}`)},
		{Key: "op-refund_4712", Revision: 1, Done: true, At: at.Add(time.Hour), Data: []byte(`{"job":"two","state":"completed"}`)},
		{Key: "OP", Revision: 2, Done: true, At: time.Time{}, Data: []byte{}},
		{Key: "large", Revision: 1, At: at, Data: bytes.Repeat([]byte("0123456789abcdef"), 700)},
		{Key: "last", Revision: 1, At: at, Data: []byte{0, 1, 0xff}},
	}
}

func writeFixture(t *testing.T) {
	for _, name := range []string{fixture, fixture + ".head"} {
		require.NoError(t, os.RemoveAll(name))
	}
	j := open(t, fixture)
	put(t, j, journal.Record{Key: "forgotten", Done: true, At: time.Unix(0, 0)})
	n, err := j.Forget(t.Context(), time.Unix(1, 0))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	for _, r := range fixtureRecords() {
		for n := range r.Revision {
			r.Revision = n
			put(t, j, r)
		}
	}
	require.NoError(t, j.Close())
}

func TestOldFormat(t *testing.T) {
	if os.Getenv("DUVOTOOL_WRITE_FIXTURE") != "" {
		writeFixture(t)
	}
	if order.Uint16([]byte{1, 0}) != 1 {
		t.Skip("bbolt's files are in the machine's byte order, and the fixture's is another")
	}
	path := newPath(t)
	copyFile(t, fixture, path)
	copyFile(t, fixture+".head", path+".head")
	j := open(t, path)
	unfinished := map[string]bool{}
	for r, err := range j.Unfinished(t.Context()) {
		require.NoError(t, err)
		unfinished[r.Key] = true
	}
	for _, want := range fixtureRecords() {
		got, err := j.Get(t.Context(), want.Key)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, !want.Done, unfinished[want.Key])
	}
	require.Len(t, unfinished, 3)
	n, err := j.Forget(t.Context(), time.Now().AddDate(100, 0, 0))
	require.NoError(t, err)
	require.Equal(t, 2, n)
	put(t, j, fixtureRecords()[0])
}

func TestRecordsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := journal.Record{
			Key:  rapid.StringMatching(`[A-Za-z0-9_-]{1,64}`).Draw(t, "key"),
			Done: rapid.Bool().Draw(t, "done"),
			At:   time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "seconds"), rapid.Int64Range(0, 1e9-1).Draw(t, "nanoseconds")).UTC(),
			Data: rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
		}
		want := r
		want.Revision = rapid.Uint64().Draw(t, "revision")
		value := encodeRecord(r, want.Revision)
		got, _, err := decodeRecord([]byte(r.Key), value)
		require.NoError(t, err)
		require.Equal(t, want, got)
		value[rapid.IntRange(0, len(value)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		_, _, err = decodeRecord([]byte(r.Key), value)
		require.Error(t, err)
		_, _, err = decodeRecord([]byte("x"+r.Key), encodeRecord(r, 1))
		require.Error(t, err, "it is another key's")
	})
}

func TestTimesSort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) time.Time {
			if rapid.IntRange(0, 9).Draw(t, name) == 0 {
				return time.Time{}
			}
			return time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, name), rapid.Int64Range(0, 1e9-1).Draw(t, name))
		}
		a, b := draw("a"), draw("b")
		require.Equal(t, a.Compare(b), bytes.Compare(timePrefix(a), timePrefix(b)))
	})
}

// FuzzCheck gives check any bytes. It must not panic, and what it accepts bbolt
// must be able to open, and agree about.
func FuzzCheck(f *testing.F) {
	b, err := os.ReadFile(fixture)
	require.NoError(f, err)
	f.Add(b)
	f.Add(b[:3*pageSize])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		st, err := check(bytes.NewReader(b), int64(len(b)))
		if err != nil || st.metaDamaged { // bbolt's own check panics at a meta page with a wrong number
			return
		}
		path := filepath.Join(t.TempDir(), "any.db")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		db, err := bbolt.Open(path, 0o600, nil)
		require.NoError(t, err)
		defer db.Close()
		require.NoError(t, db.View(func(tx *bbolt.Tx) error {
			require.EqualValues(t, st.txid, tx.ID())
			require.EqualValues(t, st.head.now.count, tx.Bucket(bucketRecords).Stats().KeyN)
			for err := range tx.Check() {
				t.Error(err)
			}
			return nil
		}))
	})
}

func FuzzHeadFile(f *testing.F) {
	b, err := os.ReadFile(fixture + ".head")
	require.NoError(f, err)
	f.Add(b)
	f.Add(b[:slotSize+20])
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := readSlots(bytes.NewReader(b))
		if err != nil {
			require.ErrorIs(t, err, ErrNewer)
			return
		}
		for i, have := range s {
			if have != nil {
				require.Equal(t, have.encode()[:slotBody+len(digest{})], b[i*slotSize:][:slotBody+len(digest{})])
			}
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte("a"), encodeRecord(journal.Record{Key: "a", Data: []byte("x")}, 1))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if len(value) >= recordHeader && len(key) < 256 { // get past the digest
			d := recordDigest(key, value)
			copy(value, d[:])
		}
		r, _, err := decodeRecord(key, value)
		if err != nil {
			return
		}
		require.NoError(t, r.CheckKey())
		require.Equal(t, binary.BigEndian.Uint64(value[32:]), r.Revision)
		_, _ = indexEntry(r)
		_ = fmt.Sprint(r.At)
	})
}
