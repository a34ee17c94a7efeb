package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/duvotool/duvotool/internal/ownfile"
	"go.etcd.io/bbolt"
	bbolterrors "go.etcd.io/bbolt/errors"

	"github.com/duvotool/duvotool/internal/safetext"
)

// An Option changes how a journal is opened.
type Option func(*config) error

type config struct {
	lockTimeout time.Duration
	acceptLoss  bool
}

// WithLockTimeout sets how long [Open] waits for another process to close the
// journal, instead of a second. Zero does not wait.
func WithLockTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return fmt.Errorf("bolt: a lock timeout of %v", d)
		}
		c.lockTimeout = d
		return nil
	}
}

// AcceptLoss opens a database that is whole, whatever its head file tells or if
// there is none, and writes a head file that fits. What was put last may be
// missing, and Jobs that it told of may be started again: give it only after a
// person has looked into an [ErrCorrupt], and not to every Open.
func AcceptLoss() Option {
	return func(c *config) error { c.acceptLoss = true; return nil }
}

// Open opens the journal at this path, or makes one; its folder must exist. It
// reads and checks all of it, and takes back disk space where more than half is
// unused. Errors may match [ErrLocked], [ErrCorrupt] and [ErrNewer], and name the
// path.
func Open(path string, opts ...Option) (*Journal, error) {
	c := config{lockTimeout: time.Second}
	for _, o := range opts {
		if err := o(&c); err != nil {
			return nil, err
		}
	}
	if path == "" {
		return nil, errors.New("bolt: a journal needs a path")
	}
	real, err := filepath.EvalSymlinks(path) // the head file lies beside the file itself
	if errors.Is(err, fs.ErrNotExist) {
		real, err = path, dangling(path)
	}
	if err == nil {
		real, err = filepath.Abs(real) // the process may go elsewhere
	}
	if err == nil {
		err = regular(real)
	}
	if err != nil {
		return nil, fmt.Errorf("bolt: the journal: %w", err)
	}
	f, err := os.OpenFile(real+".head", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("bolt: the journal's head file: %w", err)
	}
	j := &Journal{path: real, headFile: f, config: c}
	if err = ownfile.Private(f); err != nil {
		err = fmt.Errorf("bolt: the journal's head file: %w", err)
	} else {
		err = j.open()
	}
	if err != nil {
		j.release()
		return nil, err
	}
	return j, nil
}

// dangling refuses a link to a file that is not there: on a volume that is not
// mounted, say. Another journal must not be begun in the link's place.
func dangling(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("%s is a link to a file that is not there", path)
	}
	return err
}

func regular(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", path)
	}
	return err
}

func (j *Journal) open() error {
	if err := j.lock(); err != nil {
		return err
	}
	s, err := readSlots(j.headFile)
	if err != nil {
		return damaged(j.path+".head", err)
	}
	if err := j.create(s); err != nil {
		return err
	}
	st, err := j.check()
	if err != nil {
		return err
	}
	if err := s.compare(st); err != nil && !j.config.acceptLoss {
		return damaged(j.path, err)
	}
	if err := s.heal(j.headFile, st.head); err != nil {
		return fmt.Errorf("bolt: the journal's head file: %w", err)
	}
	if worthCompacting(st) {
		if st, err = j.compact(st); err != nil {
			return fmt.Errorf("bolt: making the journal %s smaller: %w", j.path, err)
		}
	}
	return j.openDatabase(st)
}

// lock takes the lock that keeps everybody else from both files. It is on the
// head file because that is never replaced by another.
func (j *Journal) lock() error {
	for began := time.Now(); ; time.Sleep(min(10*time.Millisecond, j.config.lockTimeout)) {
		ok, err := ownfile.TryLock(j.headFile)
		if err != nil {
			return fmt.Errorf("bolt: locking %s: %w", j.path, err)
		}
		if ok {
			return j.lockedInPlace()
		}
		if time.Since(began) >= j.config.lockTimeout {
			return j.locked()
		}
	}
}

// lockedInPlace makes sure that the file that was locked is still the one that
// others would lock.
func (j *Journal) lockedInPlace() error {
	there, err := ownfile.StillAt(j.path+".head", j.headFile)
	if err == nil && !there {
		err = fmt.Errorf("%w while it was opened: %s", ErrMoved, j.path+".head")
	}
	if err != nil {
		return fmt.Errorf("bolt: locking %s: %w", j.path, err)
	}
	return nil
}

func (j *Journal) locked() error {
	return fmt.Errorf("%w: %s, still after %v; it is one process's at a time, and several share one of adapters/postgres", ErrLocked, j.path, j.config.lockTimeout)
}

