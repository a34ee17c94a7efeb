package terminal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/duvotool/duvotool/adapters/terminal"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/syncbuf"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	approval = hitl.Request{JobID: "j", ID: "r", Kind: duvo.Approval, Title: "Refund\x1b[31m 120 EUR", Description: "line one\nline two\u202e"}
	question = hitl.Request{JobID: "j", ID: "r", Kind: duvo.Question, Title: "Sizes", Questions: []duvo.QuestionItem{
		{Question: "Which?", Options: []duvo.Choice{{Label: "S"}, {Label: "M"}}},
		{Question: "Colours?", MultiSelect: true, Options: []duvo.Choice{{Label: "red"}, {Label: "2"}, {Label: "blue"}}},
		{Question: "Why?"},
	}}
)

// A pipe is an operator whose input is no terminal.
type pipe struct {
	t        *testing.T
	in       *io.PipeWriter
	out      syncbuf.Buffer
	operator *terminal.Operator
}

func newPipe(t *testing.T) *pipe {
	in, typed := io.Pipe()
	p := &pipe{t: t, in: typed}
	var err error
	p.operator, err = terminal.New(in, &p.out, "kim@example.com")
	require.NoError(t, err)
	return p
}

// ask asks in a bubble, types each of the lines once all is waiting, with CODE
// for the code that was shown last, and then ends the input.
func ask(t *testing.T, r hitl.Request, lines ...string) (d hitl.Decision, out string, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			d, err = p.operator.Decide(t.Context(), r)
		}()
		for _, line := range lines {
			synctest.Wait()
			select {
			case <-done:
				t.Errorf("decided before %q", line)
			default:
			}
			p.answer(line)
		}
		synctest.Wait()
		p.in.Close()
		<-done
		out = p.out.String()
	})
	return d, out, err
}

func (p *pipe) answer(line string) {
	_, err := io.WriteString(p.in, strings.ReplaceAll(line, "CODE", p.code())+"\n")
	require.NoError(p.t, err)
}

func (p *pipe) code() string {
	all := shownCode.FindAllStringSubmatch(p.out.String(), -1)
	require.NotEmpty(p.t, all, p.out.String())
	return all[len(all)-1][1]
}

var shownCode = regexp.MustCompile(`yes ([2-9A-Z]{4})`)

func TestApprovals(t *testing.T) {
	yes := hitl.Approve("kim@example.com", "approved with the code that was shown")
	for _, c := range []struct {
		lines []string
		want  hitl.Decision
	}{
		{[]string{"yes CODE"}, yes},
		{[]string{"  Y   CODE "}, yes},
		{[]string{"", "what", "yes", "y", "yes 1111", "no", "yes CODE more", "all", "yes CODE"}, yes},
		{[]string{"no CODE", "too much"}, hitl.Deny("kim@example.com", "too much")},
		{[]string{"n CODE", ""}, hitl.Deny("kim@example.com", "")},
	} {
		c.want.Source = hitl.SourcePerson
		d, out, err := ask(t, approval, c.lines...)
		require.NoError(t, err)
		require.Equal(t, c.want, d, "%q", c.lines)
		require.Contains(t, out, "Refund<U+001B>[31m 120 EUR")
		require.Contains(t, out, "line two<U+202E>")
		require.NotContains(t, out, "\x1b")
		require.Contains(t, out, "answer with the code")
		for _, useless := range c.lines[:len(c.lines)-1] {
			if !strings.Contains(useless, "CODE") {
				require.Contains(t, out, fmt.Sprintf("%q is no answer to this. Type \"yes ", useless))
			}
		}
	}
	for _, lines := range [][]string{{}, {"maybe"}, {"yes"}, {"no CODE"}} {
		d, _, err := ask(t, approval, lines...)
		require.ErrorIs(t, err, terminal.ErrNoInput, "%q", lines)
		require.Equal(t, hitl.Decision{}, d)
	}
}

// What was piped before, and without an end, decides nothing.
func TestPipedAheadDecidesNothing(t *testing.T) {
	for _, r := range []hitl.Request{approval, question} {
		for _, piped := range []string{"yes\n", "no\nreason\n", "1\n1\nbecause\n", "yes", "/deny\n"} {
			var out bytes.Buffer
			o, err := terminal.New(strings.NewReader(piped), &out, "kim@example.com")
			require.NoError(t, err)
			d, err := o.Decide(t.Context(), r)
			require.ErrorIs(t, err, terminal.ErrNoInput)
			require.Equal(t, hitl.Decision{}, d)
		}
	}
	// The code alone makes no whole line.
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t)
		done := make(chan error)
		go func() { _, err := p.operator.Decide(t.Context(), approval); done <- err }()
		synctest.Wait()
		_, _ = io.WriteString(p.in, "yes "+p.code())
		p.in.Close()
		require.ErrorIs(t, <-done, terminal.ErrNoInput)
	})
	// Nor does a program that says yes for ever.
	o, err := terminal.New(forever("y\n"), io.Discard, "kim@example.com")
	require.NoError(t, err)
	_, err = o.Decide(t.Context(), approval)
	require.ErrorContains(t, err, "none was an answer")
}

type forever string

func (f forever) Read(p []byte) (int, error) { return copy(p, f), nil }

