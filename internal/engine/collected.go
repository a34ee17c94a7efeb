package engine

import (
	"slices"
	"strings"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/outcome"
)

// outcomeOf maps a terminal status.
func outcomeOf(s duvo.Status) outcome.Outcome {
	switch s {
	case duvo.StatusCompleted:
		return outcome.OutcomeCompleted
	case duvo.StatusFailed:
		return outcome.OutcomeFailed
	case duvo.StatusInterrupted:
		return outcome.OutcomeInterrupted
	}
	return outcome.OutcomeStopped
}

// lastWords returns the text of the last assistant message that has one.
func lastWords(messages []duvo.Message) string {
	for _, m := range slices.Backward(messages) {
		if m.Role == "assistant" && strings.TrimSpace(m.Text) != "" {
			return m.Text
		}
	}
	return ""
}
