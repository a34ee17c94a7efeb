package duvotool_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// A Job whose messages fit the bound of what is read, but a page of them not the
// bound of an answer, is collected whole.
func TestManyLargeMessages(t *testing.T) {
	long(t)
	large := duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: func(j *duvotest.Job) {
		for i := range 49 {
			j.Say(fmt.Sprint(i, strings.Repeat("x", 400<<10)))
		}
		j.Complete("refunded " + strings.Repeat("x", 400<<10))
	}}
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		res, err := mustTool(discover(t, d.Client()), "refunds").Run(t.Context(), "order 4711")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
		require.Len(t, res.Messages, 51)
		require.True(t, strings.HasPrefix(res.Output, "refunded"))
		require.Less(t, d.Count("listRunMessages"), 6)
	}, duvotest.WithAssignment(large))
}

// The errors of tools count for what is kept of a Job, as everything does that can
// be long.
func TestErrorsOfToolsAreBounded(t *testing.T) {
	long(t)
	text := strings.Repeat("x", 15<<20)
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		res, err := mustTool(discover(t, d.Client()), "refunds").Run(t.Context(), "order 4711")
		require.NoError(t, err)
		require.Contains(t, res.Note, "more messages than are read")
		kept := int64(0)
		for _, m := range res.Messages {
			kept += m.Size()
		}
		require.LessOrEqual(t, kept, int64(64<<20))
	}, duvotest.WithAssignment(duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: func(j *duvotest.Job) {
		for range 6 {
			j.CallToolError("mail", nil, text)
		}
		j.Complete("refunded")
	}}))
}
