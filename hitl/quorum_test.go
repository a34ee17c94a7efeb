package hitl_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// approver is a person who approves some seconds after being asked.
func approver(name string, after time.Duration) hitl.Policy {
	return hitl.Forward(func(context.Context, hitl.Request) (hitl.Decision, error) {
		time.Sleep(after * time.Second)
		return hitl.Approve(name, ""), nil
	})
}

// named is a policy with a name of its own.
type named struct {
	hitl.Policy
	name string
}

func (n named) String() string { return n.name }

func (n named) Decide(ctx context.Context, req hitl.Request) (hitl.Decision, error) {
	d, err := n.Policy.Decide(ctx, req)
	return d.Via(n.name), err
}

// People are told apart by their names, whatever stands in those, and whatever
// policies are called.
func TestQuorumWithinAQuorum(t *testing.T) {
	inner := func() hitl.Policy { return hitl.Quorum(2, approver("Lee, Ann", 0), approver("Doe, Bob", 1)) }
	for name, c := range map[string]struct {
		p      hitl.Policy
		people []string // nil: not reached
	}{
		"the same two, again": {hitl.Quorum(3, inner(), approver("Lee, Ann", 2), approver("Doe, Bob", 3)), nil},
		"two and a third":     {hitl.Quorum(2, inner(), approver("Doe, Bob", 2), approver("kim", 3)), []string{"Lee, Ann", "Doe, Bob", "kim"}},
		"a part of a name":    {hitl.Quorum(2, inner(), approver("Lee", 2)), []string{"Lee, Ann", "Doe, Bob", "Lee"}},
		"called as a quorum":  {hitl.Quorum(2, named{approver("Lee, Ann", 0), "Quorum(9)"}, approver("Ann", 1)), []string{"Lee, Ann", "Ann"}},
		"in a policy":         {hitl.Quorum(2, named{inner(), "my own"}, approver("Doe, Bob", 2)), nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			d, err := c.p.Decide(t.Context(), hitl.Request{Kind: duvo.Approval, Title: "Refund"})
			require.NoError(t, err)
			require.Equal(t, c.people != nil, d.Verdict == hitl.Approved, name)
			require.Equal(t, c.people, d.People, name)
			raw, err := json.Marshal(d)
			require.NoError(t, err)
			var back hitl.Decision
			require.NoError(t, json.Unmarshal(raw, &back))
			time.Sleep(time.Minute) // who was still being asked
			require.Equal(t, d, back, "in journals and audit files")
		})
	}
}
