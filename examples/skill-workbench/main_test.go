package main

import (
	"context"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/examples/internal/setup"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func work(t *testing.T, operator hitl.Policy, tasks ...task) (jobs []duvotest.JobRecord, out string, err error) {
	return setup.Trial(t.Context(), emulated(), script, operator, func(ctx context.Context, s setup.Setup) error { return run(ctx, s, tasks) })
}

// Each route ends at the one right skill, with the task as it was written.
func TestRoutes(t *testing.T) {
	jobs, out, err := work(t, nil, demo...)
	require.NoError(t, err)
	require.Len(t, jobs, 3)
	for i, want := range []string{"Reconcile invoices", "Vacation desk", "Translate a page"} {
		require.Equal(t, want, jobs[i].AssignmentName)
		require.Equal(t, demo[i].text, jobs[i].Input)
		require.Equal(t, duvo.StatusCompleted, jobs[i].Status)
		require.Empty(t, jobs[i].Requests)
	}
	require.Contains(t, out, "The German page is ready for review.")
}

// A category offers nothing but its own skills, those of its lower folders too.
func TestCategory(t *testing.T) {
	for _, category := range []string{"Finance", "Marketing", "People"} {
		jobs, _, err := work(t, nil, task{category: category, text: "Pay invoice 12"})
		require.NoError(t, err)
		require.Len(t, jobs, 1)
		require.Equal(t, category == "Finance", jobs[0].AssignmentName == "Pay invoice")
	}
	for says, wrong := range map[string]task{
		`no category "Space"`: {category: "Space", text: "Pay invoice 12"},
		"router or search":    {route: "guess", text: "Pay invoice 12"},
		"there is no task":    {route: "router"},
	} {
		jobs, _, err := work(t, nil, wrong)
		require.ErrorContains(t, err, says)
		require.Empty(t, jobs)
	}
}

// Whatever the route, the policy decides.
func TestPayment(t *testing.T) {
	kim := hitl.Forward(func(context.Context, hitl.Request) (hitl.Decision, error) {
		return hitl.Approve("kim@example.com", ""), nil
	})
	for _, pay := range []task{{category: "Finance"}, {route: "router"}, {route: "search"}} {
		pay.text = "Pay invoice 12, which is due"
		for _, operator := range []hitl.Policy{nil, kim} {
			jobs, _, err := work(t, operator, pay)
			require.NoError(t, err)
			require.Len(t, jobs, 1)
			require.Len(t, jobs[0].Requests, 1, jobs[0].AssignmentName)
			require.Equal(t, operator != nil, *jobs[0].Requests[0].Response.Approved)
		}
	}
}
