package duvotool

import (
	"slices"
	"strings"

	"github.com/duvotool/duvotool/duvo"
)

// outcomeOf maps a terminal status.
func outcomeOf(s duvo.Status) Outcome {
	switch s {
	case duvo.StatusCompleted:
		return OutcomeCompleted
	case duvo.StatusFailed:
		return OutcomeFailed
	case duvo.StatusInterrupted:
		return OutcomeInterrupted
	}
	return OutcomeStopped
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
