package mcp_test

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

const (
	refundsID = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b01"
	surveyID  = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b02"
)

// refunds asks for two approvals.
var refunds = duvotest.Assignment{ID: refundsID, Name: "Refunds", Description: "Refunds an order.", Script: func(j *duvotest.Job) {
	j.Sleep(time.Minute)
	if j.AskApproval("Refund 120 EUR", "For "+j.Input()) && j.AskApproval("Tell the customer", "") {
		j.Complete("Refunded.")
	}
	j.Complete("Not refunded.")
}}

var survey = duvotest.Assignment{ID: surveyID, Name: "Survey", Script: func(j *duvotest.Job) {
	a := j.Ask("Survey", "", duvo.QuestionItem{Question: "Which ones?", MultiSelect: true, Options: []duvo.Choice{{Label: "a, b"}, {Label: "c"}}},
		duvo.QuestionItem{Question: "How?", Options: []duvo.Choice{{Label: "so\u202e"}, {Label: "otherwise"}}}, duvo.QuestionItem{Question: "Why?"})
	j.Complete(a["Which ones?"] + "; " + a["How?"] + "; " + a["Why?"])
}}

// A host is an MCP host, with one user.
type host struct {
	*sdk.ClientSession
	d   *duvotest.Duvo
	reg *duvotool.Registry
	s   *mcp.Server

	mu       sync.Mutex
	forms    []*sdk.ElicitParams
	progress []string
	steps    []float64 // of progress
}

// revisions are those that a peer may speak.
var revisions = []string{"2026-07-28", "2025-11-25", "2025-06-18"}

type answers func(*sdk.ElicitParams) (*sdk.ElicitResult, error)

// withHost runs a test with a host of each revision. A nil user is a host
// without elicitation.
func withHost(t *testing.T, p hitl.Policy, user answers, test func(t *testing.T, h *host), opts ...duvotool.Option) {
	for _, revision := range revisions {
		t.Run(revision, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &host{d: duvotest.New(duvotest.WithAssignments(refunds, survey))}
				defer h.d.Close()
				var err error
				h.reg, err = duvotool.Discover(t.Context(), h.d.Client(), append([]duvotool.Option{duvotool.WithPolicy(p), duvotool.WithObserver(mcp.Progress(nil))}, opts...)...)
				require.NoError(t, err)
				defer func() { require.NoError(t, h.reg.Close(context.Background())) }()
				h.s, err = mcp.NewServer(h.reg)
				require.NoError(t, err)
				h.ClientSession = h.connect(t, revision, user)
				test(t, h)
				_ = h.ClientSession.Close()
				require.NoError(t, h.s.Close(context.Background()))
			})
		})
	}
}

func (h *host) connect(t *testing.T, revision string, user answers) *sdk.ClientSession {
	ours, theirs := sdk.NewInMemoryTransports()
	go func() { _ = h.s.Run(t.Context(), ours) }()
	session, err := h.client(user).Connect(t.Context(), theirs, &sdk.ClientSessionOptions{ProtocolVersion: revision})
	require.NoError(t, err)
	require.Equal(t, revision, session.InitializeResult().ProtocolVersion)
	return session
}

func (h *host) client(user answers) *sdk.Client {
	o := &sdk.ClientOptions{Capabilities: &sdk.ClientCapabilities{},
		ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.progress, h.steps = append(h.progress, r.Params.Message), append(h.steps, r.Params.Progress)
		}}
	if user != nil {
		o.ElicitationHandler = func(_ context.Context, r *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
			h.mu.Lock()
			h.forms = append(h.forms, r.Params)
			h.mu.Unlock()
			return user(r.Params)
		}
	}
	return sdk.NewClient(&sdk.Implementation{Name: "test host", Version: "1"}, o)
}

// call calls a tool with an input and returns what the model reads.
func (h *host) call(t *testing.T, tool, input string) string {
	t.Helper()
	params := &sdk.CallToolParams{Name: tool, Arguments: map[string]any{"input": input}}
	if tool == "check_job" {
		params.Arguments = map[string]any{"handle": input}
	}
	params.SetProgressToken("p")
	res, err := h.CallTool(t.Context(), params)
	require.NoError(t, err)
	require.Len(t, res.Content, 1)
	return res.Content[0].(*sdk.TextContent).Text
}

