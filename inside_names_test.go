package duvotool

import (
	"context"
	"fmt"
	"testing"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// What a registry remembers of names has a bound; beyond it new ones carry a
// suffix, which says whose they are.
func TestNamesAreRememberedWithinBounds(t *testing.T) {
	const id = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b11"
	d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{ID: id, Name: "task"}))
	t.Cleanup(d.Close)
	reg, err := Discover(t.Context(), d.Client())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, reg.Close(context.Background())) })
	reg.cfg.maxCatalog = 3
	for i := range 20 {
		require.NoError(t, d.UpdateAssignment(id, func(own *duvotest.Assignment) { own.Name = fmt.Sprint("task ", i) }))
		_, err := reg.Refresh(t.Context())
		require.NoError(t, err)
		require.LessOrEqual(t, len(reg.catalog.meant), 6)
		want := fmt.Sprint("task_", i)
		if i >= 5 {
			want += "_3f8b11"
		}
		require.Equal(t, want, reg.All()[0].Name())
	}
}
