package toolname

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func free(string, string, bool) bool { return false }

func TestMake(t *testing.T) {
	id := func(n int) string { return fmt.Sprintf("0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b%02d", n) }
	all := []duvo.Assignment{
		{ID: id(1), Name: "Refund a customer"}, {ID: id(2), Name: "Café & Straße"}, {ID: id(3), Name: "2 tasks"},
		{ID: id(4), Name: "task"}, {ID: id(5), Name: "Task!"}, // the same
		{ID: id(6), Name: "check_job"}, {ID: id(7), Name: "Duvo"}, // reserved
		{ID: id(8), Name: "退款"},           // loses letters
		{ID: id(9), Name: "taken"},        // by another
		{ID: id(10), Name: "名 long name"}, // loses some
	}
	names, collided := Make(all, 0, func(name, _ string, _ bool) bool { return name == "taken" })
	require.Equal(t, map[string]string{
		id(1): "refund_a_customer", id(2): "cafe_strasse", id(3): "_2_tasks", id(4): "task_3f8b04", id(5): "task_3f8b05",
		id(6): "check_job_3f8b06", id(7): "duvo_3f8b07", id(8): "assignment_3f8b08", id(9): "taken_3f8b09", id(10): "long_name_3f8b10",
	}, names)
	require.Equal(t, []string{"check_job_3f8b06", "duvo_3f8b07", "taken_3f8b09", "task_3f8b04", "task_3f8b05"}, collided)

	long := []duvo.Assignment{{ID: id(1), Name: strings.Repeat("word ", 30)}}
	names, _ = Make(long, 24, free)
	require.Equal(t, "word_word_word_wo_3f8b01", names[id(1)])
}

// Whatever Assignments there are, their names are unique, fit every consumer, and
// do not depend on the order.
func TestNamesAreUnique(t *testing.T) {
	fits := regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,62}$`)
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) duvo.Assignment {
			return duvo.Assignment{ID: rapid.StringMatching(`[ab-]{1,6}`).Draw(t, "id"), Name: rapid.OneOf(rapid.StringMatching(`[aA ß名]{0,3}`), rapid.StringMatching(`[ab]{60,70}`)).Draw(t, "name")}
		}), 0, 8, func(a duvo.Assignment) string { return a.ID }).Draw(t, "all")
		limit := rapid.SampledFrom([]int{0, Least, 40, Max}).Draw(t, "limit")
		names, _ := Make(all, limit, free)
		require.Len(t, names, len(all))
		require.Len(t, slices.Compact(slices.Sorted(maps.Values(names))), len(all))
		for _, n := range names {
			require.Regexp(t, fits, n)
			require.True(t, limit == 0 || len(n) <= limit, n)
		}
		slices.Reverse(all)
		again, _ := Make(all, limit, free)
		require.Equal(t, names, again)
	})
}

func TestMeanings(t *testing.T) {
	one := func(name, id string) func(func(string, string) bool) {
		return func(yield func(string, string) bool) { yield(name, id) }
	}
	var none Meanings
	m := none.And(one("a", "1"), 2)
	require.Empty(t, none)
	require.False(t, m.Taken("a", "1", false, 2))
	require.True(t, m.Taken("a", "2", false, 2), "it stands for another")
	require.False(t, m.Taken("b", "2", false, 2))
	m = m.And(one("b", "2"), 2)
	require.Len(t, m.And(one("c", "3"), 2), 2, "no more are remembered")
	require.True(t, m.Taken("c", "3", false, 2), "nobody knows whose it was")
	require.False(t, m.Taken("c_3", "3", true, 2))
	require.True(t, m.MeantAnother("A", "2"))
	require.False(t, m.MeantAnother("A", "1"))
	said := none.AndSaid(one("Task", "1"), 2).AndSaid(one("Task", "2"), 2)
	require.Equal(t, Meanings{"Task": ""}, said, "a name that two have had is nobody's")
}
