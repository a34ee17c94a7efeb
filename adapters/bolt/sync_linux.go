package bolt

import (
	"os"
	"syscall"
)

// datasync syncs a file's content, and of its attributes only what reading it
// needs.
func datasync(f *os.File) error {
	for {
		if err := syscall.Fdatasync(int(f.Fd())); err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
