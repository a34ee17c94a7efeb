package hitl_test

import (
	"strings"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

func asking(questions ...duvo.QuestionItem) hitl.Request {
	return hitl.Request{JobID: "j", ID: "r", Kind: duvo.Question, Title: "Some things", Questions: questions}
}

func options(labels ...string) (out []duvo.Choice) {
	for _, l := range labels {
		out = append(out, duvo.Choice{Label: l})
	}
	return out
}

// An answer goes out under the question's text, as labels: where one of them is
// there twice no answer tells which is meant, and every policy sends nothing.
func TestRequestsThatNoAnswerFits(t *testing.T) {
	for name, req := range map[string]hitl.Request{
		"a question twice": asking(
			duvo.QuestionItem{Question: "Go on?", Header: "Delete all orders", Options: options("yes", "no")},
			duvo.QuestionItem{Question: "Go on?", Header: "Send the report", Options: options("yes", "no")}),
		"a question twice, free text": asking(duvo.QuestionItem{Question: "Go on?"}, duvo.QuestionItem{Question: "Go on?"}),
		"an option twice": asking(duvo.QuestionItem{Question: "Go on?", Options: []duvo.Choice{
			{Label: "yes", Description: "refund 1 EUR"}, {Label: "yes", Description: "refund 9999 EUR"}}}),
		"an option twice, of several": asking(duvo.QuestionItem{Question: "Go on?", MultiSelect: true, Options: options("yes", "no", "no")}),
	} {
		yes := map[string]string{"Go on?": "yes"}
		require.ErrorContains(t, req.CheckAnswerable(), `the question "Go on?"`, name)
		require.Equal(t, req.CheckAnswerable(), req.CheckAnswers(yes), name)
		require.ErrorIs(t, hitl.Answer("kim", yes).Check(req), hitl.ErrInvalidDecision, name)
		d, err := hitl.Answers("kim", yes).Decide(t.Context(), req)
		require.NoError(t, err)
		require.Equal(t, hitl.Passed, d.Verdict, name)
		require.Contains(t, d.Reason, `the question "Go on?"`, name)
	}
	require.NoError(t, asking(duvo.QuestionItem{Question: "Go on?", Options: options("yes", "Yes", "no ")},
		duvo.QuestionItem{Question: "Go on, then?", Options: options("yes", "no")}).CheckAnswerable())
	require.NoError(t, hitl.Request{Kind: duvo.Approval}.CheckAnswerable())
}

// Several choices that read like another one once they are joined are not sent.
func TestJoinedChoicesThatReadTwoWays(t *testing.T) {
	for _, c := range []struct {
		labels, chosen []string
		ok             bool
	}{
		{[]string{"Refund", "Close", "Refund, Close"}, []string{"Refund", "Close"}, false},
		{[]string{"Refund", "Close", "Refund, Close"}, []string{"Refund, Close"}, false},
		{[]string{"Refund", "Close", "Refund, Close"}, []string{"Close", "Refund"}, true},
		{[]string{"Refund", "Close", "Refund, Close"}, []string{"Close"}, true},
		{[]string{"Refund", "Close", "Refund,Close"}, []string{"Refund,Close"}, false},
		{[]string{"a", "a, a"}, []string{"a, a"}, false}, // or a, said twice
		{[]string{"x, y", "x", "y, x"}, []string{"x, y", "x"}, false},
		{[]string{"x", "Keep", " Keep"}, []string{"x", " Keep"}, false},
		{[]string{"Keep", " Keep"}, []string{" Keep"}, true},
		{[]string{"Keep", " Hold"}, []string{"Keep", " Hold"}, true},
		{[]string{"a, b", "c"}, []string{"c", "a, b"}, true},
		{[]string{"a", "b"}, []string{"a", "a"}, false},
		{[]string{"a", ""}, []string{"", "a"}, false},
	} {
		req := asking(duvo.QuestionItem{Question: "Which?", MultiSelect: true, Options: options(c.labels...)})
		err := req.CheckAnswers(map[string]string{"Which?": hitl.JoinChoices(c.chosen...)})
		require.Equal(t, c.ok, err == nil, "%q of %q: %v", c.chosen, c.labels, err)
	}
	long := asking(duvo.QuestionItem{Question: "Which?", MultiSelect: true, Options: options("a", "b")})
	require.Error(t, long.CheckAnswers(map[string]string{"Which?": strings.Repeat("a, ", 1<<20) + "b"}))
}
