package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/ownfile"
)

// A FileOption changes how a [File] is kept.
type FileOption func(*File) error

// MaxSize continues the file in another one, as [File.Rotate] does, before a record
// that would make it larger than so many bytes. Where that cannot be done the record
// fails, and is tried with the next one again.
func MaxSize(bytes int64) FileOption {
	return func(a *File) error {
		if bytes <= 0 {
			return fmt.Errorf("duvotool: the audit file: a size of %d bytes is none", bytes)
		}
		a.max = bytes
		return nil
	}
}

// Rotate goes on in a new file at the same path, and returns the name of the one
// that is finished: the path, a dot and the number of its last line. The new file
// begins with a record of its own, [Continued], which holds the number and the hash
// of that line, so that [Verify] goes over all of them, see [Open]. A file without
// records stays, and the name is empty.
//
// The path leads to a whole file that is locked all the while, and whatever is
// interrupted loses nothing: it is undone at once, or completed by the next
// [OpenFile]. Where the error matches [ErrUnavailable] it may be tried again.
// Finished files may be moved away once they are no longer read; keep their last
// line's number and hash then. Not on Windows, which renames no file that is open:
// the error matches [errors.ErrUnsupported] there.
func (a *File) Rotate() (finished string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.writable(); err != nil {
		return "", err
	}
	return a.rotate()
}

// own is how many lines of the file tell something: what it begins with does not,
// where it continues another.
func (a *File) own() int64 {
	if a.first > 1 {
		return a.count - a.first
	}
	return a.count
}

// rotate is Rotate. The caller holds a.mu, and the file is writable.
func (a *File) rotate() (string, error) {
	if a.own() == 0 {
		return "", nil
	}
	if runtime.GOOS == "windows" {
		return "", fmt.Errorf("duvotool: the audit file cannot be continued in another on this system: %w", errors.ErrUnsupported)
	}
	path, err := filepath.EvalSymlinks(a.path)
	if err != nil {
		return "", unavailable(err)
	}
	next, err := a.prepare(path + nextSuffix)
	if err != nil {
		return "", err
	}
	return a.exchange(path, next)
}

const nextSuffix = ".next"

// finishedName is where a file is put whose last line has this number.
func finishedName(path string, last int64) string { return fmt.Sprintf("%s.%010d", path, last) }

// prepare makes the file that continues this one, beside it, and locks it.
func (a *File) prepare(name string) (*os.File, error) {
	if err := clearAway(name); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, unavailable(err)
	}
	line, err := encodeLine(a.count+1, a.head, Record{Event: Continued, At: time.Now()})
	if err == nil {
		err = lockOwn(f)
	}
	if err == nil {
		_, err = f.Write(append(line, '\n'))
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = a.step("written")
	}
	if err != nil {
		discard(f)
		return nil, unavailable(err)
	}
	return f, nil
}

func lockOwn(f *os.File) error {
	locked, err := ownfile.TryLock(f)
	if err == nil && !locked {
		err = ErrLocked
	}
	return err
}

func discard(f *os.File) {
	_ = f.Close()
	_ = os.Remove(f.Name())
}

// exchange gives the file its own name and puts the next one in its place.
func (a *File) exchange(path string, next *os.File) (string, error) {
	finished := finishedName(path, a.count)
	err := a.link(path, finished)
	if err == nil {
		err = a.step("linked")
	}
	if err == nil {
		err = os.Rename(next.Name(), path)
	}
	there, err2 := ownfile.StillAt(path, next)
	if err2 != nil || !there { // as before
		a.linked = finished
		_ = a.unlink()
		discard(next)
		if errors.Is(err, errInTheWay) {
			return "", err
		}
		return "", unavailable(errors.Join(err, err2))
	}
	_ = a.f.Close()
	a.linked, a.unsynced = "", true
	if err := a.adopt(next, path); err != nil {
		return "", err
	}
	return finished, a.settle()
}

