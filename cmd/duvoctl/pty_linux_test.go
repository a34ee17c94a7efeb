package main

import (
	"context"
	"io"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/pty"
	"github.com/stretchr/testify/require"
)

// A sitting is a person at a terminal at which duvoctl runs.
type sitting struct {
	*bench
	ctx      context.Context
	leave    context.CancelFunc
	keyboard io.Writer
	seen     *pty.Screen
	code     chan int
}

// sits runs duvoctl at a pseudo-terminal; typed is there before it begins.
func (b *bench) sits(typed string, args ...string) *sitting {
	b.Helper()
	keyboard, tty, seen, closeAll, err := pty.Open()
	require.NoError(b, err)
	b.Cleanup(closeAll)
	s := &sitting{bench: b, keyboard: keyboard, seen: seen, code: make(chan int, 1)}
	s.ctx, s.leave = context.WithTimeout(b.Context(), eventual)
	b.Cleanup(s.leave)
	if typed != "" {
		s.types(typed)
		for n := 0; n < len(typed)+1; runtime.Gosched() {
			n, err = pty.Queued(tty)
			require.NoError(b, err)
			require.NoError(b, s.ctx.Err())
		}
	}
	a := newApp(tty, tty, tty)
	a.soon = eventual
	go func() { s.code <- a.run(s.ctx, args) }()
	return s
}

func (s *sitting) types(text string) {
	s.Helper()
	_, err := io.WriteString(s.keyboard, text+"\n")
	require.NoError(s, err)
}

// sees waits until something can be seen, and returns all that can be.
func (s *sitting) sees(text string) string {
	s.Helper()
	all, err := s.seen.Wait(s.ctx, func(all string) bool { return strings.Contains(all, text) })
	require.NoError(s, err)
	return all
}

func (s *sitting) ends() int {
	s.Helper()
	select {
	case c := <-s.code:
		return c
	case <-s.ctx.Done():
		require.Fail(s, "it does not end", "%s", s.seen)
		return -1
	}
}

var code = regexp.MustCompile(`Is that your decision\? Type (\w{4}),`)

// At a terminal a request is shown whole, with nothing in it interpreted, and decided by
// a code that was not there before.
func TestDecidingAtATerminal(t *testing.T) {
	for _, at := range []string{"desk", "duvo"} {
		t.Run(at, func(t *testing.T) {
			b := atDeskBench(t)
			long := strings.Repeat("All of it. ", 900) + "\x1b[2JThe end.\u202e"
			id := b.starts("refunds", "Refund 120 EUR\x07|"+long).JobID
			if at == "duvo" {
				t.Setenv(envDesk, "")
			}
			s := b.sits("yes", "approve", id, "--reason", "ticket 1")
			text := s.sees("nothing was sent")
			require.Equal(t, exitError, s.ends(), "what was typed before it was shown")
			require.Contains(t, text, "You are about to APPROVE it.\n  because: ticket 1")
			require.Contains(t, text, "approval: Refund 120 EUR<U+0007>")
			require.Contains(t, text, "<U+001B>[2JThe end.<U+202E>", "to its end")
			require.Equal(t, 900, strings.Count(text[:strings.Index(text, "It was started with")], "All of it."))
			require.Zero(t, b.sent())

			s = b.sits("", "approve", id)
			word := code.FindStringSubmatch(s.sees("or anything else to leave it: "))
			s.types(strings.ToLower(word[1]))
			s.sees("Sent. Duvo has taken the decision.")
			require.Zero(t, s.ends())
			require.True(t, *b.response(id).Approved)
		})
	}
}

// At a terminal what has changed since, or comes with another digest, is not decided
// either, and an interruption sends nothing.
func TestATerminalDecidesWhatWasShown(t *testing.T) {
	b := atDuvoBench(t)
	id := b.asks(refundsID, "Refund 120 EUR|")
	s := b.sits("", "approve", id)
	word := code.FindStringSubmatch(s.sees("or anything else to leave it: "))
	require.NoError(t, b.d.ChangeRequest(id, func(q *duvo.HumanRequest) { q.Title = "Refund 9000 EUR" }))
	s.types(word[1])
	s.sees("Nothing was sent. The request reads differently now")
	require.Equal(t, exitError, s.ends())

	s = b.sits("", "approve", id, "--digest", strings.Repeat("0", 64))
	require.Equal(t, exitError, s.ends())
	require.NotContains(t, s.seen.String(), "Is that your decision?")

	s = b.sits("", "approve", id)
	s.sees("or anything else to leave it: ")
	s.leave()
	require.Equal(t, exitError, <-s.code)
	_, _ = io.WriteString(s.keyboard, "\n") // whoever still reads
	s = b.sits("", "approve", id, "-y")
	require.Equal(t, exitError, s.ends(), "-y asks nobody, so the digest is needed")
	require.Zero(t, b.sent())
}

// Starting and stopping ask at a terminal, and say what of.
func TestStartingAndStoppingAtATerminal(t *testing.T) {
	b := atDuvoBench(t)
	s := b.sits("", "run", "refunds", "--input", "Refund 120 EUR|")
	require.Contains(t, s.sees("or anything else to leave it: "), "This starts Refunds (ID "+refundsID+") with:\n  | Refund 120 EUR|")
	s.types("no")
	require.Equal(t, exitError, s.ends())
	require.Empty(t, b.d.Jobs())
	s = b.sits("", "run", "refunds", "--input", "Refund 120 EUR|")
	s.sees("or anything else to leave it: ")
	s.types("start")
	require.Zero(t, s.ends())
	require.Len(t, b.d.Jobs(), 1)
	id := b.d.Jobs()[0].ID
	require.Eventually(t, func() bool { return b.d.Pending(id) != nil }, eventual, tick)
	s = b.sits("", "stop", id)
	s.sees("is waiting.")
	s.types("yes")
	require.Equal(t, exitError, s.ends())
	require.Zero(t, b.d.Count("stopRun"))
	s = b.sits("", "stop", id)
	s.sees("Type stop,")
	s.types("stop")
	require.Zero(t, s.ends())
	j, _ := b.d.Job(id)
	require.Equal(t, duvo.StatusStopped, j.Status)
}
