package main

import (
	"bytes"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// Every mode hands the work to the right one of 500 Assignments, and a search
// keeps every prompt small.
func TestCatalog(t *testing.T) {
	defer goleak.VerifyNone(t)
	d := duvotest.New(duvotest.WithAssignments(catalog()...))
	defer d.Close()
	var out bytes.Buffer
	costs, err := run(t.Context(), d, &out)
	require.NoError(t, err)
	t.Log("\n" + out.String())
	jobs := d.Jobs()
	require.Len(t, jobs, len(modes))
	for _, j := range jobs {
		require.Equal(t, "Translate contracts", j.AssignmentName)
		require.Equal(t, task, j.Input)
		require.Equal(t, duvo.StatusCompleted, j.Status)
	}
	all, router, search, own := costs[0], costs[1], costs[2], costs[3]
	require.Greater(t, all.largest(), 30_000)
	require.Less(t, router.largest(), 6_000)
	require.Less(t, search.largest(), 1_500)
	require.Less(t, own.largest(), 1_500)
	require.Less(t, search.total(), router.total())
}
