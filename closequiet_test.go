package duvotool_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// Messages that are not read because the registry is closed are no failure of
// anybody's, and an outage while they are read is no error, as while Jobs are.
func TestUnreadMessagesAreNoErrors(t *testing.T) {
	quick := duvotest.Assignment{Name: "Quick", Description: "Is done at once.", Script: func(j *duvotest.Job) { j.Complete("done") }}
	for name, c := range map[string]struct {
		fault  duvotest.Fault
		closes bool
		says   []string
		not    []string
	}{
		"closed":  {fault: duvotest.Fault{Kind: duvotest.Hang}, closes: true, not: []string{"level=WARN", "level=ERROR"}},
		"down":    {fault: duvotest.Fault{Kind: duvotest.StatusBefore, Status: http.StatusServiceUnavailable}, says: []string{"level=WARN"}, not: []string{"level=ERROR"}},
		"refused": {fault: duvotest.Fault{Kind: duvotest.StatusBefore, Status: http.StatusForbidden}, says: []string{"level=WARN", "level=ERROR"}},
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				var logged bytes.Buffer
				c.fault.Op = "listRunMessages"
				d.Inject(c.fault)
				reg, err := duvotool.Discover(t.Context(), d.Client(duvo.WithRetries(1, time.Second)), duvotool.WithLogger(slog.New(slog.NewTextHandler(&logged, nil))))
				require.NoError(t, err)
				_, err = mustTool(reg, "quick").Start(t.Context(), "x")
				require.NoError(t, err)
				time.Sleep(20 * time.Second)
				synctest.Wait()
				require.Equal(t, !c.closes, d.Count("listRunMessages") > 1, "it is tried again")
				closing, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				require.NoError(t, reg.Close(closing))
				for _, says := range c.says {
					require.Contains(t, logged.String(), says)
				}
				for _, not := range c.not {
					require.NotContains(t, logged.String(), not)
				}
			}, duvotest.WithAssignment(quick))
		})
	}
}
