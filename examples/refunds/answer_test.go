package refunds_test

import (
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/examples/refunds/refundstest"
	"github.com/stretchr/testify/require"
)

// answer answers what waits, as a person does in Duvo's own inbox.
func answer(t *testing.T, shop *refundstest.Shop, yes bool) {
	t.Helper()
	jobs := shop.Duvo().Jobs()
	require.Len(t, jobs, 1)
	require.NoError(t, shop.Duvo().AnswerElsewhere(jobs[0].ID, duvo.Response{Approved: &yes}))
}
