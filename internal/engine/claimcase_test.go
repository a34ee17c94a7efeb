package engine

import (
	"testing"

	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// TestClaimsWithoutRegardToCase: two operations that are told a request's ID in two
// spellings claim the same request, with a journal and without; and a claim that was
// recorded when the case still counted is found.
func TestClaimsWithoutRegardToCase(t *testing.T) {
	for name, kept := range map[string]journal.Journal{"without a journal": nil, "with one": journal.NewMemory()} {
		t.Run(name, func(t *testing.T) {
			eng, op := emptyOperation(t, time.Hour)
			other, _, err := eng.ops.open(t.Context(), op.work, "y", nil)
			require.NoError(t, err)
			eng.ledger = newLedger(Config{Journal: kept, PostTimeout: time.Second, Retention: time.Hour}, eng.life)
			theirs, err := eng.ops.claim(op, "job", hitl.DecisionEntry{RequestID: "abc"})
			require.NoError(t, err)
			require.Nil(t, theirs)
			theirs, err = eng.ops.claim(other, "Job", hitl.DecisionEntry{RequestID: "ABC"})
			require.NoError(t, err)
			require.NotNil(t, theirs)
			theirs, err = eng.ops.claim(op, "JOB", hitl.DecisionEntry{RequestID: "ABC"})
			require.NoError(t, err)
			require.Nil(t, theirs, "it is its own")
			if kept == nil {
				return
			}
			old, err := eng.ledger.claim(claim{Operation: op.name()}, []string{"job", "DEF"})
			require.NoError(t, err)
			require.Nil(t, old)
			theirs, err = eng.ops.claim(other, "job", hitl.DecisionEntry{RequestID: "DEF"})
			require.NoError(t, err)
			require.NotNil(t, theirs)
		})
	}
}