// approvals tells which requests were answered, and how.
func (h *host) approvals() map[string]bool {
	out := map[string]bool{}
	for _, j := range h.d.Jobs() {
		for _, q := range j.Requests {
			if q.Response != nil && q.Response.Approved != nil {
				out[q.Title] = *q.Response.Approved
			}
		}
	}
	return out
}

func fill(content map[string]any) answers {
	return func(*sdk.ElicitParams) (*sdk.ElicitResult, error) {
		return &sdk.ElicitResult{Action: "accept", Content: maps.Clone(content)}, nil
	}
}

func act(action string) answers {
	return func(*sdk.ElicitParams) (*sdk.ElicitResult, error) { return &sdk.ElicitResult{Action: action}, nil }
}

var sayYes = fill(map[string]any{"approve": true, "reason": "fine\u202e"})

func TestHostListsAndCalls(t *testing.T) {
	var results []*outcome.Result
	withHost(t, mcp.Elicit(nil, hitl.For(refundsID)), sayYes, func(t *testing.T, h *host) {
		tools, err := h.ListTools(t.Context(), nil)
		require.NoError(t, err)
		require.Len(t, tools.Tools, 2)
		require.Equal(t, "refunds", tools.Tools[0].Name)
		require.Equal(t, "Refunds an order.", tools.Tools[0].Description)
		schema, err := json.Marshal(tools.Tools[0].InputSchema)
		require.NoError(t, err)
		require.Contains(t, string(schema), `"required":["input"]`)

		out := h.call(t, "refunds", "order 4711")
		require.Contains(t, out, "Refunded.")
		require.Equal(t, map[string]bool{"Refund 120 EUR": true, "Tell the customer": true}, h.approvals())
		require.Len(t, h.forms, 2)
		require.Contains(t, h.forms[0].Message, "For order 4711")
		require.Len(t, h.d.Jobs(), 1)
		synctest.Wait()
		require.IsIncreasing(t, h.steps)
		told := strings.Join(h.progress, "\n")
		for _, part := range []string{"is running", "asks: Refund 120 EUR", "approved by a user of the MCP host test host, not authenticated"} {
			require.Contains(t, told, part)
		}
		d := results[len(results)-1].Decisions[0]
		require.Equal(t, hitl.SourceUnauthenticated, d.Source)
		require.NotContains(t, d.Reason, "\u202e")
		require.Equal(t, "Elicit", d.Path)
	}, duvotool.WithObserver(mcp.Progress(func(e outcome.Event) {
		if e.Result != nil {
			results = append(results, e.Result)
		}
	})))
}

func TestQuestionsByElicitation(t *testing.T) {
	user := fill(map[string]any{"q01": []any{"a, b", "c"}, "q01_01": true, "q01_02": true, "q02": `so\u{202e}`, "q03": "because"})
	withHost(t, mcp.Elicit(nil), func(p *sdk.ElicitParams) (*sdk.ElicitResult, error) {
		raw, _ := json.Marshal(p.RequestedSchema)
		var schema struct {
			Properties map[string]struct{ Enum []string }
		}
		_ = json.Unmarshal(raw, &schema)
		res, err := user(p)
		res.Content["q02"] = schema.Properties["q02"].Enum[0]
		return res, err
	}, func(t *testing.T, h *host) {
		out := h.call(t, "survey", "ask")
		require.Contains(t, out, "a, b, c; so")
		answers := h.d.Jobs()[0].Requests[0].Response.Answers
		require.Equal(t, map[string]string{"Which ones?": "a, b, c", "How?": "so\u202e", "Why?": "because"}, answers, "the labels go to Duvo to the letter")
	})
}

