package bounded

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestTheLatestAreRemembered holds a Map against a list of all that was done.
func TestTheLatestAreRemembered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(0, 5).Draw(t, "most")
		var m Map[int, int]
		var order []int
		values := map[int]int{}
		for i, key := range rapid.SliceOf(rapid.IntRange(0, 9)).Draw(t, "keys") {
			if rapid.IntRange(0, 3).Draw(t, "what") == 0 {
				m.Delete(key)
				delete(values, key)
				order = slices.DeleteFunc(order, func(k int) bool { return k == key })
			} else {
				m.Set(key, i, most)
				if values[key] = i; !slices.Contains(order, key) {
					order = append(order, key)
				}
				if len(order) > max(most, 1) {
					delete(values, order[0])
					order = order[1:]
				}
			}
			require.Equal(t, len(order), len(m.Keys()))
			require.True(t, slices.Equal(order, m.Keys()))
			for k := range 10 {
				want, there := values[k]
				got, ok := m.Get(k)
				require.Equal(t, there, ok)
				require.Equal(t, want, got)
			}
		}
	})
}
