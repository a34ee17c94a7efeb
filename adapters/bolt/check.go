package bolt

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// A state is what check found in a database.
type state struct {
	head        head
	txid        uint64 // bbolt's own count of transactions
	metaDamaged bool   // one of the two meta pages is not whole
	pages, free uint64 // how many there are, and how many of them are unused
}

// check reads a whole database and tells what is wrong with it. It reads the file
// instead of mapping it, follows no number that it has not bounded, and visits no
// page twice: bbolt itself dies of a cycle among its pages, and of most other
// damage. It reads version 2 of bbolt's format, which is in the machine's byte
// order.
func check(f io.ReaderAt, size int64) (state, error) {
	c := checker{f: f, size: size}
	if err := c.readMeta(); err != nil {
		return state{}, err
	}
	c.used = make([]bool, c.pages)
	c.used[0], c.used[1] = true, true

	buckets := map[string][]byte{}
	err := c.tree(c.root, func(flags uint32, k, v []byte) error {
		if flags != flagBucket {
			return errors.New("an entry outside of all buckets")
		}
		buckets[string(k)] = bytes.Clone(v)
		return nil
	})
	if err != nil {
		return state{}, err
	}
	if err := c.readHead(buckets); err != nil {
		return state{}, err
	}
	if c.head.txid != c.txid {
		return state{}, errors.New("its head is of another transaction than its meta page: a page is older, or another program wrote to it")
	}
	if err := c.readRecords(buckets); err != nil {
		return state{}, err
	}
	return c.state, c.readFree()
}

// bbolt's numbers. Positions are counted in bytes from the start of what holds
// them.
const (
	pageSize      = 4096 // of the databases that we make, whatever the machine's
	pageHeader    = 16   // id uint64, flags, count uint16, overflow uint32
	elementSize   = 16
	bucketHeader  = 16 // root page uint64, sequence uint64
	metaChecksum  = 56
	metaMagic     = 0xED0CDAED
	metaVersion   = 2
	flagBranch    = 1
	flagLeaf      = 2
	flagMeta      = 4
	flagFreelist  = 16
	flagBucket    = 1 // of an element
	maxDepth      = 64
	noFreelist    = 1<<64 - 1
	maxPages      = 1 << 36 // 256 TiB
	manyFreePages = 0xffff  // then the first of them is their number
)

var order = binary.NativeEndian

type checker struct {
	state
	f        io.ReaderAt
	size     int64
	root     uint64
	freelist uint64
	used     []bool
}

// readMeta finds the newest whole meta page, as bbolt does.
func (c *checker) readMeta() error {
	if c.size < 2*pageSize {
		return fmt.Errorf("it has %d bytes: it is empty, was cut, or is no journal", c.size)
	}
	whole := 0
	var txids [2]uint64
	for i := range txids {
		b := make([]byte, pageHeader+metaChecksum+8)
		if _, err := c.f.ReadAt(b, int64(i)*pageSize); err != nil {
			return err
		}
		m := b[pageHeader:]
		h := fnv.New64a()
		_, _ = h.Write(m[:metaChecksum])
		txid := order.Uint64(m[48:])
		if order.Uint64(b) != uint64(i) || order.Uint16(b[8:]) != flagMeta ||
			order.Uint32(m) != metaMagic || order.Uint32(m[4:]) != metaVersion || order.Uint32(m[8:]) != pageSize ||
			order.Uint64(m[metaChecksum:]) != h.Sum64() || txid%2 != uint64(i) {
			continue
		}
		whole++
		txids[i] = txid
		if whole == 1 || txid > c.txid {
			c.root, c.freelist, c.pages, c.txid = order.Uint64(m[16:]), order.Uint64(m[32:]), order.Uint64(m[40:]), txid
		}
	}
	switch {
	case whole == 0:
		return errors.New("neither of its meta pages is whole, or it is no journal")
	case whole == 2 && txids[0]+txids[1] != 2*c.txid-1:
		return errors.New("its meta pages do not follow one another")
	case c.pages < 3 || c.pages > maxPages || int64(c.pages)*pageSize > c.size:
		return fmt.Errorf("it has %d bytes, too few for its %d pages: it was cut", c.size, c.pages)
	}
	c.metaDamaged = whole == 1
	return nil
}

// maxTreePage bounds a page of a tree with what overflows from it: bbolt keeps at
// least two entries together and at most four of any size, and a bucket's inline
// entries are small.
const maxTreePage = 5 * (maxData + pageSize)

