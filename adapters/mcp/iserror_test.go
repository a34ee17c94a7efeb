package mcp_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// A Job that failed is a tool's error, whichever tool tells of it; a denial, a Job that
// was stopped and one that still waits are none.
func TestAJobThatFailedIsAnError(t *testing.T) {
	scripts := duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: func(j *duvotest.Job) {
		switch j.Input() {
		case "fail":
			j.Fail("no such order")
		case "fail later":
			j.Sleep(time.Hour)
			j.Fail("no such order")
		case "ask":
			if !j.AskApproval("Refund 120 EUR", "") {
				j.Complete("Not refunded.")
			}
		}
		j.Complete("Refunded.")
	}}
	for _, revision := range revisions {
		t.Run(revision, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(scripts))
				defer d.Close()
				p := beginWith(t, d, revision, hitl.AlwaysDeny(), nil)
				defer p.end()
				call := func(name string, arguments map[string]any) *sdk.CallToolResult {
					res, err := p.CallTool(t.Context(), &sdk.CallToolParams{Name: name, Arguments: arguments})
					require.NoError(t, err)
					return res
				}
				run := func(input string) *sdk.CallToolResult { return call("refunds", map[string]any{"input": input}) }
				require.True(t, run("fail").IsError)
				require.False(t, run("ask").IsError)
				require.False(t, run("go on").IsError)
				res := run("fail later")
				require.False(t, res.IsError)
				out := res.Content[0].(*sdk.TextContent).Text
				time.Sleep(2 * time.Hour)
				res = call("check_job", map[string]any{"handle": out[strings.Index(out, "job-"):][:30]})
				require.Contains(t, text(t, res, nil), "failed")
				require.True(t, res.IsError)
				require.Len(t, d.Jobs(), 4)
			})
		})
	}
}

// beginWith makes a process whose registry has a policy.
func beginWith(t *testing.T, d *duvotest.Duvo, revision string, policy hitl.Policy, j journal.Journal, opts ...duvotool.Option) process {
	t.Helper()
	h := &host{d: d}
	var serverOpts []mcp.ServerOption
	opts = append(opts, duvotool.WithPolicy(policy), duvotool.WithPollInterval(time.Second), duvotool.WithWaitBudget(45*time.Second))
	if j != nil {
		opts, serverOpts = append(opts, duvotool.WithJournal(j)), append(serverOpts, mcp.WithUserScope(j))
	}
	var err error
	h.reg, err = duvotool.Discover(t.Context(), d.Client(), opts...)
	require.NoError(t, err)
	h.s, err = mcp.NewServer(h.reg, serverOpts...)
	require.NoError(t, err)
	h.ClientSession = h.connect(t, revision, nil)
	return process{h, func() {
		_ = h.ClientSession.Close()
		require.NoError(t, h.s.Close(context.Background()))
		require.NoError(t, h.reg.Close(context.Background()))
	}}
}

// A result that check_job fetched was returned like any other: the same call later is
// another one, after restarts too, and nobody is told that it would start nothing.
func TestAResultThatCheckJobFetched(t *testing.T) {
	for name, restarts := range map[string][2]bool{"none": {}, "before": {true, false}, "after": {false, true}, "both": {true, true}} {
		for _, joined := range []bool{false, true} { // whether the process that fetches it has seen the call too
			t.Run(name+" "+map[bool]string{true: "called again", false: "not called again"}[joined], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := duvotest.New(duvotest.WithAssignment(lasting))
					defer d.Close()
					j := journal.NewMemory()
					p := begin(t, d, "2025-11-25", nil, j)
					restart := func(now bool) {
						if now {
							p.end()
							p = begin(t, d, "2025-11-25", nil, j)
						}
					}
					for jobs := 1; jobs <= 3; jobs++ {
						out := p.call(t, "refunds", "90s")
						handle := out[strings.Index(out, "job-"):][:30]
						require.Len(t, d.Jobs(), jobs)
						restart(restarts[0])
						if joined {
							out = p.call(t, "refunds", "90s")
							require.Contains(t, out, "No new Job was started.\n", "what a later call will do, none can tell")
							require.Contains(t, out, "has not ended")
						}
						time.Sleep(2 * time.Minute)
						require.Contains(t, p.call(t, "check_job", handle), "Refunded.")
						require.Contains(t, p.call(t, "check_job", handle), "Refunded.", "as often as one likes")
						restart(restarts[1])
					}
					require.Len(t, d.Jobs(), 3)
					p.end()
				})
			})
		}
	}
}
