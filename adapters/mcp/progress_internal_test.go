package mcp

import (
	"context"
	"errors"
	"testing"

	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// A host's model reads progress. Why the program failed is for the program alone.
func TestProgressKeepsTheProgramsErrors(t *testing.T) {
	th := &thread{lines: make(chan string, 1)}
	e := outcome.Event{Kind: outcome.EventParked, JobID: "j-1", Err: errors.New("the policy failed: dial db.internal")}.
		WithContext(context.WithValue(t.Context(), threadKey{}, th))
	var told outcome.Event
	Progress(func(e outcome.Event) { told = e })(e)
	line := <-th.lines
	require.Contains(t, line, "the call ended without an outcome")
	require.NotContains(t, line, "db.internal")
	require.Contains(t, told.String(), "db.internal", "who observes has it")
}
