package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/catalog"
	"github.com/stretchr/testify/require"
)

type team []duvo.Assignment

func (all team) Assignments(context.Context) iter.Seq2[duvo.Assignment, error] {
	return func(yield func(duvo.Assignment, error) bool) {
		for _, a := range all {
			if !yield(a, nil) {
				return
			}
		}
	}
}

func catalogOf(t *testing.T, before *catalog.Catalog, all ...duvo.Assignment) *catalog.Catalog {
	rules := catalog.Rules{Max: 10_000}
	if before == nil {
		before = catalog.Empty(rules)
	}
	c, err := catalog.Read(t.Context(), team(all), rules, before, &hitl.NameBook{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return c
}

func TestRoute(t *testing.T) {
	c := catalogOf(t, nil, duvo.Assignment{ID: "a-1", Name: "Refunds"}, duvo.Assignment{ID: "a-2", Name: "Order status"})
	route := func(args string) (string, string, string) {
		i, input, problem := Router{Catalog: c, Listed: true}.Route(json.RawMessage(args))
		if i < 0 {
			return "", "", problem
		}
		return c.Entries[i].Work.Name, Input(input), problem
	}
	for args, want := range map[string][2]string{
		`{"assignment":"refunds","input":" x "}`:                         {"refunds", "x"},
		`{"assignment":"A-2","input":{"order":1}}`:                       {"order_status", `{"order":1}`},
		"```json\n{\"assignment\":\"Order status\",\"input\":\"\"}\n```": {"order_status", ""},
	} {
		name, input, problem := route(args)
		require.Empty(t, problem)
		require.Equal(t, want, [2]string{name, input}, args)
	}
	for args, want := range map[string]string{
		"words": "cannot be read", `{"input":"x"}`: "assignment is missing", `{"assignment":7}`: "cannot be read",
		`{"assignment":"refunds","why":1}`: `no argument "why"`, `{"assignment":"refund"}`: "Similar ones: refunds.",
	} {
		_, _, problem := route(args)
		require.Contains(t, problem, want, args)
		require.Contains(t, problem, "No Job was started")
	}
	// What has come to stand for another is not called by the name of before.
	c = catalogOf(t, c, duvo.Assignment{ID: "a-1", Name: "Order status"}, duvo.Assignment{ID: "a-2", Name: "Refunds"})
	_, _, problem := route(`{"assignment":"refunds","input":"x"}`)
	require.Contains(t, problem, "the names have changed")
}

func TestQuery(t *testing.T) {
	for input, want := range map[string]string{"a refund": "a refund", `{"query":"a refund"}`: "a refund"} {
		query, ok := Query(input)
		require.True(t, ok)
		require.Equal(t, want, query)
	}
	_, ok := Query(`{"words":"a refund"}`)
	require.False(t, ok)
}

// A catalog that is too large for a provider's enum is listed in part, and not at all
// in the schema.
func TestListsAreBounded(t *testing.T) {
	var all []duvo.Assignment
	for i := range 1200 {
		all = append(all, duvo.Assignment{ID: fmt.Sprint("id", i), Name: fmt.Sprint("task ", i)})
	}
	small, large := Router{catalogOf(t, nil, all[:3]...), true}, Router{catalogOf(t, nil, all...), true}
	require.Contains(t, string(small.Schema()), `"enum":["task_0","task_1","task_2"]`)
	require.NotContains(t, string(large.Schema()), "enum")
	require.Contains(t, large.Description(), "; and 200 more, which duvo_search finds.")
	require.Equal(t, 1000, strings.Count(large.Description(), "task_"))
	require.Contains(t, Found(small.Catalog, "task 2"), "1. task_2: ")
	require.Contains(t, Found(small.Catalog, "zebra"), `None of 3 Duvo Assignments matches "zebra"`)
}
