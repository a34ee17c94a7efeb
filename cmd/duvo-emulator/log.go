package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/duvotool/duvotool/internal/safetext"
)

// A requestLog writes requests as short lines, for a person who watches a program at
// work. A program that waits reads the same Job again and again: such a read is a line
// once, and those like it are counted until something else happens. All other records
// are lines of slog's own.
type requestLog struct {
	slog.Handler // for whatever is no request

	mu   sync.Mutex
	out  io.Writer
	all  bool            // no read is left out
	seen map[string]bool // reads since the last line of another kind
	more int             // of them left out since the last line
}

// maxSeen bounds how many different reads are remembered.
const maxSeen = 1000

func newRequestLog(out io.Writer, all bool) *requestLog {
	l := &requestLog{out: out, all: all, seen: map[string]bool{}}
	l.Handler = slog.NewTextHandler(writerFunc(l.write), nil)
	return l
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func (l *requestLog) write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(line)
}

// Handle writes a request, or leaves out a read that was told before.
func (l *requestLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Message != "request" {
		return l.Handler.Handle(ctx, r)
	}
	told := map[string]string{}
	r.Attrs(func(a slog.Attr) bool {
		told[a.Key] = a.Value.String()
		return true
	})
	what := told["operation"]
	if what == "" { // no operation of Duvo's
		what = told["method"]
	}
	line := safetext.OneLine(what+" "+told["status"]+" "+told["path"], 400)
	if told["fault"] != "" {
		line += " fault=" + told["fault"]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch read := told["method"] == "GET"; {
	case read && l.seen[line] && !l.all:
		l.more++
		return nil
	case !read, len(l.seen) >= maxSeen:
		clear(l.seen)
	default:
		l.seen[line] = true
	}
	var b bytes.Buffer
	if l.more > 0 {
		fmt.Fprintf(&b, "         (… read again: %d)\n", l.more)
		l.more = 0
	}
	fmt.Fprintf(&b, "%s %s\n", r.Time.Format("15:04:05"), line)
	_, err := l.out.Write(b.Bytes())
	return err
}
