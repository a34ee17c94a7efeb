package main

import (
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// Two flags that answer one question differently answer nothing.
func TestFlagsThatContradictEachOther(t *testing.T) {
	ask := func(flags ...string) (hitl.Decision, error) {
		var a answerFlags
		for _, f := range flags {
			require.NoError(t, a.Set(f))
		}
		return a.decide(t.Context(), hitl.Request{Kind: duvo.Question, Questions: []duvo.QuestionItem{{Question: "a=b?"}}})
	}
	_, err := ask("a=b?=yes", "a=b?=no")
	require.ErrorContains(t, err, "has two answers")
	for _, flags := range [][]string{{"a=b?=yes"}, {"a=b?=yes", "a=b?=yes"}, {"a=c", "a=b?=yes"}} {
		d, err := ask(flags...)
		require.NoError(t, err)
		require.Equal(t, "yes", d.Answers["a=b?"])
	}
}
