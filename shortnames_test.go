package duvotool_test

import (
	"context"
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// Names are cut for hosts that put a server's name before them, stay apart, and are the
// same whatever else there is.
func TestShortNames(t *testing.T) {
	const long = "Supplier invoice intake, validation and approval routing (EMEA)"
	first := duvotest.Assignment{ID: "01980000-0000-7000-8000-00000000000a", Name: long}
	names := func(limit int, all ...duvotest.Assignment) (out []string) {
		d := duvotest.New(duvotest.WithAssignments(all...))
		defer d.Close()
		reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.ShortNames(limit))
		require.NoError(t, err)
		defer reg.Close(context.Background())
		for _, tool := range reg.All() {
			out = append(out, tool.Name())
		}
		return out
	}
	require.Equal(t, []string{"supplier_invoice_intake_validation_and_a_00000a"}, names(47, first))
	alone := names(47, first)[0]
	for limit := 24; limit <= 63; limit++ {
		all := names(limit, first, duvotest.Assignment{ID: "01980000-0000-7000-8000-00000000000b", Name: long},
			duvotest.Assignment{ID: "01980000-0000-7000-9000-00000000000a", Name: long}, duvotest.Assignment{ID: "01980000-0000-7000-a000-00000000000a", Name: long + "!"},
			duvotest.Assignment{Name: "Short"})
		seen := map[string]bool{}
		for _, n := range all {
			require.LessOrEqual(t, len(n), limit)
			require.Regexp(t, toolName, n)
			require.False(t, seen[n], n)
			seen[n] = true
		}
		require.Contains(t, all, "short")
	}
	require.Contains(t, names(47, first, duvotest.Assignment{ID: "01980000-0000-7000-8000-00000000000b", Name: long}), alone)
	for _, limit := range []int{0, 23, 64} {
		_, err := duvotool.Discover(t.Context(), &fake{}, duvotool.ShortNames(limit))
		require.ErrorContains(t, err, "is not between 24 and 63")
	}
}