func TestQuestions(t *testing.T) {
	d, out, err := ask(t, question, "yes CODE", "9", "1,3", "because", "2", "1, 3", "because")
	require.NoError(t, err)
	require.Equal(t, map[string]string{"Which?": "M", "Colours?": "red, blue", "Why?": "because"}, d.Answers)
	require.Equal(t, hitl.SourcePerson, d.Source)
	require.Contains(t, out, `must be one of "S", "M"`)
	// A label that is a number is itself.
	d, _, err = ask(t, question, "yes CODE", "S", "2", "x")
	require.NoError(t, err)
	require.Equal(t, "2", d.Answers["Colours?"])
	for _, lines := range [][]string{{"yes CODE", "S", "/deny"}, {"no CODE"}} {
		d, _, err = ask(t, question, lines...)
		require.NoError(t, err)
		require.Equal(t, hitl.Denied, d.Verdict)
		require.Equal(t, "kim@example.com", d.By)
	}
}

// A Job chooses the labels: what is one option by its number and another by its
// label is asked for again.
func TestNumbersThatAreLabels(t *testing.T) {
	for _, c := range []struct {
		several bool
		labels  []string
		typed   string
		want    string // empty: asked again
	}{
		{false, []string{"none", "1"}, "1", ""},
		{false, []string{"none", "01"}, "01", ""},
		{false, []string{"2", "keep"}, "2", ""}, // stands at place 1
		{false, []string{"2", "keep"}, "1", "2"},
		{false, []string{"2", "1"}, "1", ""},
		{true, []string{"2", "keep"}, "2", ""},
		{false, []string{"none", " 1 "}, "1", ""},
		{false, []string{"none", "1"}, "2", "1"},
		{false, []string{"none", "7"}, "7", "7"}, // there is no [7]
		{true, []string{"none", "1", "red"}, "1,3", ""},
		{true, []string{"none", "1", "red"}, "1,red", ""},
		{true, []string{"none", "1", "red"}, "2,3", "1, red"},
		{true, []string{"none", "red", "1,2"}, "1, 2", ""},
		{true, []string{"none", "red", "1, 2"}, "1,2", ""},
		{true, []string{"none", "red", "1,2"}, "3", "1,2"},
	} {
		r := question
		q := duvo.QuestionItem{Question: "Which?", MultiSelect: c.several}
		for _, l := range c.labels {
			q.Options = append(q.Options, duvo.Choice{Label: l})
		}
		r.Questions = []duvo.QuestionItem{q}
		lines := []string{"yes CODE", c.typed}
		if c.want == "" {
			lines = append(lines, "/deny")
		}
		d, out, err := ask(t, r, lines...)
		require.NoError(t, err)
		require.Equal(t, c.want, d.Answers["Which?"], "%+v", c)
		if c.want == "" {
			require.Contains(t, out, "is by number one option, and what another one is called", "%+v", c)
		}
	}
}

// Where no answer tells which of two is meant the person is told, and nothing is
// answered.
func TestQuestionsThatNoAnswerFits(t *testing.T) {
	yesNo := []duvo.Choice{{Label: "yes"}, {Label: "no"}}
	r := question
	r.Questions = []duvo.QuestionItem{
		{Question: "Go on?", Header: "Delete all orders", Options: yesNo},
		{Question: "Go on?", Header: "Send the report", Options: yesNo},
	}
	d, out, err := ask(t, r)
	require.NoError(t, err)
	require.True(t, d.NobodyAsked())
	require.Contains(t, out, `cannot be answered here: the question "Go on?" is asked twice`)
	require.Contains(t, d.Reason, `the question "Go on?" is asked twice`)

	r.Questions = []duvo.QuestionItem{{Question: "Which?", MultiSelect: true, Options: []duvo.Choice{{Label: "Refund"}, {Label: "Close"}, {Label: "Refund, Close"}}}}
	d, out, err = ask(t, r, "yes CODE", "1,2", "2,1")
	require.NoError(t, err)
	require.Contains(t, out, "can be read as more than one choice")
	require.Equal(t, map[string]string{"Which?": "Close, Refund"}, d.Answers)
}

// What is typed for a request that went away is no answer to the next one, and
// the code of one none of the other.
func TestYesForAnotherRequestApprovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t)
		gone, cancel := context.WithCancelCause(t.Context())
		done := make(chan error)
		go func() { _, err := p.operator.Decide(gone, approval); done <- err }()
		synctest.Wait()
		old := p.code()
		cancel(hitl.ErrAnsweredElsewhere)
		require.ErrorIs(t, <-done, hitl.ErrAnsweredElsewhere)
		require.Contains(t, p.out.String(), "No longer needed: the request no longer waits for an answer")

		other := approval
		other.ID = "r2"
		var d hitl.Decision
		p.answer("yes " + old)
		go func() {
			var err error
			d, err = p.operator.Decide(t.Context(), other)
			done <- err
		}()
		synctest.Wait()
		require.NotEqual(t, old, p.code())
		for _, line := range []string{"yes", "yes " + old, "no " + old} {
			p.answer(line)
			synctest.Wait()
			require.Empty(t, done)
		}
		p.answer("yes CODE")
		require.NoError(t, <-done)
		require.Equal(t, hitl.Approved, d.Verdict)
		p.in.Close()
	})
}

// A request that cannot be shown is not decided.
func TestNothingIsShown(t *testing.T) {
	o, err := terminal.New(strings.NewReader("yes\n"), broken{}, "kim@example.com")
	require.NoError(t, err)
	d, err := o.Decide(t.Context(), approval)
	require.ErrorContains(t, err, "showing the request: broken")
	require.Equal(t, hitl.Decision{}, d)
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken") }

// Requests are shown one at a time, and one that ends while it waits for its
// turn is never shown.
func TestOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = p.operator.Decide(ctx, approval) })
		synctest.Wait()
		second, end := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := p.operator.Decide(second, question); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		end()
		synctest.Wait()
		require.NotContains(t, p.out.String(), "Sizes")
		p.answer("yes CODE")
		wg.Wait()
		p.in.Close()
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
