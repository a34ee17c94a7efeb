package terminal_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/terminal"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/pty"
	"github.com/stretchr/testify/require"
)

// A desk is a pseudo-terminal with an operator at it.
type desk struct {
	t        *testing.T
	ctx      context.Context
	keyboard io.Writer
	tty      *os.File
	seen     *pty.Screen
	screen   *terminal.Screen
	operator *terminal.Operator
	decided  chan decided
}

type decided struct {
	id  string
	d   hitl.Decision
	err error
}

func newDesk(t *testing.T) *desk {
	t.Setenv("TERM", "xterm")
	keyboard, tty, seen, closeAll, err := pty.Open()
	require.NoError(t, err)
	t.Cleanup(closeAll)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	d := &desk{t: t, ctx: ctx, keyboard: keyboard, tty: tty, seen: seen, screen: terminal.NewScreen(tty), decided: make(chan decided, 8)}
	d.operator, err = terminal.New(tty, d.screen, "kim@example.com")
	require.NoError(t, err)
	return d
}

// typeLine types, and waits until the terminal has it.
func (d *desk) typeLine(text string) {
	d.t.Helper()
	_, err := io.WriteString(d.keyboard, text+"\n")
	require.NoError(d.t, err)
}

// typeAhead types while nobody reads, and waits until it is in the queue.
func (d *desk) typeAhead(text string) {
	d.t.Helper()
	d.typeLine(text)
	for n := 0; n < len(text)+1; runtime.Gosched() {
		var err error
		n, err = pty.Queued(d.tty)
		require.NoError(d.t, err)
		require.NoError(d.t, d.ctx.Err())
	}
}

func (d *desk) ask(ctx context.Context, r hitl.Request) {
	go func() {
		dec, err := d.operator.Decide(ctx, r)
		d.decided <- decided{r.ID, dec, err}
	}()
}

// prompted waits until this is the prompt, for the nth time, and returns what
// can be seen.
func (d *desk) prompted(prompt string, n int) string {
	d.t.Helper()
	text, err := d.seen.Wait(d.ctx, func(text string) bool {
		last := strings.TrimRight(text, "\n")
		return strings.Count(text, prompt) == n && strings.Contains(last[strings.LastIndex(last, "\n")+1:], prompt)
	})
	require.NoError(d.t, err)
	return text
}

func (d *desk) result() decided {
	d.t.Helper()
	select {
	case got := <-d.decided:
		return got
	case <-d.ctx.Done():
		require.Fail(d.t, "nothing was decided", "%s", d.seen)
		return decided{}
	}
}

// lastCode returns the code that was shown last.
func lastCode(t *testing.T, text string) string {
	t.Helper()
	all := shownCode.FindAllStringSubmatch(text, -1)
	require.NotEmpty(t, all, text)
	return all[len(all)-1][1]
}

func TestTypedAheadApprovesNothing(t *testing.T) {
	d := newDesk(t)
	d.typeAhead("yes")
	d.ask(d.ctx, approval)
	text := d.prompted("Approve? [yes/no] ", 1)
	require.Contains(t, text, "What was typed before this was shown does not count")
	require.Empty(t, d.decided)
	d.typeLine("no")
	d.prompted("Reason (may be empty): ", 1)
	d.typeLine("too much")
	got := d.result()
	require.NoError(t, got.err)
	require.Equal(t, hitl.Decision{By: "kim@example.com", Reason: "too much", Source: hitl.SourcePerson}, got.d)
}

// A denial, an answer and half a line count for as little.
func TestTypedAheadDecidesNothing(t *testing.T) {
	d := newDesk(t)
	d.typeAhead("no")
	_, _ = io.WriteString(d.keyboard, "y") // and the rest of it later
	d.ask(d.ctx, approval)
	d.prompted("Approve? [yes/no] ", 1)
	d.typeLine("es")
	text := d.prompted("Approve? [yes/no] ", 2)
	require.Contains(t, text, `"es" is no answer to this. Type "yes" or "no".`)
	d.typeLine("Y")
	got := d.result()
	require.NoError(t, got.err)
	require.Equal(t, hitl.Decision{Verdict: hitl.Approved, By: "kim@example.com", Reason: "approved at the terminal", Source: hitl.SourcePerson}, got.d)
	require.NotContains(t, d.seen.String(), "Reason (may be empty)")
}

