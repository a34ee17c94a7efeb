package duvotool_test

import (
	"context"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// What a model has read as the name of one Assignment never runs another one, also
// where the name of the tool was another: after a rename, and where one of two that
// had the name is gone.
func TestAnAssignmentsOwnNameIsNoOthers(t *testing.T) {
	const a, b = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8c01", "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8c02"
	done := func(j *duvotest.Job) { j.Complete("done") }
	for _, name := range []string{"Возврат", "Check job", "Refunds"} {
		for other, change := range map[string]func(t *testing.T, d *duvotest.Duvo){
			"Wire money": func(t *testing.T, d *duvotest.Duvo) {
				require.NoError(t, d.UpdateAssignment(a, func(x *duvotest.Assignment) { x.Name = "Something else" }))
				require.NoError(t, d.UpdateAssignment(b, func(x *duvotest.Assignment) { x.Name = name }))
			},
			name: func(t *testing.T, d *duvotest.Duvo) { require.NoError(t, d.RemoveAssignment(a)) },
		} {
			t.Run(name+" and "+other, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignments(duvotest.Assignment{ID: a, Name: name, Script: done}, duvotest.Assignment{ID: b, Name: other, Script: done}))
				defer d.Close()
				reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPollInterval(time.Millisecond))
				require.NoError(t, err)
				defer reg.Close(context.Background())
				call := func(said string) string {
					out, err := reg.RunTool().Call(t.Context(), `{"assignment": "`+said+`", "input": "for `+said+`"}`)
					require.NoError(t, err)
					return out
				}
				if other != name {
					call(name)
					require.Equal(t, a, d.Jobs()[0].AssignmentID)
				}
				before := len(d.Jobs())
				change(t, d)
				_, err = reg.Refresh(t.Context())
				require.NoError(t, err)
				require.Contains(t, call(name), "the names have changed")
				require.Len(t, d.Jobs(), before)
				call(b) // by its ID it is what it is
				require.Equal(t, b, d.Jobs()[before].AssignmentID)
			})
		}
	}
}
