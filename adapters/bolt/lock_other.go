//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package bolt

import (
	"errors"
	"os"
)

func tryLock(*os.File) (ok bool, err error) { return false, errors.ErrUnsupported }