func TestDoubledYesApprovesOne(t *testing.T) {
	d := newDesk(t)
	d.ask(d.ctx, approval)
	d.prompted("Approve? [yes/no] ", 1)
	other := approval
	other.ID, other.Title = "r2", "Refund 9000 EUR"
	d.ask(d.ctx, other)
	require.NotContains(t, d.seen.String(), "Refund 9000", "one at a time")
	d.typeLine("yes\nyes")
	require.Equal(t, "r", d.result().id)
	text, err := d.seen.Wait(d.ctx, func(s string) bool { return regexp.MustCompile(`\[yes \w{4}/no \w{4}\] $`).MatchString(s) })
	require.NoError(t, err)
	require.Contains(t, text, "Another request was here just before")
	d.typeLine("yes") // a third, slower one
	text = d.prompted("Approve? [yes "+lastCode(t, text), 2)
	require.Empty(t, d.decided)
	d.typeLine("yes " + strings.ToLower(lastCode(t, text)))
	got := d.result()
	require.NoError(t, got.err)
	require.Equal(t, hitl.Approved, got.d.Verdict)
}

// What the person types for a request that goes away is thrown away with it.
func TestGoneWhileTheyType(t *testing.T) {
	d := newDesk(t)
	gone, cancel := context.WithCancelCause(d.ctx)
	d.ask(gone, approval)
	d.prompted("Approve? [yes/no] ", 1)
	_, _ = io.WriteString(d.keyboard, "ye")
	cancel(hitl.ErrRequestChanged)
	require.ErrorIs(t, d.result().err, hitl.ErrRequestChanged)
	_, err := d.seen.Wait(d.ctx, func(s string) bool { return strings.Contains(s, "(No longer needed: ") })
	require.NoError(t, err)
	d.ask(d.ctx, question)
	text, err := d.seen.Wait(d.ctx, func(s string) bool { return strings.Contains(s, "Answer? [yes ") && strings.HasSuffix(s, "] ") })
	require.NoError(t, err)
	d.typeLine("s")
	d.prompted("Answer? [yes "+lastCode(t, text), 2)
	d.typeLine("yes " + lastCode(t, text))
	for i, answer := range []string{"S", "red", "because"} {
		text := d.prompted(", or /deny: ", i+1)
		require.Contains(t, text, fmt.Sprintf("%d. %s", i+1, question.Questions[i].Question))
		d.typeLine(answer)
	}
	got := d.result()
	require.NoError(t, got.err)
	require.Equal(t, "red", got.d.Answers["Colours?"])
}

// A text that was cut is approved once it was read to its end, or by the code.
func TestCutText(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	long := approval
	long.Description = strings.Repeat("all quite harmless\n", 300) + "and erase everything"
	for name, page := range map[string]bool{"paged": true, "code": false} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.ask(d.ctx, long)
			text, err := d.seen.Wait(d.ctx, func(s string) bool { return strings.HasSuffix(s, "/no/all] ") })
			require.NoError(t, err)
			require.NotContains(t, text, "erase everything")
			d.typeLine("yes")
			d.prompted("Approve? [yes "+lastCode(t, text), 2)
			if !page {
				d.typeLine("yes " + lastCode(t, text))
				require.Equal(t, hitl.Approved, d.result().d.Verdict)
				return
			}
			d.typeLine("all")
			d.prompted("-- page 1 of ", 1)
			d.typeLine("q")
			d.prompted("Approve? [yes "+lastCode(t, text), 3)
			d.typeLine("all")
			text = d.prompted("-- page 1 of ", 2)
			var pages int
			_, err = fmt.Sscanf(text[strings.LastIndex(text, "-- page 1 of "):], "-- page 1 of %d;", &pages)
			require.NoError(t, err)
			for i := 2; i <= pages; i++ {
				d.typeLine("")
				if i < pages {
					d.prompted(fmt.Sprintf("-- page %d of ", i), 1)
				}
			}
			text = d.prompted("Approve? [yes/no] ", 1)
			require.Contains(t, text, "and erase everything")
			d.typeLine("yes")
			require.Equal(t, hitl.Approved, d.result().d.Verdict)
		})
	}
}

