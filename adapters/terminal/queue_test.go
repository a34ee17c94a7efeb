package terminal_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/adapters/terminal"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/syncbuf"
	"github.com/stretchr/testify/require"
)

// Of several requests one is shown at a time, the first that came first, each with how
// many wait behind it; one that is decided elsewhere is told of, or never shown.
func TestSeveralAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t)
		type ended struct {
			title string
			err   error
		}
		done := make(chan ended, 5)
		var cancels []context.CancelCauseFunc
		for i := range 5 {
			r := approval
			r.ID, r.Title = fmt.Sprint(i), fmt.Sprintf("Refund %d EUR", i)
			ctx, cancel := context.WithCancelCause(t.Context())
			cancels = append(cancels, cancel)
			go func() {
				_, err := p.operator.Decide(ctx, r)
				done <- ended{r.Title, err}
			}()
			synctest.Wait()
		}
		time.Sleep(time.Second)
		require.NotContains(t, p.out.String(), "Refund 1 EUR")
		p.answer("yes CODE")
		require.Equal(t, ended{title: "Refund 0 EUR"}, <-done)
		synctest.Wait()
		require.Contains(t, p.out.String(), "Refund 1 EUR")
		require.Contains(t, p.out.String(), "(3 more requests wait behind this one.)")
		cancels[2](hitl.ErrAnsweredElsewhere) // while it waits for its turn
		require.Equal(t, "Refund 2 EUR", (<-done).title)
		cancels[1](nil) // while it is shown, and nobody says why
		require.Equal(t, "Refund 1 EUR", (<-done).title)
		synctest.Wait()
		require.Contains(t, p.out.String(), "(No longer needed: somebody else has decided, or nobody waits for it any more.\nWhat you typed for it does not count.)")
		require.Contains(t, p.out.String(), "(1 more request waits behind this one.)")
		p.answer("yes CODE")
		require.Equal(t, ended{title: "Refund 3 EUR"}, <-done)
		synctest.Wait()
		p.answer("no CODE")
		synctest.Wait()
		p.answer("too much")
		require.Equal(t, ended{title: "Refund 4 EUR"}, <-done)
		require.NotContains(t, p.out.String(), "Refund 2 EUR")
		p.in.Close()
	})
}

// A typist is at the terminal while the policy is asked, and answers every prompt after
// a minute, with whatever it wants.
type typist struct {
	t     *testing.T
	mu    sync.Mutex
	asked int
	op    *terminal.Operator
	out   *syncbuf.Buffer
	away  chan struct{}
}

func (p *typist) Decide(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
	p.mu.Lock()
	if p.asked++; p.asked == 1 {
		p.out, p.away = &syncbuf.Buffer{}, make(chan struct{})
		var err error
		p.op, err = terminal.New(fingers{p.out, p.away}, p.out, "kim@example.com")
		require.NoError(p.t, err)
	}
	op := p.op
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.asked--; p.asked == 0 {
			close(p.away)
		}
	}()
	return op.Decide(ctx, r)
}

// fingers type what the last prompt wants.
type fingers struct {
	out  *syncbuf.Buffer
	away <-chan struct{}
}

func (f fingers) Read(b []byte) (int, error) {
	select {
	case <-time.After(time.Minute):
	case <-f.away:
		return 0, io.EOF
	}
	text := f.out.String()
	prompt := text[strings.LastIndex(text, "\n")+1:]
	switch {
	case strings.Contains(prompt, "[yes "):
		return copy(b, "yes "+shownCode.FindStringSubmatch(prompt)[1]+"\n"), nil
	case strings.HasPrefix(prompt, "Number"):
		return copy(b, "1\n"), nil
	}
	return copy(b, "fine\n"), nil
}

func TestPolicy(t *testing.T) {
	duvotooltest.TestPolicy(t, func() hitl.Policy { return &typist{t: t} })
}
