package ownfile

import (
	"errors"
	"os"
	"syscall"
	"unsafe"
)

const (
	failImmediately = 1
	exclusive       = 2
	lockViolation   = syscall.Errno(33)
)

// TryLock locks an open file against everybody else who opened it and locks it,
// in this process too, until it is closed. It is false if somebody else has the
// lock. The byte that is locked lies far behind the file's end, so that the file
// can still be read and written.
func TryLock(f *os.File) (ok bool, err error) {
	lock := syscall.NewLazyDLL("kernel32.dll").NewProc("LockFileEx")
	if err := lock.Find(); err != nil {
		return false, err
	}
	at := syscall.Overlapped{OffsetHigh: 1 << 30}
	done, _, err := lock.Call(f.Fd(), exclusive|failImmediately, 0, 1, 0, uintptr(unsafe.Pointer(&at)))
	switch {
	case done != 0:
		return true, nil
	case errors.Is(err, lockViolation):
		return false, nil
	}
	return false, os.NewSyscallError("LockFileEx", err)
}
