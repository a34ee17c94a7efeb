package pty

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"unsafe"
)

// Open opens a pseudo-terminal: what is written to keyboard is typed at
// terminal, and what is written to terminal can be seen on the screen. Close
// closes it and waits until the screen has all of it.
func Open() (keyboard io.Writer, terminal *os.File, screen *Screen, closeAll func(), err error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	var unlocked, number int32
	for request, arg := range map[uintptr]*int32{syscall.TIOCSPTLCK: &unlocked, syscall.TIOCGPTN: &number} {
		if err := ioctl(master, request, unsafe.Pointer(arg)); err != nil {
			master.Close()
			return nil, nil, nil, nil, err
		}
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		master.Close()
		return nil, nil, nil, nil, err
	}
	screen = &Screen{}
	drawn := make(chan struct{})
	go func() {
		defer close(drawn)
		_, _ = io.Copy(screen, master) // until nobody has the terminal open
	}()
	return master, terminal, screen, func() {
		terminal.Close()
		<-drawn
		master.Close()
	}, nil
}

func ioctl(f *os.File, request uintptr, arg unsafe.Pointer) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno syscall.Errno
	if err := conn.Control(func(fd uintptr) { _, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(arg)) }); err != nil {
		return err
	}
	if errno != 0 {
		return errno
	}
	return nil
}

// Resize makes a terminal so large.
func Resize(terminal *os.File, columns, rows int) error {
	size := struct{ rows, columns, x, y uint16 }{rows: uint16(rows), columns: uint16(columns)}
	return ioctl(terminal, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
}

// Queued returns how many bytes of whole lines were typed at a terminal and not
// read yet.
func Queued(terminal *os.File) (int, error) {
	var n int32
	err := ioctl(terminal, syscall.TIOCINQ, unsafe.Pointer(&n))
	return int(n), err
}

// Start starts a program whose terminal this is. Its output goes elsewhere if it has
// one already.
func Start(c *exec.Cmd, terminal *os.File) error {
	c.Stdin, c.Stderr = terminal, terminal
	if out, ok := c.Stdout.(*os.File); c.Stdout == nil || ok && out == nil {
		c.Stdout = terminal
	}
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	return c.Start()
}
