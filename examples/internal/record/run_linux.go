package record

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"time"

	"github.com/duvotool/duvotool/internal/pty"
)

// prompt is a last line at which somebody may type.
var prompt = regexp.MustCompile(`[\]?>:] $`)

// run runs a program at a terminal and types the answers, one at each prompt: after
// somebody has read for a while, and as slowly as people type.
func run(ctx context.Context, c *exec.Cmd, columns int, read, key time.Duration, answers ...string) (*screen, error) {
	master, terminal, err := pty.OpenRaw(columns, 60)
	if err != nil {
		return nil, err
	}
	defer master.Close()
	s := newScreen(columns)
	began := time.Now()
	if err := pty.Start(c, terminal); err != nil {
		terminal.Close()
		return nil, err
	}
	terminal.Close() // the program has it
	stop := context.AfterFunc(ctx, func() { _ = c.Process.Kill() })
	defer stop()
	typed := make(chan error, 1)
	typing := false
	buf := make([]byte, 4096)
	for {
		n, err := master.Read(buf)
		s.write(buf[:n], time.Since(began))
		if err != nil {
			break // nobody has the terminal open any more
		}
		if !typing && len(answers) > 0 && prompt.MatchString(s.last()) {
			typing = true
			answer := answers[0]
			answers = answers[1:]
			go func() { typed <- types(master, answer, read, key) }()
		}
		select {
		case err := <-typed:
			typing = false
			if err != nil {
				return nil, err
			}
		default:
		}
	}
	if err := c.Wait(); err != nil {
		return nil, fmt.Errorf("%w; on the screen is:\n%q", err, s.lines())
	}
	if len(answers) > 0 {
		return nil, fmt.Errorf("it did not ask; on the screen is:\n%q", s.lines())
	}
	return s, nil
}

func types(keyboard io.Writer, answer string, read, key time.Duration) error {
	time.Sleep(read)
	for _, r := range answer + "\n" {
		if _, err := fmt.Fprint(keyboard, string(r)); err != nil {
			return err
		}
		time.Sleep(key)
	}
	return nil
}

// environment has nothing that reaches a real service.
func environment(home string) []string {
	return []string{"TERM=xterm-256color", "LANG=C.UTF-8", "HOME=" + home, "PATH=" + os.Getenv("PATH"), "USER=kim"}
}
