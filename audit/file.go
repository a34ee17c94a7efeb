package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/duvotool/duvotool/internal/ownfile"
)

// A File keeps audit records as lines of JSON, each of which holds the
// hash of the line before it: a line that is changed, left out or put in shows.
// The hashes have no key: lines cut off at the end, a last line that was changed, or
// a file that somebody who may write to it has computed anew, show only against a
// [File.Head] that was kept elsewhere; give it to [Verify].
//
// Where a record cannot be written, its error matches [ErrUnavailable], what was
// written of it is taken off again, and the next one is tried anew: after a full
// disk the file works again by itself. A file that was removed, replaced or
// changed under its opener takes no records; its errors tell so, and do not match
// ErrUnavailable. Put back, it goes on. All methods may be called at once.
//
// A file that has grown large is continued in another one, see [File.Rotate] and
// [MaxSize]. The chain goes on over all of them.
type File struct {
	erasing sync.Mutex // held while texts are erased; never taken with mu held

	mu    sync.Mutex
	path  string   // absolute
	f     *os.File // the one that is locked
	disk  disk     // f, but for tests
	end   int64    // where the last line ends, in bytes
	last  int64    // where it begins
	head  string   // hash of the last line; empty before the first
	count int64    // lines, with those of the files before it
	first int64    // the number of its first line
	dirty bool     // something may stand behind the end
	over  error    // the file is closed

	max      int64              // bytes, after which it is continued in another; zero: never
	unsynced bool               // a rotation is not known to outlive the machine's power
	linked   string             // a second name that the file must not have; empty: none
	step     func(string) error // of a rotation; for tests
}

var _ Prober = (*File)(nil)

// A disk is what a File does with its file.
type disk interface {
	io.Writer // at its end
	io.ReaderAt
	Sync() error
	Truncate(size int64) error
	Stat() (os.FileInfo, error)
}

// maxLine bounds a line, in bytes.
const maxLine = 32 << 20

// ErrLocked is an audit file that another process, or another [File] of
// this one, has open.
var ErrLocked = errors.New("duvotool: the audit file is open elsewhere")

// OpenFile opens an audit file to add to, or makes it, readable by its
// owner alone. One opener has it at a time: while it is open elsewhere, under
// another name too, the error matches [ErrLocked]. A file whose lines do not
// follow one another is refused. A last line without its end is taken off: a
// crash left it, and no Record returned for it, so nothing was sent on its
// strength.
//
// A file that others can read is made the owner's alone; one that others can
// write to is refused until somebody has looked into it and changed its mode.
// Its folder is not looked at: who may write there can exchange the file, which
// shows against a [File.Head] that was kept elsewhere. A system without file
// locks is refused with [errors.ErrUnsupported].
//
// A rotation that a crash has interrupted is completed, see [File.Rotate].
func OpenFile(path string, opts ...FileOption) (*File, error) {
	bad := func(err error) error { return fmt.Errorf("duvotool: the audit file: %w", err) }
	_, err := os.Stat(path)
	fresh := os.IsNotExist(err)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, bad(err)
	}
	a := &File{f: f, disk: f, step: func(string) error { return nil }}
	if a.path, err = filepath.Abs(path); err != nil {
		_ = f.Close()
		return nil, bad(err)
	}
	for _, o := range opts {
		if err == nil {
			err = o(a)
		}
	}
	if err == nil {
		err = a.open(path)
	}
	if err == nil {
		err = a.resumeRotation()
	}
	if err != nil {
		_ = a.f.Close()
		return nil, err
	}
	if fresh {
		if err := ownfile.SyncFolder(filepath.Dir(path)); err != nil {
			_ = a.f.Close()
			return nil, bad(err)
		}
	}
	return a, nil
}

// open takes the file for this opener alone, and reads it. Nothing in it is
// changed before all of it was found to be in order.
func (a *File) open(path string) error {
	bad := func(err error) error { return fmt.Errorf("duvotool: the audit file: %w", err) }
	if err := ownfile.Private(a.f); err != nil {
		return bad(err)
	}
	locked, err := ownfile.TryLock(a.f)
	if err != nil {
		return bad(fmt.Errorf("locking %s: %w", path, err))
	}
	if !locked {
		return fmt.Errorf("%w: another process, or another part of this one, writes to %s; give each process a file of its own", ErrLocked, path)
	}
	if there, err := ownfile.StillAt(path, a.f); err != nil || !there {
		return bad(errors.Join(fmt.Errorf("%s was exchanged while it was opened", path), err))
	}
	if err := a.adopt(a.f, path); err != nil {
		return err
	}
	if err := a.unfinished(a.end); err != nil {
		return bad(fmt.Errorf("%s: %w", path, err))
	}
	if info, err := a.f.Stat(); err != nil || info.Size() == a.end {
		return err
	}
	if err := a.f.Truncate(a.end); err != nil {
		return bad(err)
	}
	return nil
}

// adopt reads a file and makes it the one that is written to.
func (a *File) adopt(f *os.File, path string) error {
	a.f, a.disk = f, f
	end, err := endOfLines(f)
	if err != nil {
		return fmt.Errorf("duvotool: the audit file: %w", err)
	}
	a.end, a.last = end, 0
	c, err := readLines(io.NewSectionReader(f, 0, end), func(l line) bool {
		a.last = end - l.size
		return true
	})
	if err != nil {
		return fmt.Errorf("%w (%s)", err, path)
	}
	a.head, a.count, a.first = c.head, c.count, c.first
	return nil
}

// unfinished tells what is wrong with what stands behind the last line: it may be
// the beginning of the next one, or zeros, as a crash leaves it. Anything else is
// somebody else's file, which must not be cut.
func (a *File) unfinished(end int64) error {
	want := fmt.Appendf(nil, `{"seq":%d,"prev":%q,`, a.count+1, a.head)
	tail := make([]byte, len(want))
	n, err := a.disk.ReadAt(tail, end)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if tail = tail[:n]; !bytes.HasPrefix(want, tail) && len(bytes.Trim(tail, "\x00")) > 0 {
		return errors.New("what stands behind its last line break is no audit record")
	}
	return nil
}

// endOfLines returns where the file's last line break ends: zero if there is none.
func endOfLines(f *os.File) (end int64, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	buf := make([]byte, 64<<10)
	for end = info.Size(); end > 0; {
		from := max(0, end-int64(len(buf)))
		part := buf[:end-from]
		if _, err := f.ReadAt(part, from); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		end = from
	}
	return 0, nil
}

// Head returns how many lines the file has, with those of the files that it
// continues, and the hash of the last one.
func (a *File) Head() (count int64, hash string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count, a.head
}

// Close closes the file. Later records fail.
func (a *File) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dirty && a.over == nil {
		_ = a.clean() // the next opener does it else
	}
	if a.over == nil {
		a.over = errors.New("duvotool: the audit file is closed")
	}
	return a.f.Close()
}