// What is typed before a page was on the screen is no answer to what stands on it:
// it neither turns the pages nor approves, nor answers questions.
func TestTypedAheadOfThePagesDecidesNothing(t *testing.T) {
	for name, r := range map[string]hitl.Request{"approval": approval, "question": question} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			r.Description = strings.Repeat("all quite harmless\n", 300) + "and wire 9000 EUR abroad"
			d.ask(d.ctx, r)
			d.prompted("/no/all] ", 1)
			d.typeLine("all" + strings.Repeat("\n", 100) + "yes\n1\n1\nbecause")
			d.prompted("-- page 1 of ", 1)
			require.Empty(t, d.decided)
			d.typeLine("\nyes\n1\n1\nbecause") // and with it the second page's, and so on
			text := d.prompted("-- page 2 of ", 1)
			require.NotContains(t, text, "That was all of it")
			require.Empty(t, d.decided)
		})
	}
}

// The prompt stays the last thing on the screen, whatever the program writes.
func TestPromptStaysLast(t *testing.T) {
	d := newDesk(t)
	fmt.Fprintln(d.screen, "started")
	d.screen.Status("[0.1s] waiting")
	_, err := d.seen.Wait(d.ctx, func(s string) bool { return strings.HasSuffix(s, "\n[0.1s] waiting") })
	require.NoError(t, err)
	fmt.Fprint(d.screen, "half a line")
	d.ask(d.ctx, approval)
	fmt.Fprintln(d.screen, "the Job asks")
	d.screen.Status("[0.2s] waiting")
	text := d.prompted("Approve? [yes/no] ", 1)
	require.NotContains(t, text, "waiting")
	fmt.Fprintln(d.screen, "another Job has ended")
	d.screen.Status("[0.3s] waiting")
	require.Equal(t, text, d.seen.String())

	fmt.Fprintln(d.screen, strings.Repeat("so much\n", 10_000)) // more than is held back
	text = d.prompted("Approve? [yes/no] ", 2)
	require.True(t, strings.HasSuffix(text, "Approve? [yes/no] "))
	require.Equal(t, 2, strings.Count(text, "Refund<U+001B>"), "the question is shown again with it")
	require.Contains(t, text, "another Job has ended")
	fmt.Fprintln(d.screen, "after that")
	d.typeLine("yes")
	require.Equal(t, hitl.Approved, d.result().d.Verdict)
	_, err = d.seen.Wait(d.ctx, func(s string) bool {
		return strings.HasSuffix(s, "Approve? [yes/no] yes\nafter that\n[0.3s] waiting")
	})
	require.NoError(t, err)
	d.screen.Status("")
	_, err = d.seen.Wait(d.ctx, func(s string) bool { return strings.HasSuffix(s, "after that\n") })
	require.NoError(t, err)
}

func TestEndOfInputAtATerminal(t *testing.T) {
	d := newDesk(t)
	d.ask(d.ctx, approval)
	d.prompted("Approve? [yes/no] ", 1)
	_, _ = io.WriteString(d.keyboard, "\x04") // ctrl-D
	got := d.result()
	require.ErrorIs(t, got.err, terminal.ErrNoInput)
	require.Equal(t, hitl.Decision{}, got.d)
}
