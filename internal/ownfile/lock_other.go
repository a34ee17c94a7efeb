//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package ownfile

import (
	"errors"
	"os"
)

// TryLock is not known for this system.
func TryLock(*os.File) (ok bool, err error) { return false, errors.ErrUnsupported }
