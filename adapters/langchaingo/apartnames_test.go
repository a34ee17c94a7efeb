package langchaingo_test

import (
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
	"github.com/tmc/langchaingo/llms"
)

func TestNamesInDuvoDoNotEndAnAgent(t *testing.T) {
	const id = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b11"
	all := []duvotest.Assignment{{ID: id, Name: "Refunds"}}
	for _, n := range []string{"3f8b11", "6a1f0f3f8b11", "6f7a4c559a3f6a1f0f3f8b11", "0b6d3f5e6f7a4c559a3f6a1f0f3f8b11"} {
		all = append(all, duvotest.Assignment{Name: "Refunds " + n})
	}
	bubble(t, all, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		own := &local{name: "refunds", do: func(string) (string, error) { return "ok", nil }}
		m := &model{say: func(turn) *llms.ContentResponse { return says("done") }}
		_, err := execute(t.Context(), t, agent(t, m, reg, langchaingo.WithTools(own)))
		require.NoError(t, err)
	})
}
