//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package ownfile

import (
	"errors"
	"os"
	"syscall"
)

// TryLock locks an open file against everybody else who opened it and locks it,
// in this process too, until it is closed. It is false if somebody else has the
// lock.
func TryLock(f *os.File) (ok bool, err error) {
	for {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err == nil:
			return true, nil
		case errors.Is(err, syscall.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, syscall.EINTR):
			return false, os.NewSyscallError("flock", err)
		}
	}
}
