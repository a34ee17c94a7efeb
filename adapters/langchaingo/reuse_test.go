package langchaingo_test

import (
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
	"github.com/tmc/langchaingo/llms"
)

// A name that the model has read as one Assignment's is not another's, neither where
// the agent has given the name, with a search or without.
func TestANameOfTheAgentsOwnIsNoOthers(t *testing.T) {
	for name, opts := range map[string][]langchaingo.Option{"search": {langchaingo.WithSearch()}, "all": nil} {
		t.Run(name, func(t *testing.T) {
			bubble(t, twoTasks(), nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
				own := &local{name: "quote_refund", do: func(string) (string, error) { return "ok", nil }}
				const name = "quote_refund_3f8b11"
				ran := false
				m := &model{say: func(now turn) *llms.ContentResponse {
					switch now.n {
					case 1:
						if opts == nil {
							return asks(callOf("a", "nothing", "x"))
						}
						return asks(searched("what would a refund come to"))
					case 2:
						require.Contains(t, now.offered(), name)
						// meanwhile, in Duvo
						require.NoError(t, d.UpdateAssignment(quoteID, func(a *duvotest.Assignment) { a.Name = "Old" }))
						require.NoError(t, d.UpdateAssignment(payID, func(a *duvotest.Assignment) { a.Name = "Quote refund 3f8b11" }))
						_, err := reg.Refresh(t.Context())
						require.NoError(t, err)
						return asks(callOf("a", "nothing", "x"))
					case 3: // it is still there, as far as the model has read
						ran = true
						return asks(callOf("b", name, "order 1"))
					}
					return says("done")
				}}
				_, err := execute(t.Context(), t, agent(t, m, reg, append(opts, langchaingo.WithTools(own))...))
				require.NoError(t, err)
				require.True(t, ran)
				for _, j := range d.Jobs() {
					require.Equal(t, quoteID, j.AssignmentID, "what was offered as %s was the other one", name)
				}
				if opts != nil {
					require.Len(t, d.Jobs(), 1)
				}
			})
		})
	}
}