// create makes a database if there is none, whole or not at all.
func (j *Journal) create(s slots) error {
	switch _, err := os.Stat(j.path); {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("bolt: the journal: %w", err)
	}
	if h := s.newest(); h != nil {
		return fmt.Errorf("%w: %s is missing; its head file tells of %s", ErrCorrupt, j.path, safetext.Count(int(h.now.count), "record", "records"))
	}
	return j.replace(func(db *bbolt.DB) error {
		return db.Update(func(tx *bbolt.Tx) error {
			for _, name := range [][]byte{bucketMeta, bucketRecords, bucketUnfinished, bucketDone} {
				if _, err := tx.CreateBucket(name); err != nil {
					return err
				}
			}
			if err := tx.Bucket(bucketMeta).Put(keyFormat, []byte{0, 0, 0, format}); err != nil {
				return err
			}
			return putHead(tx, head{generation: 1})
		})
	})
}

// replace puts a database that fill fills in the place of the one there is, if
// there is one.
func (j *Journal) replace(fill func(*bbolt.DB) error) error {
	path := j.path + ".new"
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("bolt: the journal: %w", err) // left by a crash, and yet in use?
	}
	db, err := bbolt.Open(path, 0o600, j.bboltOptions(nil))
	if err != nil {
		return fmt.Errorf("bolt: making the journal: %w", err)
	}
	err = fill(db)
	if closed := db.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(path, j.path)
	}
	if err != nil {
		_ = os.Remove(path)
		return fmt.Errorf("bolt: making the journal: %w", err)
	}
	if err := ownfile.SyncFolder(filepath.Dir(j.path)); err != nil {
		return fmt.Errorf("bolt: the journal's folder: %w", err)
	}
	return nil
}

func (j *Journal) check() (state, error) {
	f, err := os.Open(j.path)
	if err != nil {
		return state{}, fmt.Errorf("bolt: the journal: %w", err)
	}
	defer f.Close()
	if err := ownfile.Private(f); err != nil {
		return state{}, fmt.Errorf("bolt: the journal: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return state{}, fmt.Errorf("bolt: the journal: %w", err)
	}
	st, err := check(f, info.Size())
	if err != nil {
		return state{}, damaged(j.path, err)
	}
	return st, nil
}

func (j *Journal) bboltOptions(opened **os.File) *bbolt.Options {
	return &bbolt.Options{
		Timeout:      max(j.config.lockTimeout, 1), // zero would wait for ever
		PageSize:     pageSize,
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag, mode)
			if opened != nil {
				*opened = f
			}
			return f, err
		},
	}
}

// openDatabase hands a database that was checked to bbolt.
func (j *Journal) openDatabase(st state) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer j.recoverFault(&err)
	db, err := bbolt.Open(j.path, 0o600, j.bboltOptions(&j.file))
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return j.locked()
	}
	if err != nil {
		return fmt.Errorf("bolt: opening %s: %w", j.path, err)
	}
	j.db, j.head = db, st.head
	return db.View(func(tx *bbolt.Tx) error {
		h, err := decodeHead(tx.Bucket(bucketMeta).Get(keyHead))
		if err == nil && (h != st.head || uint64(tx.ID()) != st.txid) {
			err = errors.New("it changed while it was opened")
		}
		if err != nil {
			return damaged(j.path, err)
		}
		return nil
	})
}

// worthCompacting tells whether more than half of the database is unused, and
// it is large enough to matter.
func worthCompacting(st state) bool {
	return st.pages*pageSize >= 1<<20 && st.free > st.pages/2
}

// compact puts a copy without unused pages in the database's place.
func (j *Journal) compact(was state) (st state, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer j.recoverFault(&err)
	src, err := bbolt.Open(j.path, 0o600, j.bboltOptions(&j.file))
	if errors.Is(err, bbolterrors.ErrTimeout) {
		return state{}, j.locked()
	}
	if err != nil {
		return state{}, err
	}
	err = j.replace(func(dst *bbolt.DB) error {
		err := bbolt.Compact(dst, src, 16<<20)
		if err == nil {
			err = dst.Update(func(tx *bbolt.Tx) error { return putHead(tx, was.head) })
		}
		return errors.Join(err, src.Close()) // some systems replace no open file
	})
	if err != nil {
		return state{}, err
	}
	st, err = j.check()
	if was.head.txid = st.head.txid; err == nil && st.head != was.head {
		err = damaged(j.path, errors.New("its copy differs"))
	}
	return st, err
}
