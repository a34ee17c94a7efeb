package duvotool_test

import (
	"context"
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// A start that is sent again after its journal was lost is the same to the byte,
// the URL of its webhook too: else the server refuses its key, and the Job is out
// of reach.
func TestAWebhooksTokenIsTheKeysOwn(t *testing.T) {
	const secret, another = "whsec_U0VDUkVUU0VDUkVUU0VDUkVUU0VDUkVU", "whsec_QU5PVEhFUkFOT1RIRVJBTk9USEVSQU5P"
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		start := func(key, secret string, caller hitl.Caller) *outcome.Result {
			reg := discover(t, d.Client(), duvotool.WithJournal(journal.NewMemory()), duvotool.WithWebhook("https://example.com/hook?x=1", secret))
			res, err := mustTool(reg, "refunds").Run(duvotool.WithCaller(duvotool.WithOperationKey(t.Context(), key), caller), "order 4711")
			require.NoError(t, err)
			require.NoError(t, reg.Close(context.Background()))
			return res
		}
		first := start("k", secret, hitl.Caller{})
		require.Equal(t, first.JobID, start("k", secret, hitl.Caller{}).JobID)
		require.Len(t, d.Jobs(), 1)
		start("other", secret, hitl.Caller{})
		start("k", secret, hitl.Caller{Tenant: "acme"})
		start("k2", another, hitl.Caller{})
		seen := map[string]bool{}
		for _, j := range d.Jobs() {
			require.Regexp(t, `^https://example.com/hook\?t=[A-Z2-7]{26}&x=1$`, j.WebhookURL)
			seen[j.WebhookURL] = true
		}
		require.Len(t, seen, 4, "whoever does not know the secret can tell no token")
	}, duvotest.WithAssignment(refunds))
}
