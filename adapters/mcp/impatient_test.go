package mcp_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
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

// lasting is an Assignment whose Jobs take as long as their input says, and ask
// once where it says so.
var lasting = duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: func(j *duvotest.Job) {
	words := strings.Fields(j.Input())
	d, _ := time.ParseDuration(words[0])
	j.Sleep(d)
	if len(words) > 1 && !j.AskApproval("Refund 120 EUR", "") {
		j.Complete("Not refunded.")
	}
	j.Complete("Refunded.")
}}

// A process is one life of a server: its registry, its server and a host.
type process struct {
	*host
	end func()
}

// begin makes a process, with a host of a revision whose user answers.
func begin(t *testing.T, d *duvotest.Duvo, revision string, user answers, j journal.Journal, opts ...mcp.ServerOption) process {
	t.Helper()
	h := &host{d: d}
	desk := mcp.NewDesk()
	regOpts := []duvotool.Option{duvotool.WithPolicy(desk.Elicit(nil, hitl.For(refundsID))), duvotool.WithPollInterval(time.Second), duvotool.WithWaitBudget(45 * time.Second)}
	if j != nil {
		regOpts = append(regOpts, duvotool.WithJournal(j))
		opts = append(opts, mcp.WithUserScope(j))
	}
	var err error
	h.reg, err = duvotool.Discover(t.Context(), d.Client(), regOpts...)
	require.NoError(t, err)
	h.s, err = mcp.NewServer(h.reg, append(opts, mcp.WithDesk(desk))...)
	require.NoError(t, err)
	h.ClientSession = h.connect(t, revision, user)
	return process{h, func() {
		_ = h.ClientSession.Close()
		require.NoError(t, h.s.Close(context.Background()))
		require.NoError(t, h.reg.Close(context.Background()))
	}}
}

// at makes a user who says yes at a moment after the first form was shown.
func at(d time.Duration) answers {
	first := sync.OnceValue(time.Now)
	return func(*sdk.ElicitParams) (*sdk.ElicitResult, error) {
		time.Sleep(time.Until(first().Add(d)))
		return &sdk.ElicitResult{Action: "accept", Content: map[string]any{"approve": true}}, nil
	}
}

// insist calls a tool until it has a result, each time for no longer than patience,
// and goes on with check_job where it is given a handle.
func insist(t *testing.T, h func() *host, input string, patience time.Duration, calls int) string {
	t.Helper()
	p := &sdk.CallToolParams{Name: "refunds", Arguments: map[string]any{"input": input}}
	for range calls {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		res, err := h().CallTool(ctx, p)
		cancel()
		if err != nil {
			continue
		}
		out := res.Content[0].(*sdk.TextContent).Text
		if !strings.Contains(out, "check_job with the handle") {
			return out
		}
		p = &sdk.CallToolParams{Name: "check_job", Arguments: map[string]any{"handle": out[strings.Index(out, "job-"):][:30]}}
	}
	t.Fatal("no result in the end")
	return ""
}

// A host that gives up and calls again gets the Job that it has: one Job, one
// response, and the result in the end, also with a form open, and with a restart
// between.
func TestAHostThatGivesUpAndCallsAgain(t *testing.T) {
	for _, revision := range revisions {
		for _, patience := range []time.Duration{time.Second, 5 * time.Second, 10 * time.Second, time.Minute} {
			for _, asks := range []bool{false, true} {
				for _, restart := range []bool{false, true} {
					t.Run(fmt.Sprint(revision, " ", patience, " form ", asks, " restart ", restart), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							d := duvotest.New(duvotest.WithAssignment(lasting))
							defer d.Close()
							input, user := (patience * 5 / 2).String(), at(patience*5/2)
							if asks {
								input = "100ms ask"
							}
							var j journal.Journal
							if restart {
								j = journal.NewMemory()
							}
							p := begin(t, d, revision, user, j)
							calls := 0
							out := insist(t, func() *host {
								if calls++; calls == 2 && restart {
									p.end()
									p = begin(t, d, revision, user, j)
								}
								return p.host
							}, input, patience, 5)
							require.Contains(t, out, "Refunded.")
							require.Len(t, d.Jobs(), 1)
							require.Equal(t, map[bool]int{false: 0, true: 1}[asks], d.Count("respondToHumanRequest"))
							if asks && !restart && revision < "2026-07-28" && patience < time.Minute {
								require.Len(t, p.forms, 1, "the form stays open")
							}
							p.end()
						})
					})
				}
			}
		}
	}
}

