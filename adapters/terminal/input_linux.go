//go:build 386 || amd64 || arm || arm64 || loong64 || riscv64 || s390x

package terminal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"unsafe"
)

// tcflsh is the request TCFLSH, of these architectures.
const tcflsh = 0x540b

// A console is a terminal. It is read only while a line is waited for, so that
// what was typed before is in the terminal's own queue, and can be thrown away.
type console struct {
	file *os.File
	conn syscall.RawConn
	rest []byte // read, and not handed over yet
}

// openTerminal returns nil where in is no terminal.
func openTerminal(in io.Reader) input {
	f, ok := in.(*os.File)
	if !ok {
		return nil
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return nil
	}
	c := &console{file: f, conn: conn}
	var mode syscall.Termios
	if c.ioctl(syscall.TCGETS, unsafe.Pointer(&mode)) != nil {
		return nil
	}
	return c
}

func (c *console) fresh() bool { return true }

func (c *console) size() (columns, rows int) {
	var size struct{ rows, columns, x, y uint16 }
	if err := c.ioctl(syscall.TIOCGWINSZ, unsafe.Pointer(&size)); err != nil || size.columns < 20 || size.rows < 6 {
		return 80, 24
	}
	return int(size.columns), int(size.rows)
}

func (c *console) discard() bool {
	var waiting int32 // bytes of whole lines
	_ = c.ioctl(syscall.TIOCINQ, unsafe.Pointer(&waiting))
	_ = c.control(func(fd uintptr) error {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, tcflsh, syscall.TCIFLUSH)
		return errnoError(errno)
	})
	lines := waiting > 0 || bytes.IndexByte(c.rest, '\n') >= 0
	c.rest = nil
	return lines
}

func (c *console) line(ctx context.Context) (string, error) {
	wake, end, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer wake.Close()
	defer end.Close()
	defer context.AfterFunc(ctx, func() { end.Close() })()
	buf := make([]byte, 4096)
	for {
		if i := bytes.IndexByte(c.rest, '\n'); i >= 0 {
			text := string(c.rest[:i])
			c.rest = c.rest[i+1:]
			return text, nil
		}
		if len(c.rest) > maxLine {
			c.rest = nil
		}
		var n int
		err := c.control(func(fd uintptr) (err error) {
			if err = waitReadable(fd, wake.Fd()); err == nil && ctx.Err() == nil {
				n, err = syscall.Read(int(fd), buf)
			}
			return err
		})
		switch {
		case ctx.Err() != nil:
			return "", context.Cause(ctx)
		case errors.Is(err, syscall.EINTR), errors.Is(err, syscall.EAGAIN):
		case err != nil:
			return "", noInput(err)
		case n == 0:
			return "", ErrNoInput
		}
		c.rest = append(c.rest, buf[:max(n, 0)]...)
	}
}

// waitReadable waits until one of the two can be read.
func waitReadable(fd, wake uintptr) error {
	type pollfd struct {
		fd              int32
		events, revents int16
	}
	const in = 0x1 // POLLIN
	fds := [2]pollfd{{fd: int32(fd), events: in}, {fd: int32(wake), events: in}}
	_, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)), 0, 0, 0, 0)
	return errnoError(errno)
}

func (c *console) ioctl(request uintptr, arg unsafe.Pointer) error {
	return c.control(func(fd uintptr) error {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(arg))
		return errnoError(errno)
	})
}

// control calls f with the descriptor, which stays open meanwhile.
func (c *console) control(f func(fd uintptr) error) (err error) {
	if e := c.conn.Control(func(fd uintptr) { err = f(fd) }); e != nil {
		return e
	}
	return err
}

func errnoError(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