// Whatever a host does other than filling in yes, nothing is approved by it.
func TestOnlyAYesApproves(t *testing.T) {
	for name, user := range map[string]answers{
		"no":                fill(map[string]any{"approve": false}),
		"decline":           act("decline"),
		"cancel":            act("cancel"),
		"an unknown action": act("maybe"),
		"accept of nothing": act("accept"),
		"yes as a text":     fill(map[string]any{"approve": "true"}),
		"yes as a number":   fill(map[string]any{"approve": 1}),
		"something else":    fill(map[string]any{"reason": "fine"}),
		"an error":          func(*sdk.ElicitParams) (*sdk.ElicitResult, error) { return nil, context.DeadlineExceeded },
		"decline with a yes": func(*sdk.ElicitParams) (*sdk.ElicitResult, error) {
			return &sdk.ElicitResult{Action: "decline", Content: map[string]any{"approve": true}}, nil
		},
		"no elicitation": nil,
	} {
		t.Run(name, func(t *testing.T) {
			withHost(t, mcp.Elicit(nil, hitl.For(refundsID)), user, func(t *testing.T, h *host) {
				params := &sdk.CallToolParams{Name: "refunds", Arguments: map[string]any{"input": "order 4711"}}
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				_, _ = h.CallTool(ctx, params)
				for title, approved := range h.approvals() {
					require.False(t, approved, title)
				}
				require.NotEqual(t, "Refunded.", h.d.Jobs()[0].Messages[len(h.d.Jobs()[0].Messages)-1].Text)
			})
		})
	}
}

// Without a rule that would allow it, the host's user is not even asked, and
// the fallback decides; so it does where the user declines.
func TestElicitationFallsBack(t *testing.T) {
	kim := duvotooltest.NewOperator("kim@example.com").Approves("")
	withHost(t, mcp.Elicit(kim), sayYes, func(t *testing.T, h *host) {
		require.Contains(t, h.call(t, "refunds", "order 4711"), "Refunded.")
		require.Empty(t, h.forms)
	})
	withHost(t, mcp.Elicit(nil, hitl.For(refundsID).TitleIs("Refund 120 EUR")), sayYes, func(t *testing.T, h *host) {
		require.Contains(t, h.call(t, "refunds", "order 4711"), "Not refunded.")
		require.Equal(t, map[string]bool{"Refund 120 EUR": true, "Tell the customer": false}, h.approvals())
		require.Len(t, h.forms, 1)
	})
	withHost(t, mcp.Elicit(kim, hitl.For(refundsID)), act("decline"), func(t *testing.T, h *host) {
		require.Contains(t, h.call(t, "refunds", "order 4711"), "Refunded.", "a person may still approve")
	})
	rule := hitl.AutoApprove(hitl.For(refundsID))
	withHost(t, mcp.Elicit(rule, hitl.For(refundsID)), act("decline"), func(t *testing.T, h *host) {
		require.Contains(t, h.call(t, "refunds", "order 4711"), "declined to answer", "a rule may not, once the user has declined")
		require.Zero(t, h.d.Count("respondToHumanRequest"))
	})
	withHost(t, mcp.Elicit(rule, hitl.For(refundsID)), nil, func(t *testing.T, h *host) {
		require.Contains(t, h.call(t, "refunds", "order 4711"), "Refunded.", "where nobody can be asked, the rule decides")
	})
}

func TestElicitationIsNoVoteInAQuorum(t *testing.T) {
	kim := duvotooltest.NewOperator("kim@example.com").Approves("")
	withHost(t, hitl.Quorum(2, kim, mcp.Elicit(nil, hitl.For(refundsID)), mcp.Elicit(nil, hitl.For(refundsID))), sayYes, func(t *testing.T, h *host) {
		require.Contains(t, h.call(t, "refunds", "order 4711"), "Not refunded.")
		require.Equal(t, map[string]bool{"Refund 120 EUR": false}, h.approvals())
	})
	withHost(t, hitl.Quorum(1, hitl.Forward(mcp.Elicit(nil, hitl.For(refundsID)).Decide)), sayYes, func(t *testing.T, h *host) {
		require.Contains(t, h.call(t, "refunds", "order 4711"), "Not refunded.", "not by way of Forward either")
	})
}
