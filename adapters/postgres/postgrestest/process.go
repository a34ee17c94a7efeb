package postgrestest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// A process is a server that runs beneath a shell. The shell ends it when a signal's
// name comes by its standard input, or when that is closed: it is when this process
// ends, however it does.
type process struct {
	file  string // of what it prints
	stdin io.WriteCloser
	ended chan struct{}
}

// guard is the shell's program: $@ is what it runs.
const guard = `"$@" & child=$!
{ read signal || signal=QUIT; kill -s "$signal" "$child" 2>/dev/null; } <&3 &
exec 3<&-
wait "$child"`

// start runs a program in the folder, as the user that it belongs to.
func start(dir, program string, args ...string) (*process, error) {
	p := &process{file: filepath.Join(dir, filepath.Base(program)+".log"), ended: make(chan struct{})}
	out, err := os.OpenFile(p.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("postgrestest: %w", err)
	}
	defer out.Close()
	// The shell gives what it runs in the background no standard input, so that of the
	// shell goes by another number.
	cmd := exec.Command("/bin/sh", append([]string{"-c", "exec 3<&0 </dev/null\n" + guard, "sh", program}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	asUser(cmd)
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("postgrestest: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("postgrestest: starting %s: %w", program, err)
	}
	go func() {
		_ = cmd.Wait() // whatever its status is
		close(p.ended)
	}()
	return p, nil
}

// end sends a signal and waits for the end.
func (p *process) end(signal string) error {
	_, _ = io.WriteString(p.stdin, signal+"\n") // fails where it has ended by itself
	select {
	case <-p.ended:
		return nil
	case <-time.After(time.Minute):
		return fmt.Errorf("postgrestest: it does not end: %s", p.log())
	}
}

// log returns the last of what it printed.
func (p *process) log() string {
	b, err := os.ReadFile(p.file)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}