// page reads a page with those that overflow from it, up to a size in bytes, and
// marks them as used.
func (c *checker) page(id, limit uint64) ([]byte, error) {
	if id < 2 || id >= c.pages {
		return nil, fmt.Errorf("page %d of %d", id, c.pages)
	}
	b := make([]byte, pageSize)
	if _, err := c.f.ReadAt(b, int64(id)*pageSize); err != nil {
		return nil, err
	}
	n := 1 + uint64(order.Uint32(b[12:]))
	if order.Uint64(b) != id || n > c.pages-id || n > 1 && n*pageSize > limit {
		return nil, fmt.Errorf("page %d has a wrong header", id)
	}
	for i := id; i < id+n; i++ {
		if c.used[i] {
			return nil, fmt.Errorf("page %d is used twice", i)
		}
		c.used[i] = true
	}
	if n > 1 {
		b = append(b, make([]byte, (n-1)*pageSize)...)
		if _, err := c.f.ReadAt(b[pageSize:], int64(id+1)*pageSize); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// readHead reads the bucket meta, and refuses newer formats before anything else
// may look odd because of them.
func (c *checker) readHead(buckets map[string][]byte) error {
	entries := map[string][]byte{}
	err := c.bucket(buckets[string(bucketMeta)], func(flags uint32, k, v []byte) error {
		if flags != 0 {
			return errors.New("a bucket inside")
		}
		entries[string(k)] = bytes.Clone(v)
		return nil
	})
	if err != nil {
		return fmt.Errorf("the bucket meta: %w", err)
	}
	f := entries[string(keyFormat)]
	if len(f) != 4 {
		return errors.New("it has no format: it is no journal")
	}
	if v := binary.BigEndian.Uint32(f); v > format {
		return newer(v)
	} else if v < 1 {
		return fmt.Errorf("it has the unknown format %d", v)
	}
	c.head, err = decodeHead(entries[string(keyHead)])
	return err
}

// readRecords checks that the records are those that the head tells of, and that
// each is in the one index where it belongs.
func (c *checker) readRecords(buckets map[string][]byte) error {
	var records, want, have total
	visits := map[string]visit{
		string(bucketRecords): func(_ uint32, k, v []byte) error {
			r, d, err := decodeRecord(k, v)
			if err != nil {
				return err
			}
			records.add(d)
			want.add(indexDigest(indexEntry(r)))
			return nil
		},
		string(bucketUnfinished): func(_ uint32, k, _ []byte) error {
			have.add(indexDigest(bucketUnfinished, k))
			return nil
		},
		string(bucketDone): func(_ uint32, k, _ []byte) error {
			have.add(indexDigest(bucketDone, k))
			return nil
		},
	}
	if len(buckets) != len(visits)+1 {
		return fmt.Errorf("it has %d buckets", len(buckets))
	}
	for name, each := range visits {
		err := c.bucket(buckets[name], func(flags uint32, k, v []byte) error {
			if flags != 0 {
				return errors.New("a bucket where a record belongs")
			}
			return each(flags, k, v)
		})
		if err != nil {
			return fmt.Errorf("the bucket %s: %w", name, err)
		}
	}
	if records != c.head.now {
		return fmt.Errorf("it has %d records, but not the %d that were put", records.count, c.head.now.count)
	}
	if want != have {
		return errors.New("its indexes do not fit its records")
	}
	return nil
}

func indexDigest(bucket, key []byte) digest {
	return sha256.Sum256(append(append([]byte(nil), bucket...), key...))
}

// readFree checks that exactly those pages are free that nothing uses: one that
// is both would be overwritten.
func (c *checker) readFree() error {
	if c.freelist == noFreelist {
		return errors.New("it has no list of free pages")
	}
	b, err := c.page(c.freelist, 8*c.pages+2*pageSize)
	if err != nil {
		return fmt.Errorf("the list of free pages: %w", err)
	}
	if order.Uint16(b[8:]) != flagFreelist {
		return errors.New("the list of free pages is none")
	}
	n, ids := uint64(order.Uint16(b[10:])), b[pageHeader:]
	if n == manyFreePages {
		n, ids = order.Uint64(ids), ids[8:]
	}
	if n > uint64(len(ids)/8) {
		return errors.New("the list of free pages is too long")
	}
	for i := range n {
		id := order.Uint64(ids[8*i:])
		if id >= c.pages || c.used[id] {
			return fmt.Errorf("page %d is said to be free", id)
		}
		c.used[id] = true
	}
	c.free = n
	for id, used := range c.used {
		if !used {
			return fmt.Errorf("page %d is neither used nor free", id)
		}
	}
	return nil
}
