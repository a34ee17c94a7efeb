package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/ownfile"
	"github.com/duvotool/duvotool/journal"
)

// How a journal works again by itself after a write that failed: its files are
// read and checked as Open does, under the lock that was held all the time, and
// bbolt opens the database anew.

// retryAfter is how long nothing is tried after a write, or an opening, that
// failed: checking reads the whole database.
const retryAfter = time.Second

// A setback is what is left of a failure that may pass. It is guarded by
// Journal.database.
type setback struct {
	err   error     // of the last write; nil once one succeeded
	stale bool      // the database must be opened anew before anything is done
	until time.Time // nothing is written, or opened anew, before
}

// commitError and slotError are failures of the two steps of a commit.
type (
	commitError struct{ error }
	slotError   struct{ error }
)

func (e *commitError) Unwrap() error { return e.error }
func (e *slotError) Unwrap() error   { return e.error }

// passes tells whether a failed commit may be followed by another one in this
// process. What was not written may: the database does not refer to it yet. A
// failed sync of the database may not: the system may have dropped what it had
// taken, and would not say so again. A slot is written whole every time, so it may
// whatever failed.
func passes(err error) bool {
	var slot *slotError
	var commit *commitError
	var failed *os.PathError
	return errors.As(err, &slot) || errors.As(err, &commit) && errors.As(err, &failed) && failed.Op == "write"
}

// settled takes in how a commit ended. The caller holds j.database.
func (j *Journal) settled(err error) error {
	switch {
	case err == nil:
		j.setback = setback{}
		return nil
	case errors.Is(err, ErrMoved):
		return err
	case !passes(err) || j.faulted:
		j.fail(err)
		return err
	}
	return j.later(err)
}

// later notes a failure that may pass.
func (j *Journal) later(err error) error {
	err = errtext.Errorf("%w: %w", journal.ErrUnavailable, err)
	j.setback = setback{err: err, stale: true, until: time.Now().Add(retryAfter)}
	return err
}

// writable makes the journal ready to be written. The caller holds j.database.
func (j *Journal) writable() error {
	if s := j.setback; s.err != nil && time.Now().Before(s.until) {
		return s.err
	}
	if err := j.reopen(); err != nil {
		return err
	}
	return j.here()
}

// here tells whether both files still lie at their paths. The caller holds
// j.database.
func (j *Journal) here() error {
	files := map[string]*os.File{j.path + ".head": j.headFile}
	if j.db != nil { // else what it holds tells whether it is the one
		files[j.path] = j.file
	}
	for path, f := range files {
		there, err := ownfile.StillAt(path, f)
		switch {
		case errors.Is(err, os.ErrClosed):
			return fmt.Errorf("bolt: looking for %s: %w", path, err)
		case err != nil:
			return errtext.Errorf("%w: looking for %s: %w", journal.ErrUnavailable, path, err)
		case !there:
			return fmt.Errorf("%w while it was open: %s", ErrMoved, path)
		}
	}
	return nil
}

// reopen opens the database anew if a write has failed. The caller holds
// j.database, and the lock of the head file was never given up.
func (j *Journal) reopen() error {
	if !j.setback.stale {
		return nil
	}
	if j.db == nil && time.Now().Before(j.setback.until) {
		return j.setback.err
	}
	if err := j.here(); err != nil {
		return err
	}
	err := j.openAgain()
	switch {
	case err == nil:
		j.setback.stale = false
		return nil
	case errors.Is(err, ErrMoved):
		return err
	case errors.Is(err, ErrCorrupt) || errors.Is(err, ErrNewer) || j.faulted:
		j.fail(err)
		return err
	}
	return j.later(err)
}

func (j *Journal) openAgain() error {
	if j.db != nil {
		if err := j.db.Close(); err != nil {
			return fmt.Errorf("bolt: closing %s: %w", j.path, err)
		}
		j.db, j.file = nil, nil
	}
	s, err := readSlots(j.headFile)
	if err != nil {
		return fmt.Errorf("bolt: the journal's head file: %w", err)
	}
	st, err := j.check()
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w while it was open: %s", ErrMoved, j.path)
	}
	if err != nil {
		return err
	}
	switch was := j.head.generation; {
	case st.head.generation < was, st.head.generation == was && st.head.now != j.head.now, st.head.generation > was+1:
		return damaged(j.path, errors.New("it holds something else than was written"))
	}
	if err := s.compare(st); err != nil {
		return damaged(j.path, err)
	}
	if err := s.heal(j.headFile, st.head); err != nil {
		return fmt.Errorf("bolt: the journal's head file: %w", err)
	}
	return j.openDatabase(st)
}

// Ready tells whether the journal can be written; see [journal.Prober].
func (j *Journal) Ready(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	j.database.Lock()
	defer j.database.Unlock()
	if j.broken != nil {
		return j.broken
	}
	if err := j.writable(); err != nil || j.setback.err == nil {
		return err
	}
	if err := j.probe(); err != nil {
		return j.later(err)
	}
	j.setback = setback{}
	return nil
}

const probeSize = 256 << 10 // bytes: room for a few records

// probe looks whether there is room beside the files.
func (j *Journal) probe() error {
	path := j.path + ".new" // which Open removes, should we die meanwhile
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("bolt: trying to write beside %s: %w", j.path, err)
	}
	_, err = f.Write(make([]byte, probeSize))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close(), os.Remove(path)); err != nil {
		return fmt.Errorf("bolt: trying to write beside %s: %w", j.path, err)
	}
	return nil
}
