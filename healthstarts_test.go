package duvotool_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// TestHealthOfStarts: a start that was accepted and does not come about is told while no
// Job is read: that nothing fails to be read is no sign then.
func TestHealthOfStarts(t *testing.T) {
	for name, c := range map[string]struct {
		fault duvotest.Fault
		line  string // of the log; empty: its answers prove nothing, so it is not given up as failed
	}{
		"the key was revoked": {duvotest.Fault{Kind: duvotest.StatusBefore, Status: http.StatusUnauthorized}, `level=ERROR msg="duvotool: a Job cannot be started so far"`},
		"Duvo fails":          {duvotest.Fault{Kind: duvotest.StatusBefore, Status: http.StatusServiceUnavailable}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				var warned story
				reg := discover(t, d.Client(), decide(hitl.Suspend(), nil), warned.logger(slog.LevelWarn))
				d.InjectFunc(func(op string, _ *http.Request) *duvotest.Fault {
					if op == "startRun" {
						return &c.fault
					}
					return nil
				})
				require.Zero(t, reg.Health().Unstarted)
				_, err := mustTool(reg, "refunds").Start(duvotool.WithOperationKey(t.Context(), "order 4711"), "4711")
				require.NoError(t, err)
				time.Sleep(2 * time.Minute)
				h := reg.Health()
				require.Equal(t, []int{1, 1, 0}, []int{h.InFlight, h.Unstarted, h.Unknown})
				require.Zero(t, h.Watcher.FailingSince)
				require.Contains(t, strings.Join(warned.told(), "\n"), c.line)
				d.InjectFunc(nil)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				h = reg.Health()
				require.Equal(t, []int{1, 0, 1}, []int{h.InFlight, h.Unstarted, h.Waiting})
				require.Len(t, d.Jobs(), 1)
			}, duvotest.WithAssignment(refunds))
		})
	}
}
