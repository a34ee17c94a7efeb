package duvotool_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

func callerIn(t *testing.T, tenant, user, scope string) context.Context {
	ctx := duvotool.WithCaller(t.Context(), hitl.Caller{Tenant: tenant, User: user})
	if scope != "" {
		ctx = duvotool.WithOperationScope(ctx, scope)
	}
	return ctx
}

// TestHandlesAreBound to the tenant, user and scope that they were given to, in
// this process and the next; whoever calls with the same key gets one of their
// own.
func TestHandlesAreBound(t *testing.T) {
	for _, journaled := range []bool{false, true} {
		t.Run(fmt.Sprint("journal ", journaled), func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				opts := []duvotool.Option{duvotool.WithFollowUps(), duvotool.WithWaitBudget(time.Second)}
				if journaled {
					opts = append(opts, duvotool.WithJournal(journal.NewMemory()))
				}
				reg := discover(t, d.Client(), opts...)
				kim, lee := callerIn(t, "a", "kim", "s"), callerIn(t, "a", "lee", "s")
				handles := map[string]string{}
				for name, ctx := range map[string]context.Context{"kim": kim, "lee": lee} {
					res, err := reg.All()[0].Run(duvotool.WithOperationKey(ctx, "order-4711"), "a")
					require.NoError(t, err)
					require.Equal(t, outcome.OutcomePending, res.Outcome)
					handles[name] = res.Handle
				}
				require.NotEqual(t, handles["kim"], handles["lee"])
				posts := 0
				for range 2 {
					time.Sleep(time.Minute)
					for name, h := range handles {
						for _, other := range []context.Context{map[string]context.Context{"kim": lee, "lee": kim}[name], callerIn(t, "b", name, "s"),
							callerIn(t, "a", name, "another"), callerIn(t, "a", name, ""), t.Context()} {
							out, err := reg.CheckTool().Call(other, h)
							require.NoError(t, err)
							require.Contains(t, out, "There is no Job")
							out, err = reg.ContinueTool().Call(other, h+" more")
							require.NoError(t, err)
							require.Contains(t, out, "There is no Job")
						}
						require.Equal(t, posts, d.Count("postRunMessage"))
						own := map[string]context.Context{"kim": kim, "lee": lee}[name]
						out, err := reg.CheckTool().Call(own, h)
						require.NoError(t, err)
						require.Contains(t, out, "hello a")
						require.Contains(t, out, h, "to go on with")
						require.NotContains(t, out, handles["kim"][:10]+handles["lee"][:10])
						out, err = reg.ContinueTool().Call(own, h+fmt.Sprint(" more ", posts))
						require.NoError(t, err)
						require.Contains(t, out, "has not ended")
						posts++
						require.Equal(t, posts, d.Count("postRunMessage"))
						time.Sleep(time.Minute)
					}
					if !journaled {
						break
					}
					shut(t, reg)
					reg = discover(t, d.Client(), opts...)
				}
				require.Len(t, d.Jobs(), 1)
			}, duvotest.WithAssignment(talker))
		})
	}
}

// TestHandlesAreNotComputed: who knows tenant, key and the journal's names knows
// no handle, and two journals give two.
func TestHandlesAreNotComputed(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		var handles []string
		for range 2 {
			j := journal.NewMemory()
			reg := open(t, d.Client(), j, duvotool.WithWaitBudget(time.Second))
			ctx := duvotool.WithOperationKey(t.Context(), "order-4711")
			res, err := reg.All()[0].Run(ctx, "1h")
			require.NoError(t, err)
			again, err := reg.All()[0].Run(ctx, "1h")
			require.NoError(t, err)
			require.Equal(t, res.Handle, again.Handle)
			handles = append(handles, res.Handle)
			for r, err := range j.Unfinished(t.Context()) { // handles were made of these once
				require.NoError(t, err)
				out, err := reg.CheckTool().Call(t.Context(), "job-"+strings.TrimPrefix(r.Key, "op-"))
				require.NoError(t, err)
				require.Contains(t, out, "There is no Job")
			}
			shut(t, reg)
		}
		require.Regexp(t, `^job-[a-z2-7]{26}$`, handles[0])
		require.NotEqual(t, handles[0], handles[1])
	}, duvotest.WithAssignment(sleeper))
}

// TestHandleOfALongJob outlives the retention of what has ended, over restarts.
func TestHandleOfALongJob(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		opts := []duvotool.Option{duvotool.WithJournal(journal.NewMemory()), duvotool.WithWaitBudget(time.Second), duvotool.WithRetention(time.Hour)}
		reg := discover(t, d.Client(), opts...)
		res, err := reg.All()[0].Run(t.Context(), "6h")
		require.NoError(t, err)
		for range 12 {
			time.Sleep(20 * time.Minute)
			_, err = reg.All()[0].Run(t.Context(), "1s") // forgets what is old
			require.NoError(t, err)
			shut(t, reg)
			reg = discover(t, d.Client(), opts...)
		}
		time.Sleep(3 * time.Hour)
		out, err := reg.CheckTool().Call(t.Context(), res.Handle)
		require.NoError(t, err)
		require.Contains(t, out, "slept 6h")
	}, duvotest.WithAssignment(sleeper))
}
