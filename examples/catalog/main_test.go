package main

import (
	"bytes"
	"os"
	"regexp"
	"strconv"
	"strings"
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

	// docs/catalogs.md tells these figures.
	readme, err := os.ReadFile("../../docs/catalogs.md")
	require.NoError(t, err)
	for name, c := range map[string]cost{"500 tools": all, "a router": router, "a search": search} {
		row := regexp.MustCompile(`\| ` + name + ` \| ([0-9,]+)(?: tokens)? \| ([0-9,]+) \| ([0-9,]+) \|`).FindStringSubmatch(string(readme))
		require.Len(t, row, 4, name)
		for i, measured := range []int{c.requests[0], c.largest(), c.total()} {
			told, err := strconv.Atoi(strings.ReplaceAll(row[i+1], ",", ""))
			require.NoError(t, err)
			require.InEpsilon(t, measured, told, 0.02, "%s: docs/catalogs.md says %d", name, told)
		}
	}
}
