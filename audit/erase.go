package audit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/ownfile"
)

// An Erasure says whose texts are to be erased, by whom and why.
type Erasure struct {
	By     string            // who erases; needed
	Reason string            // such as the number of the request to erase; needed
	Match  func(Record) bool // whether a record is meant; see [Filter.Match]. Needed
}

// Erase takes the texts off the records that match: the title, the reason, the error, the
// answers, the proofs and the request. What stays is who decided what, when, and how, and
// the digests of what was decided about, so that no decision can be hidden by it. The
// chain holds: [Verify] takes a line without its texts for whole where a record of the
// event [Erased] behind it names it, and for damaged where none does. That record is
// written here, before anything is taken away.
//
// It returns how many lines were erased, and the numbers of those that match and cannot
// be: lines that an earlier release has written, whose texts the chain goes over. They
// are erased by removing the finished files that hold them, once those are old enough.
//
// The file is continued in another one first, as [File.Rotate] does, and the finished
// ones are written anew where they lie; whoever has one open reads on in what was there.
// What is interrupted is done by erasing once more. Copies elsewhere, and what the disk
// keeps of files that are gone, are not reached.
func (a *File) Erase(ctx context.Context, e Erasure) (erased int, whole []int64, err error) {
	if hitl.PersonKey(e.By) == "" || e.Reason == "" || e.Match == nil {
		return 0, nil, errors.New("duvotool: erasing from the audit: By, Reason and Match are needed")
	}
	a.erasing.Lock()
	defer a.erasing.Unlock()
	if _, err := a.Rotate(); err != nil {
		return 0, nil, err
	}
	finished, err := a.finished()
	if err != nil {
		return 0, nil, err
	}
	marked := map[string]map[int64]bool{} // lines, by file
	var lines []int64
	for _, path := range finished {
		found, kept, err := marks(path, e.Match)
		if err != nil {
			return 0, nil, err
		}
		whole = append(whole, kept...)
		if len(found) > 0 {
			marked[path] = found
			lines = append(lines, slices.Sorted(maps.Keys(found))...)
		}
	}
	if len(lines) == 0 {
		return 0, whole, nil
	}
	if err := a.Record(ctx, Record{Event: Erased, At: time.Now(), By: e.By, Reason: e.Reason, Source: hitl.SourcePerson, Lines: lines}); err != nil {
		return 0, whole, err
	}
	for path, which := range marked {
		if err := strip(path, which); err != nil {
			return erased, whole, err
		}
		erased += len(which)
	}
	return erased, whole, nil
}

// finished returns the files that this one continues, the oldest first.
func (a *File) finished() ([]string, error) {
	r, err := Open(a.path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []string
	for _, p := range r.(*set).parts {
		out = append(out, p.file.Name())
	}
	return out[:max(len(out)-1, 0)], nil
}

// marks reads a finished file, and returns the lines that match and have texts, and those
// that match and have texts that cannot be taken off.
func marks(path string, match func(Record) bool) (found map[int64]bool, whole []int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, unavailable(err)
	}
	defer f.Close()
	found = map[int64]bool{}
	_, err = readLines(f, func(l line) bool {
		switch {
		case l.erased || !l.record.hasTexts() || !match(l.record):
		case l.sealed:
			found[l.number] = true
		default:
			whole = append(whole, l.number)
		}
		return true
	})
	if err != nil {
		return nil, nil, fmt.Errorf("%w (%s)", err, path)
	}
	return found, whole, nil
}

func (r Record) hasTexts() bool {
	return r.Title != "" || r.Reason != "" || r.Error != "" || len(r.Answers)+len(r.Proofs) > 0 || r.Request != nil
}

// strip writes a finished file anew, without the texts of some lines.
func strip(path string, which map[int64]bool) error {
	in, err := os.Open(path)
	if err != nil {
		return unavailable(err)
	}
	defer in.Close()
	name := path + ".erasing"
	if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
		return unavailable(err)
	}
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return unavailable(err)
	}
	err = errors.Join(stripped(out, in, which), out.Sync(), out.Close())
	if err == nil {
		err = os.Rename(name, path)
	}
	if err != nil {
		_ = os.Remove(name)
		return errtext.Errorf("duvotool: erasing from the audit file %s: %w", path, err)
	}
	return ownfile.SyncFolder(filepath.Dir(path))
}

// stripped copies lines.
func stripped(out io.Writer, in io.Reader, which map[int64]bool) error {
	w := bufio.NewWriterSize(out, 64<<10)
	var failed error
	_, err := readLines(in, func(l line) bool {
		text := l.text
		if which[l.number] {
			var e entry
			if e, _, failed = decodeLine(text); failed == nil {
				text, _ = headOf(text, e.Texts)
			}
		}
		if failed == nil {
			_, failed = w.Write(append(bytes.Clone(text), '\n'))
		}
		return failed == nil
	})
	return errors.Join(err, failed, w.Flush())
}

// bareLines are lines without their texts, as far as no record tells that they were
// erased.
type bareLines struct{ of map[int64]bool }

func (b *bareLines) note(l line) {
	if l.record.Event == Erased {
		for _, n := range l.record.Lines {
			delete(b.of, n)
		}
	}
	if l.erased {
		if b.of == nil {
			b.of = map[int64]bool{}
		}
		b.of[l.number] = true
	}
}

// unexplained returns the first of them; zero: there is none.
func (b *bareLines) unexplained() int64 {
	first := int64(0)
	for n := range b.of {
		if first == 0 || n < first {
			first = n
		}
	}
	return first
}
