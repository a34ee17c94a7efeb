package outcome_test

import (
	"fmt"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// A JobInfo that is printed tells how it stands, and nothing of what was said.
func TestPrintedJobInfo(t *testing.T) {
	i := outcome.JobInfo{Key: "order\n4711", JobID: "j1", Assignment: duvo.Assignment{Name: "Refunds"}, Input: "a secret",
		Phase: outcome.PhaseDeciding, Status: duvo.StatusWaiting, Resumed: true}
	require.Equal(t, `[Job j1 of "Refunds", operation order 4711: deciding, waiting, taken up from the journal]`, fmt.Sprint([]outcome.JobInfo{i}))
	unknown := outcome.JobInfo{Key: "k", Phase: outcome.PhaseStarting, Unknown: true, Input: "a secret"}
	require.Equal(t, `a Job of "", operation k: starting; it is not known whether it was started`, unknown.String())
}
