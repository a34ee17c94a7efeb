package langchaingo_test

import (
	"fmt"
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
	"github.com/tmc/langchaingo/llms"
)

// More tools than a provider takes are refused, with what to do instead, before a
// request is.
func TestTooManyTools(t *testing.T) {
	var all []duvotest.Assignment
	for i := range 129 {
		all = append(all, duvotest.Assignment{Name: fmt.Sprint("Task ", i)})
	}
	bubble(t, all, nil, func(t *testing.T, _ *duvotest.Duvo, reg *duvotool.Registry) {
		m := &model{say: func(turn) *llms.ContentResponse { return says("done") }}
		_, err := langchaingo.LLMTools(m, reg.Tools())
		require.ErrorContains(t, err, "129 tools are too many: OpenAI's API takes at most 128 in a request. Offer duvo_search")
		require.ErrorContains(t, err, "RouterTool")
		_, err = langchaingo.LLMTools(m, reg.Tools()[:128])
		require.NoError(t, err)
		_, err = langchaingo.NewAgent(m, reg)
		require.ErrorContains(t, err, "WithSearch")
		_, err = langchaingo.LLMTools(langchaingo.Guard(langchaingo.ForDialect(m, duvotool.Anthropic)), reg.Tools())
		require.NoError(t, err)
		_, err = langchaingo.LLMTools(langchaingo.ForDialect(m, "x"), reg.Tools())
		require.ErrorContains(t, err, `there is no dialect "x"`)
		answer, err := execute(t.Context(), t, agent(t, m, reg, langchaingo.WithSearch()))
		require.NoError(t, err)
		require.Equal(t, "done", answer)
	})
}

// A name with the prefix of a model's own is the tool's; one that is only like it is
// told, and runs nothing.
func TestNamesThatModelsWrite(t *testing.T) {
	bubble(t, twoTasks(), nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		m := &model{say: func(now turn) *llms.ContentResponse {
			if now.n == 1 {
				return asks(callOf("a", "functions.quote_refund", "order 1"), callOf("b", "pay_refnd", "order 1"))
			}
			return says("done")
		}}
		_, err := execute(t.Context(), t, agent(t, m, reg))
		require.NoError(t, err)
		require.Len(t, d.Jobs(), 1)
		require.Equal(t, quoteID, d.Jobs()[0].AssignmentID)
	})
}
