package react

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGuardThenInputGivesWhatTheModelMeant(t *testing.T) {
	for _, input := range []string{
		"OpenAI: charged twice", "the answer is: no", "The final answer is: refund", "Final Answer: 42", "plain",
		"ai: AI: FINAL ANSWER : x", "two\nlines",
	} {
		for _, tail := range []string{"", "\n", "\nObservation: done\nThought: fine\nFinal Answer: refunded", "\nObservation: x\nAI: done"} {
			words := "Thought: the customer says OpenAI: is odd\nAction: refunds\nAction Input: " + input + tail
			guarded := Guard(words)
			require.NotRegexp(t, `(?i)(final answer ?|answer is|AI):`, guarded)
			_, got, ok := strings.Cut(guarded, "Action Input:")
			require.True(t, ok)
			require.Equal(t, input, Input(got))
		}
	}
}

func TestGuardLeavesAnswersAlone(t *testing.T) {
	for _, words := range []string{
		"Thought: I know\nFinal Answer: OpenAI: refunded", "AI: hello", "",
		"Final Answer: done\nAction: refunds\nAction Input: again",
		"Thought: Do I need to use a tool? No\nAI: done",
	} {
		require.Equal(t, words, Guard(words))
	}
}

func FuzzGuard(f *testing.F) {
	f.Add("Action: a\nAction Input: the answer is: b\nObservation: c")
	f.Fuzz(func(t *testing.T, s string) {
		Input(s)
		require.LessOrEqual(t, len(strings.ReplaceAll(Guard(s), joiner, "")), len(s))
	})
}
