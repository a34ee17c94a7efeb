package terminal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/terminal"
	"github.com/duvotool/duvotool/duvo"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	approval = duvotool.Request{JobID: "j", ID: "r", Kind: duvo.Approval, Title: "Refund\x1b[31m 120 EUR", Description: "line one\nline two\u202e"}
	question = duvotool.Request{JobID: "j", ID: "r", Kind: duvo.Question, Title: "Sizes", Questions: []duvo.QuestionItem{
		{Question: "Which?", Options: []duvo.Choice{{Label: "S"}, {Label: "M"}}},
		{Question: "Colours?", MultiSelect: true, Options: []duvo.Choice{{Label: "red"}, {Label: "2"}, {Label: "blue"}}},
		{Question: "Why?"},
	}}
)

func ask(t *testing.T, typed string, r duvotool.Request) (duvotool.Decision, string, error) {
	t.Helper()
	var out bytes.Buffer
	o, err := terminal.New(strings.NewReader(typed), &out, "kim@example.com")
	require.NoError(t, err)
	d, err := o.Decide(t.Context(), r)
	return d, out.String(), err
}

func TestApprovals(t *testing.T) {
	for typed, want := range map[string]duvotool.Decision{
		"yes\n":               duvotool.Approve("kim@example.com", "approved at the terminal"),
		" Y \n":               duvotool.Approve("kim@example.com", "approved at the terminal"),
		"yes":                 duvotool.Approve("kim@example.com", "approved at the terminal"),
		"no\ntoo much\n":      duvotool.Deny("kim@example.com", "too much"),
		"n\n\n":               duvotool.Deny("kim@example.com", ""),
		"\nwhat\nyess\nyes\n": duvotool.Approve("kim@example.com", "approved at the terminal"),
	} {
		want.Source = duvotool.SourcePerson
		d, out, err := ask(t, typed, approval)
		require.NoError(t, err)
		require.Equal(t, want, d, typed)
		require.Contains(t, out, "Refund<U+001B>[31m 120 EUR")
		require.Contains(t, out, "line two<U+202E>")
		require.NotContains(t, out, "\x1b")
	}
	for _, typed := range []string{"", "maybe\n", "no\n"} {
		_, _, err := ask(t, typed, approval)
		require.ErrorIs(t, err, terminal.ErrNoInput, "%q", typed)
	}
}

func TestQuestions(t *testing.T) {
	d, out, err := ask(t, "9\n1,3\nbecause\n"+"2\n1, 3\nbecause\n", question)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"Which?": "M", "Colours?": "red, blue", "Why?": "because"}, d.Answers)
	require.Contains(t, out, `must be one of "S", "M"`)
	// A label that is a number is itself.
	d, _, err = ask(t, "S\n2\nx\n", question)
	require.NoError(t, err)
	require.Equal(t, "2", d.Answers["Colours?"])
	d, _, err = ask(t, "S\n/deny\n", question)
	require.NoError(t, err)
	require.Equal(t, duvotool.Denied, d.Verdict)
	require.Equal(t, "kim@example.com", d.By)
}

// What is typed for a request that went away is no answer to the next one.
func TestYesForAnotherRequestApprovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, typed := io.Pipe()
		var out syncBuffer
		o, err := terminal.New(in, &out, "kim@example.com")
		require.NoError(t, err)
		gone, cancel := context.WithCancelCause(t.Context())
		done := make(chan error)
		go func() { _, err := o.Decide(gone, approval); done <- err }()
		synctest.Wait()
		cancel(duvotool.ErrAnsweredElsewhere)
		require.ErrorIs(t, <-done, duvotool.ErrAnsweredElsewhere)
		require.Contains(t, out.String(), "No longer needed: the request no longer waits for an answer")

		other := approval
		other.ID = "r2"
		var d duvotool.Decision
		go func() {
			var err error
			d, err = o.Decide(t.Context(), other)
			done <- err
		}()
		fmt.Fprint(typed, "yes\n")
		fmt.Fprint(typed, "y\n")
		synctest.Wait()
		require.Zero(t, d.Verdict)
		fmt.Fprint(typed, "yes "+other.Digest()[:4]+"\n")
		require.NoError(t, <-done)
		require.Equal(t, duvotool.Approved, d.Verdict)
		typed.Close()
	})
}

// Requests are shown one at a time, and one that ends while it waits for its
// turn is never shown.
func TestOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, typed := io.Pipe()
		var out syncBuffer
		o, err := terminal.New(in, &out, "kim@example.com")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = o.Decide(ctx, approval) })
		synctest.Wait()
		second, end := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := o.Decide(second, question); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		end()
		synctest.Wait()
		require.NotContains(t, out.String(), "Sizes")
		fmt.Fprint(typed, "yes\n")
		wg.Wait()
		typed.Close()
	})
}

func TestNewRefusesNonsense(t *testing.T) {
	_, err := terminal.New(nil, io.Discard, "kim")
	require.Error(t, err)
	_, err = terminal.New(strings.NewReader(""), nil, "kim")
	require.Error(t, err)
	_, err = terminal.New(strings.NewReader(""), io.Discard, " ")
	require.Error(t, err)
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
