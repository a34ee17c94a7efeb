package hitl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/duvotool/duvotool/internal/ownfile"
)

// HoldFile keeps the state of a hold in a file that only its owner can read and write.
// Several processes may use it at once. Where there is no file, nothing is held; one
// that others may write to, or that cannot be understood, is an error, and then nothing
// is approved. Its folder must be there.
func HoldFile(path string) HoldStore { return holdFile(path) }

type holdFile string

const maxHoldFile = 64 << 10 // bytes

func (path holdFile) Load(context.Context) (HoldState, error) {
	f, err := os.Open(string(path))
	if errors.Is(err, os.ErrNotExist) {
		return HoldState{}, nil
	}
	if err != nil {
		return HoldState{}, err
	}
	defer f.Close()
	if err := ownfile.Private(f); err != nil {
		return HoldState{}, err
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxHoldFile+1))
	if err != nil {
		return HoldState{}, err
	}
	var s HoldState
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil || len(raw) > maxHoldFile || s.At.IsZero() || PersonKey(s.By) == "" {
		return HoldState{}, fmt.Errorf("%s does not hold what a hold is: put it on to write it anew", string(path))
	}
	return s, nil
}

// Save exchanges the file, so that who reads it finds the whole of it.
func (path holdFile) Save(_ context.Context, s HoldState) (err error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if len(raw) > maxHoldFile {
		return errors.New("the reason is too long")
	}
	folder := filepath.Dir(string(path))
	f, err := os.CreateTemp(folder, filepath.Base(string(path))+".*") // the owner's alone
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(append(raw, '\n')); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), string(path)); err != nil {
		return err
	}
	return ownfile.SyncFolder(folder)
}