// link gives the file a second name. That it has it already is what an interrupted
// rotation leaves.
func (a *File) link(path, finished string) error {
	err := os.Link(path, finished)
	if errors.Is(err, os.ErrExist) {
		if there, err2 := ownfile.StillAt(finished, a.f); err2 == nil && there {
			return nil
		}
		return fmt.Errorf("%w: the finished file would be %s; look into what is there, and move it away", errInTheWay, finished)
	}
	return err
}

var errInTheWay = errors.New("duvotool: the audit file cannot be continued in another, because a file is in the way")

// unlink takes the second name off again: under it nobody expects more lines.
func (a *File) unlink() error {
	if a.linked == "" {
		return nil
	}
	if there, err := ownfile.StillAt(a.linked, a.f); err != nil {
		return unavailable(err)
	} else if there {
		if err := os.Remove(a.linked); err != nil {
			return unavailable(err)
		}
	}
	a.linked = ""
	return nil
}

// settle makes a rotation outlive the machine's power: before that nothing is
// written into the new file.
func (a *File) settle() error {
	if !a.unsynced {
		return nil
	}
	err := a.step("renamed")
	if err == nil {
		err = ownfile.SyncFolder(filepath.Dir(a.f.Name()))
	}
	if err != nil {
		return unavailable(err)
	}
	a.unsynced = false
	return nil
}

// clearAway removes what a rotation has left that went no further than to begin. What
// could be anything else stays.
func clearAway(name string) error {
	f, err := os.Open(name)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return unavailable(err)
	}
	defer f.Close()
	begun, err := onlyBegun(f)
	switch {
	case err != nil:
		return fmt.Errorf("duvotool: the audit file: %s: %w", name, err)
	case !begun:
		return fmt.Errorf("%w: %s holds what is not from here; look into it, and move it away", errInTheWay, name)
	}
	if err := os.Remove(name); err != nil {
		return unavailable(err)
	}
	return nil
}

// onlyBegun tells whether a file is one that was to continue another and has no
// records of its own: no line at all, or the first one.
func onlyBegun(f *os.File) (bool, error) {
	end, err := endOfLines(f)
	if err != nil {
		return false, err
	}
	if end == 0 {
		start := make([]byte, len(entryBegins))
		n, err := f.ReadAt(start, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return false, err
		}
		text := string(start[:n])
		return strings.HasPrefix(entryBegins, text) || strings.Trim(text, "\x00") == "", nil
	}
	event := Event("")
	c, err := readLines(io.NewSectionReader(f, 0, end), func(l line) bool {
		if event == "" {
			event = l.record.Event
		}
		return true
	})
	return err == nil && c.count == c.first && event == Continued, nil
}

const entryBegins = `{"seq":`

// resumeRotation completes what a crash has interrupted, or undoes it, before the
// first record.
func (a *File) resumeRotation() error {
	path, err := filepath.EvalSymlinks(a.path)
	if err != nil {
		return fmt.Errorf("duvotool: the audit file: %w", err)
	}
	name := path + nextSuffix
	next, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND, 0)
	if os.IsNotExist(err) {
		a.linked = finishedName(path, a.count)
		return a.unlink()
	}
	if err != nil {
		return fmt.Errorf("duvotool: the audit file: %w", err)
	}
	follows, err := a.followedBy(next)
	if err == nil && follows {
		err = errors.Join(ownfile.Private(next), lockOwn(next))
	}
	if err == nil && follows {
		_, err = a.exchange(path, next)
		return err
	}
	_ = next.Close()
	if err != nil {
		return errtext.Errorf("duvotool: the audit file: %s: %w", name, err)
	}
	a.linked = finishedName(path, a.count)
	return errors.Join(a.unlink(), clearAway(name))
}

// followedBy tells whether a file continues this one where it ends.
func (a *File) followedBy(next *os.File) (bool, error) {
	end, err := endOfLines(next)
	if err != nil || end == 0 {
		return false, err
	}
	follows := false
	_, err = readLines(io.NewSectionReader(next, 0, end), func(l line) bool {
		follows = follows || l.number == a.count+1 && l.prev == a.head
		return true
	})
	return err == nil && follows && a.count > 0, nil
}
