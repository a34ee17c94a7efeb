package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/ownfile"
)

// Record adds a line and returns once it is on disk. See [File] for what its
// errors match.
func (a *File) Record(_ context.Context, r Record) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	line, head, err := a.lineOf(r)
	if err != nil {
		return err
	}
	if err := a.writable(); err != nil {
		return err
	}
	if a.max > 0 && a.end+int64(len(line))+1 > a.max && a.own() > 0 {
		if _, err := a.rotate(); err != nil {
			return err
		}
		if line, head, err = a.lineOf(r); err != nil {
			return err
		}
	}
	if err := a.write(append(line, '\n')); err != nil {
		return err
	}
	next := a.end + int64(len(line)) + 1
	if err := a.here(next); err != nil { // it was written to what nobody will look at, or not behind the last line
		a.spoil()
		return err
	}
	a.last, a.end = a.end, next
	a.head, a.count, a.first = head, a.count+1, max(a.first, 1)
	return nil
}

// lineOf is the next line, without its end, and its hash.
func (a *File) lineOf(r Record) (line []byte, hash string, err error) {
	line, err = encodeLine(a.count+1, a.head, r)
	if err == nil && len(line) > maxLine {
		err = fmt.Errorf("an audit record of %d bytes is too large", len(line))
	}
	if err == nil {
		_, hash, err = decodeLine(line)
	}
	return line, hash, err
}

// Ready tells whether the file can be written; see [Prober].
func (a *File) Ready(context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	failed := a.dirty
	if err := a.writable(); err != nil || !failed {
		return err
	}
	// As much as a record takes, of what an opener takes for a crash's rest.
	if err := a.write(make([]byte, probeSize)); err != nil {
		return err
	}
	a.dirty = true
	return a.writable()
}

const probeSize = 16 << 10 // bytes

// writable takes off what an earlier attempt has left, and makes sure that the
// file is the one it was. The caller holds a.mu.
func (a *File) writable() error {
	if a.over != nil {
		return a.over
	}
	if err := errors.Join(a.unlink(), a.settle()); err != nil {
		return err
	}
	if !a.dirty {
		return a.here(a.end)
	}
	if err := a.here(unknownSize); err != nil {
		return err
	}
	if err := a.clean(); err != nil {
		return err
	}
	a.dirty = false
	return nil
}

const unknownSize = -1

// here tells whether the file still lies at its path, and has so many bytes: one that
// was cut in place, as a rotation does that copies and truncates, has lost its lines,
// and what is appended would not follow them.
func (a *File) here(size int64) error {
	there, err := ownfile.StillAt(a.path, a.f)
	switch {
	case err != nil:
		return unavailable(err)
	case !there:
		return fmt.Errorf("duvotool: the audit file %s was removed or replaced while it was open: put it back, or open the new one", a.path)
	}
	if size == unknownSize {
		return nil
	}
	info, err := a.disk.Stat()
	if err != nil {
		return unavailable(err)
	}
	if info.Size() != size {
		return a.changed()
	}
	return nil
}

func (a *File) changed() error {
	return fmt.Errorf("duvotool: the audit file %s was changed by somebody else while it was open", a.path)
}

// write writes behind the last line and syncs; after a failure nothing of it
// stays, now or before the next record.
func (a *File) write(b []byte) error {
	_, err := a.disk.Write(b)
	if err == nil {
		err = a.disk.Sync()
	}
	if err != nil {
		a.spoil()
		return unavailable(err)
	}
	return nil
}

// spoil notes that something may stand behind the end, and tries to take it off,
// so that others who read the file find whole lines. It is looked at again before
// the next record all the same.
func (a *File) spoil() {
	a.dirty = true
	_ = a.clean()
}

// clean cuts the file behind its last line, which must stand there as it was
// written.
func (a *File) clean() error {
	info, err := a.disk.Stat()
	if err != nil {
		return unavailable(err)
	}
	changed := info.Size() < a.end
	if !changed && a.count > 0 {
		line := make([]byte, a.end-a.last)
		if _, err := a.disk.ReadAt(line, a.last); err != nil {
			return unavailable(err)
		}
		line, whole := bytes.CutSuffix(line, []byte("\n"))
		_, head, err := decodeLine(line)
		changed = !whole || err != nil || head != a.head
	}
	if changed {
		return a.changed()
	}
	if info.Size() > a.end {
		if err := a.unfinished(a.end); err != nil {
			return fmt.Errorf("duvotool: the audit file %s: %w", a.path, err)
		}
		if err := a.disk.Truncate(a.end); err != nil {
			return unavailable(err)
		}
	}
	if err := a.disk.Sync(); err != nil {
		return unavailable(err)
	}
	return nil
}

func unavailable(err error) error { return errtext.Errorf("%w: %w", ErrUnavailable, err) }
