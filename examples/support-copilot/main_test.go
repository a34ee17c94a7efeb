package main

import (
	"context"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/adapters/terminal"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/examples/internal/attended"
	"github.com/duvotool/duvotool/examples/internal/setup"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/pty"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { attended.Main(main, func() { goleak.VerifyTestMain(m) }) }

// serve runs the copilot on a message and returns its Jobs by the Assignment's
// name.
func serve(t *testing.T, text string, operator hitl.Policy) (map[string]duvotest.JobRecord, string) {
	t.Helper()
	before := *message
	t.Cleanup(func() { *message = before })
	*message = text
	all, out, err := setup.Trial(t.Context(), emulated(), script, operator, run)
	require.NoError(t, err)
	jobs := map[string]duvotest.JobRecord{}
	for _, j := range all {
		require.NotContains(t, jobs, j.AssignmentName, "one Job each")
		require.Equal(t, duvo.StatusCompleted, j.Status)
		jobs[j.AssignmentName] = j
	}
	return jobs, out
}

func approved(t *testing.T, j duvotest.JobRecord) bool {
	t.Helper()
	require.Len(t, j.Requests, 1)
	require.NotNil(t, j.Requests[0].Response)
	return *j.Requests[0].Response.Approved
}

func TestNobodyIsThere(t *testing.T) {
	jobs, out := serve(t, *message, nil)
	require.Len(t, jobs, 3)
	require.Equal(t, "Where is my order 4711?", jobs["Order status"].Input)
	require.Empty(t, jobs["Order status"].Requests)
	require.True(t, approved(t, jobs["Vouchers"]), "by the rule")
	require.False(t, approved(t, jobs["Data erasure"]))
	require.Contains(t, out, "Nothing was erased.")
	require.Contains(t, out, "what nobody is there to decide")
}

var prompt = regexp.MustCompile(`\[yes (\w{4})/no \w{4}\] `)

func TestPersonAtTheTerminal(t *testing.T) {
	for typed, want := range map[string]bool{"yes CODE\n": true, "no CODE\nwho is this?\n": false} {
		in, keyboard := io.Pipe()
		var screen pty.Screen
		operator, err := terminal.New(in, &screen, "kim@example.com")
		require.NoError(t, err)
		go func() {
			defer keyboard.Close()
			text, err := screen.Wait(t.Context(), func(s string) bool { return prompt.MatchString(s) })
			if err == nil {
				_, _ = io.WriteString(keyboard, strings.ReplaceAll(typed, "CODE", prompt.FindStringSubmatch(text)[1]))
			}
		}()
		jobs, out := serve(t, *message, operator)
		require.Equal(t, want, approved(t, jobs["Data erasure"]))
		require.Contains(t, screen.String(), "Erase 17 records of a customer")
		require.NotContains(t, screen.String(), "voucher of", "the rule needed nobody")
		require.Contains(t, out, `"Data erasure": `+map[bool]string{true: "approved", false: "denied"}[want]+" by kim@example.com")
	}
}

// What the rule does not allow goes to a person, and what no case is for to
// nobody.
func TestRules(t *testing.T) {
	var asked []string
	person := hitl.Forward(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
		asked = append(asked, r.Title)
		return hitl.Deny("kim@example.com", "too much"), nil
	})
	jobs, _ := serve(t, "I was promised a large voucher because of the delay.", person)
	require.False(t, approved(t, jobs["Vouchers"]))
	require.Equal(t, []string{"Give a voucher of 50 EUR"}, asked)

	moved := hitl.Request{Kind: duvo.Approval, Title: "Give a voucher of 5 EUR", Assignment: duvo.Assignment{ID: "another", Name: "Vouchers"}}
	d, err := rules(person).Decide(t.Context(), moved)
	require.NoError(t, err)
	require.NotEqual(t, hitl.Approved, d.Verdict)
	require.Len(t, asked, 1)
}
