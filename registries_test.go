package duvotool_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// mustTool is for names that are there.
func mustTool(reg *duvotool.Registry, name string) *duvotool.Tool {
	tool, err := reg.Tool(name)
	if err != nil {
		panic(err)
	}
	return tool
}

// discover makes a registry and closes it at the end of the test.
func discover(t *testing.T, b duvotool.Backend, opts ...duvotool.Option) *duvotool.Registry {
	t.Helper()
	reg, err := duvotool.Discover(t.Context(), b, opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, reg.Close(ctx))
	})
	return reg
}

func decide(d hitl.Decision, err error) duvotool.ToolOption {
	return duvotool.WithPolicy(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return d, err }))
}

// approveAfter is a policy that approves once it has thought for d.
func approveAfter(d time.Duration, asked *atomic.Int64) duvotool.ToolOption {
	return duvotool.WithPolicy(hitl.PolicyFunc(func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
		if asked != nil {
			asked.Add(1)
		}
		if d == 0 {
			return hitl.Approve("ops", ""), nil
		}
		select {
		case <-time.After(d):
			return hitl.Approve("ops", ""), nil
		case <-ctx.Done():
			return hitl.Decision{}, context.Cause(ctx)
		}
	}))
}

// open makes a registry with a journal, which shut ends.
func open(t *testing.T, b duvotool.Backend, j journal.Journal, opts ...duvotool.Option) *duvotool.Registry {
	t.Helper()
	reg, err := duvotool.Discover(context.Background(), b, append([]duvotool.Option{duvotool.WithJournal(j)}, opts...)...)
	require.NoError(t, err)
	return reg
}

func shut(t *testing.T, reg *duvotool.Registry) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, reg.Close(ctx))
}
