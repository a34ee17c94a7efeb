package bolt

import (
	"bytes"
	"errors"
	"fmt"
)

// A visit is told each entry of a tree, in order. What it is given is valid
// until it returns.
type visit func(flags uint32, k, v []byte) error

// tree walks all entries of the tree with this root, and checks that their keys
// ascend.
func (c *checker) tree(root uint64, each visit) error {
	w := walker{c: c, each: each}
	return w.page(root, nil, nil, 0)
}

// bucket walks all entries of a bucket, given what is stored under its name.
func (c *checker) bucket(value []byte, each visit) error {
	if len(value) < bucketHeader {
		return fmt.Errorf("a bucket of %d bytes", len(value))
	}
	if root := order.Uint64(value); root != 0 {
		return c.tree(root, each)
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader || order.Uint64(inline) != 0 || order.Uint16(inline[8:]) != flagLeaf || order.Uint32(inline[12:]) != 0 {
		return errors.New("a bucket without its entries")
	}
	w := walker{c: c, each: each}
	return w.leaf(inline, nil, nil)
}

type walker struct {
	c    *checker
	each visit
	last []byte // the key before
}

// page walks a page that begins with the key low and ends below high; nil is any.
// bbolt finds a page in the branch above by its first key: where the two differ,
// reading works and writing destroys.
func (w *walker) page(id uint64, low, high []byte, depth int) error {
	if depth > maxDepth {
		return errors.New("too deep")
	}
	b, err := w.c.page(id, maxTreePage)
	if err != nil {
		return err
	}
	switch order.Uint16(b[8:]) {
	case flagLeaf:
		err = w.leaf(b, low, high)
	case flagBranch:
		err = w.branch(b, low, high, depth)
	default:
		err = errors.New("neither leaf nor branch")
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

// elements returns where a page's elements begin.
func elements(b []byte) (int, error) {
	n := int(order.Uint16(b[10:]))
	if pageHeader+n*elementSize > len(b) {
		return 0, errors.New("too many entries")
	}
	return n, nil
}

// span returns n bytes of b from a position on.
func span(b []byte, from, n uint64) ([]byte, error) {
	if from+n > uint64(len(b)) { // both come from 32 bits: no overflow
		return nil, errors.New("an entry lies outside of its page")
	}
	return b[from : from+n], nil
}

func (w *walker) branch(b, low, high []byte, depth int) error {
	n, err := elements(b)
	if err != nil {
		return err
	}
	if n == 0 {
		return errors.New("a branch without leaves")
	}
	key := func(i int) ([]byte, error) {
		e := pageHeader + i*elementSize
		return span(b, uint64(e)+uint64(order.Uint32(b[e:])), uint64(order.Uint32(b[e+4:])))
	}
	k, err := key(0)
	if err == nil && low != nil && !bytes.Equal(k, low) {
		err = errors.New("a key is out of order")
	}
	for i := range n {
		next := high
		if err == nil && i+1 < n {
			next, err = key(i + 1)
		}
		if err == nil && (len(k) == 0 || high != nil && bytes.Compare(k, high) >= 0) {
			err = errors.New("a key is out of order")
		}
		if err == nil {
			err = w.page(order.Uint64(b[pageHeader+i*elementSize+8:]), k, next, depth+1)
		}
		if err != nil {
			return err
		}
		k = next
	}
	return nil
}

func (w *walker) leaf(b, low, high []byte) error {
	n, err := elements(b)
	if err != nil {
		return err
	}
	if n == 0 && low != nil {
		return errors.New("a leaf without entries below a branch")
	}
	for i := range n {
		e := pageHeader + i*elementSize
		at, size := uint64(e)+uint64(order.Uint32(b[e+4:])), uint64(order.Uint32(b[e+8:]))
		k, err := span(b, at, size)
		if err != nil {
			return err
		}
		v, err := span(b, at+size, uint64(order.Uint32(b[e+12:])))
		if err != nil {
			return err
		}
		if len(k) == 0 || i == 0 && low != nil && !bytes.Equal(k, low) ||
			high != nil && bytes.Compare(k, high) >= 0 || w.last != nil && bytes.Compare(k, w.last) <= 0 {
			return errors.New("a key is out of order")
		}
		w.last = bytes.Clone(k)
		if err := w.each(order.Uint32(b[e:]), k, v); err != nil {
			return err
		}
	}
	return nil
}
