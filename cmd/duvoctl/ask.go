package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// A lineReader reads what a person types, a line at a time.
type lineReader struct {
	in   io.Reader
	once sync.Once
	buf  *bufio.Reader
}

// line waits for a line. An end of the input, and an interruption, are no answer.
func (l *lineReader) line(ctx context.Context) (string, error) {
	l.once.Do(func() { l.buf = bufio.NewReader(l.in) })
	type read struct {
		text string
		err  error
	}
	got := make(chan read, 1)
	go func() {
		text, err := l.buf.ReadString('\n')
		got <- read{text, err}
	}()
	select {
	case r := <-got:
		if r.err != nil {
			return "", errors.New("the input ended")
		}
		return strings.TrimSpace(r.text), nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// confirm asks a person at a terminal to type a word; nil where they did. Without a
// terminal -y takes the place of it.
func (a *app) confirm(ctx context.Context, question, word string) error {
	if a.yes {
		return nil
	}
	if !a.asks {
		return needsYes()
	}
	_, _ = fmt.Fprintf(a.errs, "%s Type %s, or anything else to leave it: ", question, word)
	typed, err := a.lines.line(ctx)
	if err != nil {
		_, _ = fmt.Fprintln(a.errs)
		return &failure{kind: "interrupted", text: "nothing was sent: " + err.Error(), err: err}
	}
	if !strings.EqualFold(typed, word) {
		return &failure{kind: "declined", text: "nothing was sent"}
	}
	return nil
}

func needsYes() error {
	return usage("without a terminal nobody can be asked, so nothing was sent", "add -y where a script may do this by itself")
}
