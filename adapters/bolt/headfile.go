package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// The head file: two slots of slotSize, of which the first bytes count: magic,
// format, generation, total, checksum. A slot is a disk block of its own, so that
// a torn write leaves the other one whole.
const (
	slotSize  = 4096
	slotBody  = len(slotMagic) + 4 + 8 + totalSize
	slotMagic = "duvohead"
)

type slot struct {
	generation uint64
	now        total
}

func (s slot) encode() []byte {
	b := binary.BigEndian.AppendUint32([]byte(slotMagic), format)
	b = binary.BigEndian.AppendUint64(b, s.generation)
	return append(seal(s.now.append(b)), make([]byte, slotSize-slotBody-len(digest{}))...)
}

// slots are those of a head file; nil is one that is not whole.
type slots [2]*slot

// newest returns the slot of the newest generation; nil if none is whole.
func (s slots) newest() *slot {
	if s[0] == nil || s[1] != nil && s[1].generation > s[0].generation {
		return s[1]
	}
	return s[0]
}

// readSlots reads a head file. What is damaged is left out; the error is for
// what cannot be a damaged slot.
func readSlots(f io.ReaderAt) (slots, error) {
	var s slots
	for i := range s {
		b := make([]byte, slotBody+len(digest{}))
		if _, err := f.ReadAt(b, int64(i)*slotSize); errors.Is(err, io.EOF) {
			continue
		} else if err != nil {
			return s, err
		}
		b, ok := unseal(b)
		if !ok || string(b[:len(slotMagic)]) != slotMagic {
			continue
		}
		b = b[len(slotMagic):]
		if v := binary.BigEndian.Uint32(b); v > format {
			return s, newer(v)
		} else if v < 1 {
			continue
		}
		g := binary.BigEndian.Uint64(b[4:])
		if g%2 == uint64(i) { // otherwise it was written to the wrong place
			s[i] = &slot{g, readTotal(b[12:])}
		}
	}
	return s, nil
}

// compare tells whether the database may stand where it stands, given its head
// file. The package's documentation has the rules.
func (s slots) compare(st state) error {
	h, d := s.newest(), st.head.generation
	damaged := s[0] == nil || s[1] == nil
	switch {
	case h == nil && d == 1 && !st.metaDamaged:
		return nil
	case h == nil:
		return errors.New("the head file is missing or damaged")
	case !damaged && s[0].generation+s[1].generation != 2*h.generation-1:
		return errors.New("the head file's slots do not follow one another")
	case d < h.generation:
		return fmt.Errorf("the head file tells of generation %d, but the database ends with %d: what was put last is lost", h.generation, d)
	case d > h.generation+1:
		return fmt.Errorf("the head file ends with generation %d, but the database with %d: it is another database's, or older", h.generation, d)
	case d == h.generation && h.now != st.head.now, d == h.generation+1 && h.now != st.head.before:
		return errors.New("the head file tells of other records than the database holds")
	case d == h.generation && damaged && st.metaDamaged:
		return errors.New("the head file and the database are both damaged: what was put last may be lost")
	}
	return nil
}

// heal writes the slots that are not as the database's head says, the older one
// last.
func (s slots) heal(f *os.File, h head) error {
	for _, want := range []slot{{h.generation, h.now}, {h.generation - 1, h.before}} {
		if have := s[want.generation%2]; have != nil && *have == want {
			continue
		}
		if err := writeSlot(f, want); err != nil {
			return err
		}
	}
	return nil
}

// writeSlot writes a slot and returns once it is on disk.
func writeSlot(f *os.File, s slot) error {
	if _, err := f.WriteAt(s.encode(), int64(s.generation%2)*slotSize); err != nil {
		return err
	}
	return datasync(f)
}
