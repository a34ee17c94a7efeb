package bolt

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"
)

// check knows more of bbolt's files than bbolt promises. This grows and shrinks
// trees, and looks whether it refuses a file that is whole.
func TestCheckAcceptsWhatIsWritten(t *testing.T) {
	path := newPath(t)
	j := open(t, path)
	j.db.NoSync = true // what is written is the same
	rnd := rand.New(rand.NewPCG(3, 4))
	revisions := map[string]uint64{}
	for round := range 300 {
		keys, sizes := 1+rnd.IntN(3000), 1+rnd.IntN([]int{30, 300, 9000}[rnd.IntN(3)])
		var batch []*change
		for range rnd.IntN(60) {
			r := journal.Record{
				Key:  fmt.Sprintf("%0*d", 1+rnd.IntN(2)*40, rnd.IntN(keys)),
				Done: rnd.IntN(2) == 0,
				At:   time.Unix(int64(rnd.IntN(1000)), 0),
				Data: bytes.Repeat([]byte{byte(round)}, rnd.IntN(sizes)),
			}
			p := replacement{[]byte(r.Key), revisions[r.Key], encodeRecord(r, revisions[r.Key]+1)}
			revisions[r.Key]++
			batch = append(batch, &change{apply: p.apply, done: make(chan struct{})})
		}
		if round%10 == 9 {
			batch = append(batch, &change{done: make(chan struct{}), apply: func(tx *bbolt.Tx, sum *total) error {
				before := timePrefix(time.Unix(int64(rnd.IntN(1500)), 0))
				for {
					if n, err := forget(tx, sum, before); n == 0 || err != nil {
						return err
					}
				}
			}})
		}
		j.write(batch)
		for _, c := range batch {
			require.NoError(t, c.err)
		}
		if round%10 == 9 {
			clear(revisions)
			require.NoError(t, j.view(func(tx *bbolt.Tx) error {
				return tx.Bucket(bucketRecords).ForEach(func(k, v []byte) error {
					r, _, err := decodeRecord(k, v)
					revisions[r.Key] = r.Revision
					return err
				})
			}))
		}
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		st, err := check(bytes.NewReader(b), int64(len(b)))
		require.NoError(t, err, "round %d", round)
		require.Equal(t, j.head.now, st.head.now)
		require.False(t, st.metaDamaged)
		require.NoError(t, j.view(func(tx *bbolt.Tx) error {
			for err := range tx.Check() {
				return err
			}
			return nil
		}))
	}
}

// A page that is used and said to be free would be overwritten by the next Put.
func TestUsedPageIsFree(t *testing.T) {
	path, _ := made(t, 40)
	newest, _ := newestMeta(t, path)
	b := read(t, path)
	m := b[newest+pageHeader:]
	root, list := order.Uint64(m[16:]), b[order.Uint64(m[32:])*pageSize:]
	require.NotZero(t, order.Uint16(list[10:]), "there are free pages")
	order.PutUint64(list[pageHeader:], root)
	require.NoError(t, os.WriteFile(path, b, 0o600))
	requireErr(t, path, ErrCorrupt, "said to be free")
}
