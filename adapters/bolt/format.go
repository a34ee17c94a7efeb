package bolt

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/duvotool/duvotool/journal"
	"go.etcd.io/bbolt"
)

// format is the version of what this file describes. Numbers are big-endian.
const format = 1

// The buckets of a database.
var (
	bucketMeta       = []byte("meta")       // keyFormat and keyHead
	bucketRecords    = []byte("records")    // a record's key: encodeRecord
	bucketUnfinished = []byte("unfinished") // the key of a record that is not done: indexed
	bucketDone       = []byte("done")       // time and key of a record that is done: indexed

	keyFormat = []byte("format") // uint32
	keyHead   = []byte("head")   // head.encode

	indexed = []byte{1}
)

// maxData bounds a record's data, in bytes.
const maxData = 16 << 20

type digest = [sha256.Size]byte

// A record is stored as digest, revision, flags, seconds, nanoseconds, data. The
// digest covers the key and all behind it.
const recordHeader = sha256.Size + 8 + 1 + 8 + 4

const flagDone = 1

// encodeRecord encodes a record as of a revision.
func encodeRecord(r journal.Record, revision uint64) []byte {
	b := make([]byte, sha256.Size, recordHeader+len(r.Data))
	b = binary.BigEndian.AppendUint64(b, revision)
	if r.Done {
		b = append(b, flagDone)
	} else {
		b = append(b, 0)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(r.At.Unix()))
	b = binary.BigEndian.AppendUint32(b, uint32(r.At.Nanosecond()))
	b = append(b, r.Data...)
	d := recordDigest([]byte(r.Key), b)
	copy(b, d[:])
	return b
}

func recordDigest(key, value []byte) digest {
	h := sha256.New()
	h.Write([]byte{byte(len(key))})
	h.Write(key)
	h.Write(value[sha256.Size:])
	return digest(h.Sum(nil))
}

// decodeRecord checks a stored record's digest and returns both. The data are
// part of value.
func decodeRecord(key, value []byte) (journal.Record, digest, error) {
	if len(value) < recordHeader || len(key) > 64 {
		return journal.Record{}, digest{}, fmt.Errorf("a record of %d bytes", len(value))
	}
	d := recordDigest(key, value)
	if !bytes.Equal(d[:], value[:sha256.Size]) {
		return journal.Record{}, digest{}, errors.New("a record does not match its checksum")
	}
	v := value[sha256.Size:]
	seconds, nanos := int64(binary.BigEndian.Uint64(v[9:])), binary.BigEndian.Uint32(v[17:])
	r := journal.Record{
		Key:      string(key),
		Revision: binary.BigEndian.Uint64(v),
		Done:     v[8]&flagDone != 0,
		At:       time.Unix(seconds, int64(nanos)).UTC(),
		Data:     value[recordHeader:],
	}
	if err := r.CheckKey(); err != nil {
		return journal.Record{}, digest{}, err
	}
	return r, d, nil
}

// timePrefix sorts as times do, for all that a time.Time can be.
func timePrefix(t time.Time) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 12+64), uint64(t.Unix())^1<<63)
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

// indexEntry names the entry of the one index in which a record is.
func indexEntry(r journal.Record) (bucket, key []byte) {
	if r.Done {
		return bucketDone, append(timePrefix(r.At), r.Key...)
	}
	return bucketUnfinished, []byte(r.Key)
}

// A total is what a database holds: how many records, and the exclusive or of
// their digests.
type total struct {
	count uint64
	sum   digest
}

func (t *total) add(d digest) {
	t.count++
	t.toggle(d)
}

func (t *total) remove(d digest) {
	t.count--
	t.toggle(d)
}

func (t *total) toggle(d digest) {
	for i := range d {
		t.sum[i] ^= d[i]
	}
}

func (t total) append(b []byte) []byte {
	return append(binary.BigEndian.AppendUint64(b, t.count), t.sum[:]...)
}

func readTotal(b []byte) total {
	return total{binary.BigEndian.Uint64(b), digest(b[8:totalSize])}
}

const totalSize = 8 + sha256.Size

// A head says what a database holds as of a generation, and what it held in the
// one before. By bbolt's own number of the transaction that wrote it, it is bound
// to the meta page of that transaction: an older version of any other page shows.
type head struct {
	generation uint64
	txid       uint64
	now        total
	before     total
}

const headSize = 16 + 2*totalSize

func (h head) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, h.generation)
	b = binary.BigEndian.AppendUint64(b, h.txid)
	return seal(h.before.append(h.now.append(b)))
}

func decodeHead(b []byte) (head, error) {
	b, ok := unseal(b)
	if !ok || len(b) != headSize {
		return head{}, errors.New("the head does not match its checksum")
	}
	return head{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), readTotal(b[16:]), readTotal(b[16+totalSize:])}, nil
}

// putHead puts a head in the transaction that it is of.
func putHead(tx *bbolt.Tx, h head) error {
	h.txid = uint64(tx.ID())
	return tx.Bucket(bucketMeta).Put(keyHead, h.encode())
}

// seal appends a checksum.
func seal(b []byte) []byte {
	d := sha256.Sum256(b)
	return append(b, d[:]...)
}

// unseal takes the checksum off and tells whether it is right.
func unseal(b []byte) ([]byte, bool) {
	if len(b) < sha256.Size {
		return nil, false
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	d := sha256.Sum256(body)
	return body, bytes.Equal(d[:], sum)
}
