package pty

import (
	"fmt"
	"os"
	"syscall"
	"unsafe"
)

// OpenRaw is [Open] for who draws the screen: what a program writes to terminal is read
// from master, and what is written to master is typed. The caller closes both.
func OpenRaw(columns, rows int) (master, terminal *os.File, err error) {
	if master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	var lock, number int32
	size := struct{ rows, columns, x, y uint16 }{rows: uint16(rows), columns: uint16(columns)}
	for _, step := range []struct {
		request uintptr
		arg     unsafe.Pointer
	}{{syscall.TIOCSPTLCK, unsafe.Pointer(&lock)}, {syscall.TIOCGPTN, unsafe.Pointer(&number)}, {syscall.TIOCSWINSZ, unsafe.Pointer(&size)}} {
		if err := ioctl(master, step.request, step.arg); err != nil {
			master.Close()
			return nil, nil, err
		}
	}
	if terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		master.Close()
		return nil, nil, err
	}
	return master, terminal, nil
}
