package audit

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// Open opens an audit to be read as one, by [Read] or [Verify]: the files that are
// named, and those that they continue as far as they are where [File.Rotate] has put
// them, the oldest first. So the path of the [File] is enough. They may be given in
// any order, and one that is named twice is read once; it may be open for writing. What
// is returned is an [io.Seeker] too, for [Position.ReadOn].
func Open(paths ...string) (io.ReadCloser, error) {
	var s set
	for _, p := range paths {
		if err := s.add(p); err != nil {
			_ = s.Close()
			return nil, fmt.Errorf("duvotool: the audit file: %w", err)
		}
	}
	slices.SortStableFunc(s.parts, func(a, b part) int { return int(min(max(a.first-b.first, -1), 1)) })
	for i, p := range s.parts {
		if i > 0 && p.first == s.parts[i-1].first && p.first != unread {
			_ = s.Close()
			return nil, fmt.Errorf("duvotool: the audit files %s and %s both begin with line %d: they are not of one audit", s.parts[i-1].file.Name(), p.file.Name(), p.first)
		}
	}
	return &s, nil
}

// A set is the files of an audit, as one.
type set struct {
	parts []part
	at    int // which is read
}

var _ io.ReadSeekCloser = (*set)(nil)

// Read reads on in the file that is read, and then in the next.
func (s *set) Read(b []byte) (int, error) {
	for s.at < len(s.parts) {
		n, err := s.parts[s.at].file.Read(b)
		if n > 0 || !errors.Is(err, io.EOF) || s.at == len(s.parts)-1 { // the last one may grow
			return n, err
		}
		s.at++
		if _, err := s.parts[s.at].file.Seek(0, io.SeekStart); err != nil {
			return 0, err
		}
	}
	return 0, io.EOF
}

// Seek goes to a place that is counted from the beginning of the first file. A finished
// file does not change any more.
func (s *set) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekStart || offset < 0 {
		return 0, errors.New("an audit can be sought in from its beginning only")
	}
	rest := offset
	for i, p := range s.parts {
		if size := p.info.Size(); rest >= size && i < len(s.parts)-1 {
			rest -= size
			continue
		}
		s.at = i
		_, err := p.file.Seek(rest, io.SeekStart)
		return offset, err
	}
	return offset, nil
}

type part struct {
	file  *os.File
	info  os.FileInfo
	first int64 // the number of its first line
}

const unread = math.MaxInt64 // the first of a file that has none that can be read: it comes last

// finished is what the name of a finished file has at its end.
var finished = regexp.MustCompile(`\.\d{10}$`)

// add opens a file and those before it. One that is there already is left out.
func (s *set) add(path string) error {
	path, err := filepath.EvalSymlinks(path)
	for base := finished.ReplaceAllString(path, ""); err == nil; {
		var f *os.File
		if f, err = os.Open(path); err != nil {
			break
		}
		p := part{file: f, first: unread}
		if p.info, err = f.Stat(); err == nil && !p.info.Mode().IsRegular() {
			err = fmt.Errorf("%s is not a regular file", path)
		}
		if err == nil && !slices.ContainsFunc(s.parts, func(q part) bool { return os.SameFile(p.info, q.info) }) {
			p.begin()
		} else {
			return errors.Join(err, f.Close())
		}
		if s.parts = append(s.parts, p); p.first <= 1 || p.first == unread {
			return nil
		}
		path = finishedName(base, p.first-1)
		if _, gone := os.Stat(path); os.IsNotExist(gone) {
			return nil
		}
	}
	return err
}

// begin reads the number of the first line. What is wrong with the file is found when it
// is read.
func (p *part) begin() {
	_, _ = readLines(io.NewSectionReader(p.file, 0, p.info.Size()), func(l line) bool {
		p.first = l.number
		return false
	})
}

// Close closes the files.
func (s *set) Close() error {
	var errs []error
	for _, p := range s.parts {
		errs = append(errs, p.file.Close())
	}
	return errors.Join(errs...)
}
