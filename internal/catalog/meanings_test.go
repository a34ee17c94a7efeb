package catalog

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// these are the Assignments of a team without folders.
type these []duvo.Assignment

func (all these) Assignments(context.Context) iter.Seq2[duvo.Assignment, error] {
	return func(yield func(duvo.Assignment, error) bool) {
		for _, a := range all {
			if !yield(a, nil) {
				return
			}
		}
	}
}

// What is remembered of names has a bound; beyond it new ones carry a suffix, which
// says whose they are.
func TestNamesAreRememberedWithinBounds(t *testing.T) {
	rules := Rules{Max: 3}
	c := Empty(rules)
	for i := -1; i < 20; i++ {
		name := "task"
		if i >= 0 {
			name = fmt.Sprint("task ", i)
		}
		var err error
		c, err = Read(t.Context(), these{{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b11", Name: name}}, rules, c, &hitl.NameBook{}, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		require.LessOrEqual(t, len(c.meant), 6)
		if i < 0 {
			continue
		}
		want := fmt.Sprint("task_", i)
		if i >= 5 {
			want += "_3f8b11"
		}
		require.Equal(t, want, c.Entries[0].Work.Name)
	}
}