// The same call again, after its result was returned, is another one; so is one in
// another session, unless the user's scope joins them.
func TestWhatJoins(t *testing.T) {
	for _, perUser := range []bool{false, true} {
		t.Run(fmt.Sprint("user's scope ", perUser), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(lasting))
				defer d.Close()
				var opts []mcp.ServerOption
				if perUser {
					opts = append(opts, mcp.WithUserScope(nil))
				}
				p := begin(t, d, "2025-11-25", nil, nil, opts...)
				other := p.connect(t, "2025-11-25", nil)
				call := func(s *sdk.ClientSession, input string) func() {
					done := make(chan error, 1)
					go func() {
						_, err := s.CallTool(t.Context(), params("refunds", input, "", nil))
						done <- err
					}()
					return func() { require.NoError(t, <-done) }
				}
				first, second, third := call(p.ClientSession, "10s"), call(p.ClientSession, "10s"), call(other, "10s")
				first()
				second()
				third()
				jobs := map[bool]int{false: 2, true: 1}[perUser]
				require.Len(t, d.Jobs(), jobs)
				call(p.ClientSession, "10s")()
				call(p.ClientSession, "11s")()
				require.Len(t, d.Jobs(), jobs+2)
				_ = other.Close()
				p.end()
			})
		})
	}
}

// A Job that took longer than allowed may be at work all the same: the call again is
// about it.
func TestAJobThatExpiredIsJoined(t *testing.T) {
	withHost(t, mcp.Elicit(nil), nil, func(t *testing.T, h *host) {
		require.Contains(t, h.call(t, "refunds", "order 4711"), "do not start it again")
		h.call(t, "refunds", "order 4711")
		require.Len(t, h.d.Jobs(), 1)
	}, duvotool.WithJobTimeout(10*time.Second))
}

// A result that went to a call which the host had cancelled was not returned; one
// that was is not given again, after a restart either.
func TestResultsThatWereNotReturned(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(lasting))
				defer d.Close()
				j := journal.NewMemory()
				p := begin(t, d, "2025-11-25", nil, j)
				next := func() {
					if restart {
						p.end()
						p = begin(t, d, "2025-11-25", nil, j)
					}
				}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				_, err := p.CallTool(ctx, params("refunds", "20s", "", nil))
				cancel()
				require.Error(t, err)
				next()
				time.Sleep(time.Minute)
				for jobs := 1; jobs <= 2; jobs++ {
					require.Contains(t, p.call(t, "refunds", "20s"), "Refunded.")
					require.Len(t, d.Jobs(), jobs)
					next()
				}
				p.end()
			})
		})
	}
}

// Handles live on over a restart, and what waits is asked again, by whatever call of
// the user comes.
func TestHandlesAndFormsAfterARestart(t *testing.T) {
	for _, revision := range revisions {
		t.Run(revision, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(lasting))
				defer d.Close()
				j := journal.NewMemory()
				p := begin(t, d, revision, nil, j)
				out := p.call(t, "refunds", "60s ask")
				handle := out[strings.Index(out, "job-"):][:30]
				p.end()
				time.Sleep(5 * time.Minute)
				p = begin(t, d, revision, sayYes, j)
				time.Sleep(5 * time.Minute)
				require.Empty(t, p.approvals())
				require.Contains(t, p.call(t, "check_job", handle), "Refunded.")
				require.Equal(t, map[string]bool{"Refund 120 EUR": true}, p.approvals())
				require.Len(t, d.Jobs(), 1)
				p.end()
			})
		})
	}
}

