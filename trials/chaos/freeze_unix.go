//go:build unix

package main

import (
	"os"
	"syscall"
)

// suspend stops a process, and wake lets it go on.
func suspend(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }
func wake(p *os.Process) error    { return p.Signal(syscall.SIGCONT) }
