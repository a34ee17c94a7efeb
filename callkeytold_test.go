package duvotool_test

import (
	"context"
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// A call whose context had ended before it began tells its key all the same: its caller
// cannot know that nothing was begun under it.
func TestACallThatCameTooLateTellsItsKey(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client())
		tool := mustTool(reg, "talker")
		before, err := tool.Run(t.Context(), "order")
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(duvotool.WithOperationKey(t.Context(), "order 4711"))
		cancel()
		for name, call := range map[string]func() error{
			"run":      func() error { _, err := tool.Run(ctx, "order 4711"); return err },
			"call":     func() error { _, err := tool.Call(ctx, "order 4711"); return err },
			"start":    func() error { _, err := tool.Start(ctx, "order 4711"); return err },
			"continue": func() error { _, err := reg.Continue(ctx, before, "and more"); return err },
		} {
			var job *outcome.JobError
			err := call()
			require.ErrorAs(t, err, &job, name)
			require.ErrorIs(t, err, context.Canceled, name)
			require.Equal(t, "order 4711", job.Key, name)
		}
	}, duvotest.WithAssignment(talker))
}