// A host that has lost its form, and with it the state, is asked again.
func TestAFormThatAHostHasLostIsShownAgain(t *testing.T) {
	for name, of := range map[string]func(p *sdk.CallToolParams){
		"by its key":   func(p *sdk.CallToolParams) { p.Meta = sdk.Meta{mcp.OperationKey: "k1"} },
		"by the input": func(*sdk.CallToolParams) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctestHost(t, mcp.Elicit(nil, hitl.For(refundsID)), func(t *testing.T, h *host) {
				call := func(s *sdk.ClientSession) *sdk.CallToolResult {
					p := params("refunds", "order 4711", "", nil)
					of(p)
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
					defer cancel()
					res, err := s.CallTool(ctx, p)
					require.NoError(t, err)
					if !res.NeedsInput() {
						t.Fatal(text(t, res, err))
					}
					return res
				}
				s := h.byHand(t)
				first := call(s)
				if name == "by its key" {
					_ = s.Close() // and what the host knew is lost
					s = h.byHand(t)
				}
				again := call(s)
				require.NotEqual(t, first.RequestState, again.RequestState)
				synctest.Wait() // nobody answers while the call that showed it first is still leaving
				p := params("refunds", "order 4711", again.RequestState, &sdk.ElicitResult{Action: "accept", Content: map[string]any{"approve": true}})
				of(p)
				res, err := s.CallTool(t.Context(), p)
				require.NoError(t, err)
				require.True(t, res.NeedsInput())
				require.Equal(t, map[string]bool{"Refund 120 EUR": true}, h.approvals())
				require.Len(t, h.d.Jobs(), 1)
			})
		})
	}
}

// The first form answers what the second, of the same request, would have.
func TestTheFirstFormOfTwoAnswers(t *testing.T) {
	synctestHost(t, mcp.Elicit(nil, hitl.For(refundsID)), func(t *testing.T, h *host) {
		s := h.byHand(t)
		first, err := s.CallTool(t.Context(), params("refunds", "order 4711", "", nil))
		require.NoError(t, err)
		_, err = s.CallTool(t.Context(), params("refunds", "order 4711", "", nil))
		require.NoError(t, err)
		yes := &sdk.ElicitResult{Action: "accept", Content: map[string]any{"approve": true}}
		res, err := s.CallTool(t.Context(), params("refunds", "order 4711", first.RequestState, yes))
		require.NoError(t, err)
		require.Contains(t, res.InputRequests["decision"].(*sdk.ElicitParams).Message, "Tell the customer")
		require.Equal(t, map[string]bool{"Refund 120 EUR": true}, h.approvals())
	})
}

// A state that is good, with no answer or one under another key, is asked again, and
// sends nothing.
func TestReentryWithoutAnAnswer(t *testing.T) {
	yes := &sdk.ElicitResult{Action: "accept", Content: map[string]any{"approve": true}}
	synctestHost(t, mcp.Elicit(nil, hitl.For(refundsID)), func(t *testing.T, h *host) {
		s := h.byHand(t)
		res, err := s.CallTool(t.Context(), params("refunds", "order 4711", "", nil))
		require.NoError(t, err)
		for _, answers := range []sdk.InputResponseMap{nil, {"another": yes}} {
			p := params("refunds", "order 4711", res.RequestState, nil)
			p.InputResponses = answers
			res, err = s.CallTool(t.Context(), p)
			require.NoError(t, err)
			require.True(t, res.NeedsInput())
			require.Contains(t, res.InputRequests["decision"].(*sdk.ElicitParams).Message, "Refund 120 EUR")
		}
		require.Zero(t, h.d.Count("respondToHumanRequest"))
		_, err = s.CallTool(t.Context(), params("refunds", "order 4711", res.RequestState, yes))
		require.NoError(t, err)
		require.Equal(t, map[string]bool{"Refund 120 EUR": true}, h.approvals())
	})
}

// What cannot be used is told as an error, and costs nothing.
func TestInputThatDoesNotFitIsAnError(t *testing.T) {
	withHost(t, mcp.Elicit(nil), nil, func(t *testing.T, h *host) {
		for name, p := range map[string]*sdk.CallToolParams{
			"empty":            params("refunds", " ", "", nil),
			"another field":    {Name: "refunds", Arguments: map[string]any{"text": "x"}},
			"no handle":        {Name: "check_job", Arguments: map[string]any{"handle": "the first one"}},
			"an unknown one":   {Name: "check_job", Arguments: map[string]any{"handle": "job-aaaaaaaaaaaaaaaaaaaaaaaaaa"}},
			"to go on with it": {Name: "continue_job", Arguments: map[string]any{"handle": "job-aaaaaaaaaaaaaaaaaaaaaaaaaa", "message": "x"}},
		} {
			res, err := h.CallTool(t.Context(), p)
			require.NoError(t, err, name)
			require.True(t, res.IsError, name)
		}
		require.Empty(t, h.d.Jobs())
		res, err := h.CallTool(t.Context(), params("refunds", "order 4711", "", nil))
		require.NoError(t, err)
		require.False(t, res.IsError)
	}, duvotool.WithWaitBudget(time.Hour), duvotool.WithFollowUps())
}
