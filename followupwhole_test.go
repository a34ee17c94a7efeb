package duvotool_test

import (
	"context"
	"encoding/json"
	"regexp"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// What a model says to a Job arrives as it was said.
func TestAFollowUpArrivesWhole(t *testing.T) {
	for _, message := range []string{"-5 EUR: book that", "- first\n- second", ": x", "--dry-run, please"} {
		t.Run(message, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignments(duvotest.Assignment{Name: "one", Script: func(j *duvotest.Job) { j.Complete("done") }}))
			defer d.Close()
			reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPollInterval(time.Millisecond), duvotool.WithSettleTime(time.Millisecond), duvotool.WithFollowUps())
			require.NoError(t, err)
			defer reg.Close(context.Background())
			ctx := duvotool.WithOperationScope(t.Context(), "s")
			out, err := mustTool(reg, "one").Call(ctx, "begin")
			require.NoError(t, err)
			handle := regexp.MustCompile(`job-[a-z2-7]{26}`).FindString(out)
			require.NotEmpty(t, handle, out)
			args, err := json.Marshal(map[string]string{"handle": handle, "message": message})
			require.NoError(t, err)
			say := reg.ContinueTool().(interface {
				CallArguments(context.Context, json.RawMessage) (string, error)
			})
			out, err = say.CallArguments(ctx, args)
			require.NoError(t, err)
			var said []string
			for _, m := range d.Jobs()[0].Messages {
				if m.Role == "user" {
					said = append(said, m.Text)
				}
			}
			require.Equal(t, message, said[len(said)-1], out)
		})
	}
}
