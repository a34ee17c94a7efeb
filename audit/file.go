package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/ownfile"
)

// An File keeps audit records as lines of JSON, each of which holds the
// hash of the line before it: a line that is changed, left out or put in shows.
// Lines cut off at the end, or a whole file that was exchanged, show only
// against a [File.Head] that was kept elsewhere; give it to [Verify].
//
// Where a record cannot be written, its error matches [ErrUnavailable], what was
// written of it is taken off again, and the next one is tried anew: after a full
// disk the file works again by itself. A file that was removed, replaced or
// changed under its opener takes no records; its errors tell so, and do not match
// ErrUnavailable. Put back, it goes on. All methods may be called at once.
type File struct {
	mu    sync.Mutex
	path  string   // absolute
	f     *os.File // the one that is locked
	disk  disk     // f, but for tests
	end   int64    // where the last line ends, in bytes
	last  int64    // where it begins
	head  string   // hash of the last line; empty before the first
	count int64
	dirty bool  // something may stand behind the end
	over  error // the file is closed
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

type entry struct {
	Seq  int64  `json:"seq"`
	Prev string `json:"prev"` // the hash of the line before; empty in the first
	Record
}

// maxAuditLine bounds a line, in bytes.
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
func OpenFile(path string) (*File, error) {
	bad := func(err error) error { return fmt.Errorf("duvotool: the audit file: %w", err) }
	_, err := os.Stat(path)
	fresh := os.IsNotExist(err)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, bad(err)
	}
	a := &File{f: f, disk: f}
	if a.path, err = filepath.Abs(path); err != nil {
		_ = f.Close()
		return nil, bad(err)
	}
	if err := a.open(path); err != nil {
		_ = f.Close()
		return nil, err
	}
	if fresh {
		if err := ownfile.SyncFolder(filepath.Dir(path)); err != nil {
			_ = f.Close()
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
	end, err := endOfLines(a.f)
	if err != nil {
		return bad(err)
	}
	a.end = end
	a.head, a.count, err = readLines(io.NewSectionReader(a.f, 0, end), func(l line) bool {
		a.last = end - l.size
		return true
	})
	if err != nil {
		return fmt.Errorf("%w (%s)", err, path)
	}
	if err := a.unfinished(end); err != nil {
		return bad(fmt.Errorf("%s: %w", path, err))
	}
	if info, err := a.f.Stat(); err != nil || info.Size() == end {
		return err
	}
	if err := a.f.Truncate(end); err != nil {
		return bad(err)
	}
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

// Head returns how many lines the file has and the hash of the last one.
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

// Verify reads an audit file and tells whether each line follows the one
// before. It returns how many lines there are and the hash of the last. Where a
// count and hash from an earlier [File.Head] are given (count zero: none),
// the file must still hold that line: otherwise its tail was cut, or it is
// another file.
func Verify(r io.Reader, count int64, hash string) (lines int64, last string, err error) {
	seen := count == 0
	last, lines, err = readLines(r, func(l line) bool {
		seen = seen || l.number == count && l.hash == hash
		return true
	})
	if err == nil && !seen {
		err = fmt.Errorf("duvotool: the audit file does not hold its line %d as it was: it was cut or exchanged", count)
	}
	return lines, last, err
}

var errBreaksOff = errors.New("duvotool: the audit file breaks off")

// A line is one of a file, as it was read.
type line struct {
	number int64
	hash   string
	size   int64 // bytes, with its end
	record Record
}

// readLines tells each line, until each returns false.
func readLines(r io.Reader, each func(line) bool) (head string, count int64, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		text, err := readLine(in)
		if errors.Is(err, io.EOF) && len(text) == 0 {
			return head, count, nil
		}
		if err != nil {
			return "", 0, errtext.Errorf("%w in line %d", errBreaksOff, count+1)
		}
		var l entry
		if err := json.Unmarshal(text, &l); err != nil {
			return "", 0, fmt.Errorf("duvotool: the audit file: line %d: %w", count+1, err)
		}
		if l.Seq != count+1 || l.Prev != head {
			return "", 0, fmt.Errorf("duvotool: the audit file: line %d does not follow the one before: something was changed, left out or put in", count+1)
		}
		head = hashLine(text)
		count++
		if !each(line{count, head, int64(len(text) + 1), l.Record}) {
			return head, count, nil
		}
	}
}

// readLine reads a bounded line without its end. A last line without an end is
// io.EOF with what there is.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(line, []byte("\n")), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		case len(line) > maxLine:
			return line, errors.New("too long")
		}
	}
}

func hashLine(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}
