package passkey

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/duvotool/duvotool/internal/ownfile"
)

// A Credential is a passkey: the public half, which is no secret but must not be
// exchanged.
type Credential struct {
	ID         []byte    `json:"id"`     // unique
	Person     string    `json:"person"` // by hitl.PersonKey
	Login      string    `json:"login"`  // as it was when the passkey was added
	Name       string    `json:"name"`
	PublicKey  []byte    `json:"public_key"` // COSE
	SignCount  uint32    `json:"sign_count"` // signatures that the device has counted; zero: it does not count
	Transports []string  `json:"transports,omitempty"`
	Added      time.Time `json:"added"`
	Used       time.Time `json:"used,omitzero"`    // last; zero: never
	Removed    time.Time `json:"removed,omitzero"` // it proves nothing any more; what it has proved it still shows
}

// A Store keeps passkeys, for good: those that were removed too, for audits. It must be
// safe for concurrent use. See [OpenFile] and [SQL].
type Store interface {
	// List returns all passkeys of a person, the removed ones too, the oldest first.
	List(ctx context.Context, person string) ([]Credential, error)
	// Add adds one. ErrTaken: somebody has one with this ID, removed or not.
	Add(context.Context, Credential) error
	// Used notes a signature, if the count is still what it was: ErrCount else.
	Used(ctx context.Context, id []byte, before, after uint32, at time.Time) error
	// Remove notes that a person's passkey is removed. ErrNone: they have no such one.
	Remove(ctx context.Context, person string, id []byte, at time.Time) error
}

// What a [Store] tells.
var (
	ErrTaken = errors.New("the passkey is there already")
	ErrCount = errors.New("the passkey was used meanwhile")
	ErrNone  = errors.New("there is no such passkey")
)

// A File keeps passkeys in a file that only its owner can read and write, for one
// process at a time.
type File struct {
	mu   sync.Mutex
	path string
	lock *os.File
	all  []Credential
}

var _ Store = (*File)(nil)

// ErrLocked is a file of passkeys that is open elsewhere.
var ErrLocked = errors.New("passkey: the file is open elsewhere")

const maxFile = 64 << 20 // bytes

// OpenFile opens a file of passkeys, or makes it. It is locked by a file beside it,
// whose name ends with ".lock", until it is closed.
func OpenFile(path string) (*File, error) {
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("passkey: %w", err)
	}
	f := &File{path: path, lock: lock}
	if err := f.read(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return f, nil
}

func (f *File) read() error {
	locked, err := ownfile.TryLock(f.lock)
	if err != nil {
		return fmt.Errorf("passkey: locking %s: %w", f.path, err)
	}
	if !locked {
		return fmt.Errorf("%w: %s", ErrLocked, f.path)
	}
	file, err := os.Open(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("passkey: %w", err)
	}
	defer func() { _ = file.Close() }()
	if err := ownfile.Private(file); err != nil {
		return fmt.Errorf("passkey: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(raw) > maxFile {
		err = errors.New("it is too large")
	}
	if err == nil {
		err = json.Unmarshal(raw, &f.all)
	}
	if err != nil {
		return fmt.Errorf("passkey: %s: %w", f.path, err)
	}
	return nil
}

// Close gives the file free for others.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lock.Close()
}

// change writes the file anew with what change makes of it. What cannot be written is
// not remembered either.
func (f *File) change(change func(all []Credential) ([]Credential, error)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	next, err := change(slices.Clone(f.all))
	if err != nil {
		return err
	}
	raw, err := json.MarshalIndent(next, "", " ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(f.path), filepath.Base(f.path)+".*") // the owner's alone
	if err != nil {
		return err
	}
	_, err = tmp.Write(append(raw, '\n'))
	if err == nil {
		err = tmp.Sync()
	}
	if errClose := tmp.Close(); err == nil {
		err = errClose
	}
	if err == nil {
		err = os.Rename(tmp.Name(), f.path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return err
	}
	f.all = next
	return ownfile.SyncFolder(filepath.Dir(f.path))
}

// List returns all passkeys of a person.
func (f *File) List(_ context.Context, person string) ([]Credential, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []Credential
	for _, c := range f.all {
		if c.Person == person {
			c.ID, c.PublicKey, c.Transports = bytes.Clone(c.ID), bytes.Clone(c.PublicKey), slices.Clone(c.Transports)
			out = append(out, c)
		}
	}
	return out, nil
}

func at(all []Credential, id []byte) int {
	return slices.IndexFunc(all, func(c Credential) bool { return bytes.Equal(c.ID, id) })
}

// Add adds a passkey.
func (f *File) Add(_ context.Context, c Credential) error {
	return f.change(func(all []Credential) ([]Credential, error) {
		if at(all, c.ID) >= 0 {
			return nil, ErrTaken
		}
		return append(all, c), nil
	})
}

// Used notes a signature.
func (f *File) Used(_ context.Context, id []byte, before, after uint32, when time.Time) error {
	return f.change(func(all []Credential) ([]Credential, error) {
		switch k := at(all, id); {
		case k < 0 || !all[k].Removed.IsZero():
			return nil, ErrNone
		case all[k].SignCount != before:
			return nil, ErrCount
		default:
			all[k].SignCount, all[k].Used = after, when
			return all, nil
		}
	})
}

// Remove notes that a passkey is removed.
func (f *File) Remove(_ context.Context, person string, id []byte, when time.Time) error {
	return f.change(func(all []Credential) ([]Credential, error) {
		k := at(all, id)
		if k < 0 || all[k].Person != person || !all[k].Removed.IsZero() {
			return nil, ErrNone
		}
		all[k].Removed = when
		return all, nil
	})
}
