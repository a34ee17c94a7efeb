package main

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/examples/internal/setup"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The editor and its assistant start a Job each, with the same type of input.
func TestReview(t *testing.T) {
	for name, operator := range map[string]hitl.Policy{
		"nobody": nil,
		"person": hitl.Forward(func(context.Context, hitl.Request) (hitl.Decision, error) {
			return hitl.Approve("kim@example.com", ""), nil
		}),
	} {
		t.Run(name, func(t *testing.T) {
			jobs, out, err := setup.Trial(t.Context(), emulated(), script, operator, run)
			require.NoError(t, err)
			require.Len(t, jobs, 2)
			var own, assistants Review
			require.NoError(t, json.Unmarshal([]byte(jobs[0].Input), &own))
			require.NoError(t, json.Unmarshal([]byte(jobs[1].Input), &assistants))
			require.Equal(t, "Invoices are due after 90 days.", own.Clauses[1].Text)
			require.Len(t, own.Clauses, 3)
			require.Equal(t, Review{Rules: "purchasing", Register: true, Clauses: []Clause{{2, "Invoices are due after 30 days."}}}, assistants,
				"the finding was applied before the model saw the draft")
			require.Equal(t, duvo.StatusCompleted, jobs[1].Status)

			require.Empty(t, jobs[0].Requests)
			require.Len(t, jobs[1].Requests, 1)
			require.Equal(t, operator != nil, *jobs[1].Requests[0].Response.Approved)
			require.Contains(t, out, "clause 3, should: Few suppliers sign this.")
			if operator == nil {
				require.Contains(t, out, "denied by the program")
				require.Contains(t, out, "findings: 0, registered: false")
			} else {
				require.Contains(t, out, "approved by kim@example.com")
				require.Contains(t, out, "findings: 0, registered: true")
			}
		})
	}
}
