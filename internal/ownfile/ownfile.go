// Package ownfile keeps a file to one owner and one opener: for the files that
// tell who approved what, and what is still to be done.
package ownfile

import (
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

// Private makes an open file readable and writable by its owner alone. Where
// others could read it that is mended; where others could write to it the file
// is refused, because nobody can tell what they have written: a person must look
// and change the mode. What is no regular file is refused. On Windows, whose
// modes do not tell who may read, only the kind of file is looked at.
//
// The folder is not looked at: who may write to it can put another file in this
// one's place.
func Private(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	mode := info.Mode()
	switch {
	case !mode.IsRegular():
		return fmt.Errorf("%s is not a regular file", f.Name())
	case runtime.GOOS == "windows" || mode.Perm()&0o077 == 0:
		return nil
	case mode.Perm()&0o022 != 0:
		return fmt.Errorf("%s may be written to by others (its mode is %v), so nobody can tell who wrote what is in it; look into it, and then change its mode to 0600", f.Name(), mode)
	}
	err = f.Chmod(mode.Perm() & 0o700)
	if err == nil {
		info, err = f.Stat()
	}
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = fmt.Errorf("it is still %v", info.Mode())
	}
	if err != nil {
		return fmt.Errorf("%s may be read by others (its mode is %v), and that cannot be changed: %w", f.Name(), mode, err)
	}
	return nil
}

// StillAt tells whether an open file is the one that lies at a path now.
func StillAt(path string, f *os.File) (bool, error) {
	var there fs.FileInfo
	own, err := f.Stat()
	if err == nil {
		there, err = os.Stat(path)
	}
	if os.IsNotExist(err) {
		return false, nil
	}
	return err == nil && os.SameFile(own, there), err
}

// SyncFolder makes a folder's entries outlive the machine's power.
func SyncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be synced there
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
