package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// byHand connects a host of the newest revision that enters again by itself.
func (h *host) byHand(t *testing.T) *sdk.ClientSession {
	ours, theirs := sdk.NewInMemoryTransports()
	go func() { _ = h.s.Run(t.Context(), ours) }()
	client := sdk.NewClient(&sdk.Implementation{Name: "by hand"}, &sdk.ClientOptions{MultiRoundTrip: &sdk.MultiRoundTripOptions{Disabled: true},
		Capabilities: &sdk.ClientCapabilities{Elicitation: &sdk.ElicitationCapabilities{Form: &sdk.FormElicitationCapabilities{}}}})
	session, err := client.Connect(t.Context(), theirs, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = session.Close() })
	return session
}

func params(tool, input, state string, answer *sdk.ElicitResult) *sdk.CallToolParams {
	p := &sdk.CallToolParams{Name: tool, Arguments: map[string]any{"input": input}, RequestState: state}
	if answer != nil {
		p.InputResponses = sdk.InputResponseMap{"decision": answer}
	}
	return p
}

func text(t *testing.T, res *sdk.CallToolResult, err error) string {
	t.Helper()
	require.NoError(t, err)
	require.Len(t, res.Content, 1)
	return res.Content[0].(*sdk.TextContent).Text
}

// requireBadState wants the error of the protocol for a state that is not good for
// the call.
func requireBadState(t *testing.T, err error) {
	t.Helper()
	var told *jsonrpc.Error
	require.ErrorAs(t, err, &told)
	require.Equal(t, int64(jsonrpc.CodeInvalidParams), told.Code)
	require.Contains(t, told.Message, "nothing was decided")
}

// An answer counts only for the request that its user saw, once.
func TestReentryIsBound(t *testing.T) {
	yes := &sdk.ElicitResult{Action: "accept", Content: map[string]any{"approve": true}}
	synctestHost(t, mcp.Elicit(nil, hitl.For(refundsID)), func(t *testing.T, h *host) {
		s := h.byHand(t)
		first, err := s.CallTool(t.Context(), params("refunds", "order 4711", "", nil))
		require.NoError(t, err)
		require.True(t, first.NeedsInput())
		require.Contains(t, first.InputRequests["decision"].(*sdk.ElicitParams).Message, "Refund 120 EUR")
		other, err := s.CallTool(t.Context(), params("refunds", "order 4712", "", nil))
		require.NoError(t, err)
		require.True(t, other.NeedsInput())

		body, mac, _ := strings.Cut(first.RequestState, ".")
		otherBody, _, _ := strings.Cut(other.RequestState, ".")
		for name, p := range map[string]*sdk.CallToolParams{
			"no state":           params("refunds", "order 4711", "", yes),
			"nonsense":           params("refunds", "order 4711", "nonsense", yes),
			"a changed state":    params("refunds", "order 4711", body[:len(body)-2]+"AA."+mac, yes),
			"another's body":     params("refunds", "order 4711", otherBody+"."+mac, yes),
			"other arguments":    params("refunds", "order 9999", first.RequestState, yes),
			"another tool":       params("survey", "order 4711", first.RequestState, yes),
			"another call's":     params("refunds", "order 4711", other.RequestState, yes),
			"unsigned":           params("refunds", "order 4711", body+".", yes),
			"an empty signature": params("refunds", "order 4711", body, yes),
		} {
			t.Log(name)
			_, err := s.CallTool(t.Context(), p)
			requireBadState(t, err)
		}
		synctest.Wait()
		require.Empty(t, h.approvals())
		require.Len(t, h.d.Jobs(), 2)

		second, err := s.CallTool(t.Context(), params("refunds", "order 4711", first.RequestState, yes))
		require.NoError(t, err)
		require.True(t, second.NeedsInput())
		require.Contains(t, second.InputRequests["decision"].(*sdk.ElicitParams).Message, "Tell the customer")
		require.Equal(t, map[string]bool{"Refund 120 EUR": true}, h.approvals())

		// The first state again, for the second request: it is shown again.
		third, err := s.CallTool(t.Context(), params("refunds", "order 4711", first.RequestState, yes))
		require.NoError(t, err)
		require.True(t, third.NeedsInput())
		require.Contains(t, third.InputRequests["decision"].(*sdk.ElicitParams).Message, "Tell the customer")
		require.NotContains(t, h.approvals(), "Tell the customer")

		// Nobody answers a form in the moment in which the call that showed it first is
		// still leaving.
		synctest.Wait()
		res, err := s.CallTool(t.Context(), params("refunds", "order 4711", second.RequestState, yes))
		require.Contains(t, text(t, res, err), "Refunded.")
		require.Len(t, h.d.Jobs(), 2, "entering again starts nothing")
	})
}

// A user's answer to a text that has changed since is thrown away, and the new
// text is shown.
func TestReentryAfterTheRequestChanged(t *testing.T) {
	yes := &sdk.ElicitResult{Action: "accept", Content: map[string]any{"approve": true}}
	synctestHost(t, mcp.Elicit(nil, hitl.For(refundsID)), func(t *testing.T, h *host) {
		s := h.byHand(t)
		first, err := s.CallTool(t.Context(), params("refunds", "order 4711", "", nil))
		require.NoError(t, err)
		require.NoError(t, h.d.ChangeRequest(h.d.Jobs()[0].ID, func(q *duvo.HumanRequest) { q.Title = "Refund 12000 EUR" }))
		time.Sleep(5 * time.Minute) // it is read again
		second, err := s.CallTool(t.Context(), params("refunds", "order 4711", first.RequestState, yes))
		require.NoError(t, err)
		require.True(t, second.NeedsInput())
		require.Contains(t, second.InputRequests["decision"].(*sdk.ElicitParams).Message, "Refund 12000 EUR")
		require.Empty(t, h.approvals())
		res, err := s.CallTool(t.Context(), params("refunds", "order 4711", second.RequestState, &sdk.ElicitResult{Action: "accept", Content: map[string]any{"approve": false}}))
		require.Contains(t, text(t, res, err), "Not refunded.")
	})
}

// A host that does not come back is a caller that has left: nothing is decided.
func TestHostThatDoesNotComeBack(t *testing.T) {
	synctestHost(t, mcp.Elicit(nil, hitl.For(refundsID)), func(t *testing.T, h *host) {
		s := h.byHand(t)
		first, err := s.CallTool(t.Context(), params("refunds", "order 4711", "", nil))
		require.NoError(t, err)
		time.Sleep(time.Hour)
		require.Zero(t, h.d.Count("respondToHumanRequest"))
		reads := h.d.Count("getRun")
		time.Sleep(time.Hour)
		require.Equal(t, reads, h.d.Count("getRun"), "the Job is left alone")
		again, err := s.CallTool(t.Context(), params("refunds", "order 4711", first.RequestState, &sdk.ElicitResult{Action: "accept", Content: map[string]any{"approve": true}}))
		require.NoError(t, err)
		require.True(t, again.NeedsInput(), "it is asked anew")
		require.Empty(t, h.approvals())
		require.Len(t, h.d.Jobs(), 1)
	})
}

// synctestHost runs a test without a host.
func synctestHost(t *testing.T, p hitl.Policy, test func(t *testing.T, h *host), opts ...duvotool.Option) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{d: duvotest.New(duvotest.WithAssignments(refunds, survey))}
		t.Cleanup(h.d.Close)
		var err error
		h.reg, err = duvotool.Discover(t.Context(), h.d.Client(), append([]duvotool.Option{duvotool.WithPolicy(p), duvotool.WithObserver(mcp.Progress(nil))}, opts...)...)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, h.reg.Close(context.Background())) })
		h.s, err = mcp.NewServer(h.reg)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, h.s.Close(context.Background())) })
		test(t, h)
	})
}

// A cancelled call leaves its Job as it is, and decides nothing.
func TestCancellation(t *testing.T) {
	for name, user := range map[string]answers{"while the Job runs": nil, "while the form is open": func(*sdk.ElicitParams) (*sdk.ElicitResult, error) {
		time.Sleep(24 * time.Hour)
		return nil, errors.New("never")
	}} {
		t.Run(name, func(t *testing.T) {
			withHost(t, mcp.Elicit(nil, hitl.For(refundsID)), user, func(t *testing.T, h *host) {
				after := 30 * time.Second
				if user != nil {
					after = 10 * time.Minute
				}
				ctx, cancel := context.WithTimeout(t.Context(), after)
				defer cancel()
				_, err := h.CallTool(ctx, params("refunds", "order 4711", "", nil))
				require.Error(t, err)
				synctest.Wait()
				reads := h.d.Count("getRun")
				time.Sleep(2 * time.Hour)
				require.Zero(t, h.d.Count("respondToHumanRequest"), "nothing is decided")
				if user == nil || h.InitializeResult().ProtocolVersion < "2026-07-28" {
					require.Equal(t, reads, h.d.Count("getRun"), "the Job is left alone")
				}
				require.False(t, h.d.Jobs()[0].Status.Terminal())
			})
		})
	}
}

// Past the wait budget the host gets a handle, and check_job carries what the
// Job asks later.
func TestHandleOfALongJob(t *testing.T) {
	withHost(t, mcp.Elicit(nil, hitl.For(refundsID)), sayYes, func(t *testing.T, h *host) {
		list, err := h.ListTools(t.Context(), nil)
		require.NoError(t, err)
		require.Len(t, list.Tools, 3)
		out := h.call(t, "refunds", "order 4711")
		require.Contains(t, out, "still at work")
		handle := out[strings.Index(out, "job-"):][:30]
		time.Sleep(10 * time.Minute)
		require.Empty(t, h.approvals(), "it waits for somebody to carry the request")
		require.Empty(t, h.forms)
		for range 10 {
			if out = h.call(t, "check_job", handle); strings.Contains(out, "completed") {
				break
			}
		}
		require.Contains(t, out, "Refunded.")
		require.Len(t, h.forms, 2)
		require.Len(t, h.d.Jobs(), 1)
		require.Contains(t, h.call(t, "check_job", "job-aaaaaaaaaaaaaaaaaaaaaaaaaa"), "no Job with the handle")
	}, duvotool.WithWaitBudget(20*time.Second))
}

func TestOperationKeyOfTheHost(t *testing.T) {
	withHost(t, mcp.Elicit(nil), nil, func(t *testing.T, h *host) {
		p := params("refunds", "order 4711", "", nil)
		p.Meta = sdk.Meta{mcp.OperationKey: "k1"}
		for range 2 {
			res, err := h.CallTool(t.Context(), p)
			require.Contains(t, text(t, res, err), "Not refunded.")
		}
		require.Len(t, h.d.Jobs(), 1)
		res, err := h.CallTool(t.Context(), params("refunds", "", "", nil))
		require.Contains(t, text(t, res, err), "No Job was started")
		res, err = h.CallTool(t.Context(), &sdk.CallToolParams{Name: "refunds", Arguments: map[string]any{"text": "x"}})
		require.Contains(t, text(t, res, err), "input")
		require.Len(t, h.d.Jobs(), 1)
	})
}

type refund struct {
	Order  int    `json:"order" jsonschema:"description=The order's number."`
	Reason string `json:"reason,omitempty"`
}

// A tool has its Assignment's own schema; arguments that do not fit cost no Job.
func TestTypedTools(t *testing.T) {
	withHost(t, mcp.Elicit(nil), nil, func(t *testing.T, h *host) {
		list, err := h.ListTools(t.Context(), nil)
		require.NoError(t, err)
		names := map[string]*sdk.Tool{}
		for _, tool := range list.Tools {
			names[tool.Name] = tool
		}
		require.Contains(t, names, "continue_job")
		raw, err := json.Marshal(names["refunds"].InputSchema)
		require.NoError(t, err)
		require.Contains(t, string(raw), "The order's number.")
		res, err := h.CallTool(t.Context(), &sdk.CallToolParams{Name: "refunds", Arguments: map[string]any{"order": "many"}})
		require.Contains(t, text(t, res, err), "order")
		require.Empty(t, h.d.Jobs())
		res, err = h.CallTool(t.Context(), &sdk.CallToolParams{Name: "refunds", Arguments: map[string]any{"order": 4711}})
		out := text(t, res, err)
		require.Contains(t, out, "Not refunded.")
		require.JSONEq(t, `{"order":4711}`, h.d.Jobs()[0].Input)
		handle := out[strings.Index(out, "job-"):][:30]
		res, err = h.CallTool(t.Context(), &sdk.CallToolParams{Name: "continue_job", Arguments: map[string]any{"handle": handle, "message": "thanks"}})
		require.Contains(t, text(t, res, err), "Nothing was said to the Job")
		res, err = h.CallTool(t.Context(), &sdk.CallToolParams{Name: "continue_job", Arguments: map[string]any{"handle": handle, "message": `{"order": 4712}`}})
		require.Contains(t, text(t, res, err), `You said: {"order":4712}`)
		require.Len(t, h.d.Jobs(), 1)
	}, duvotool.Configure(duvotool.ByID(refundsID), duvotool.InputOf[refund](), duvotool.WithFollowUps()))
}

// Hosts learn of what a refresh has brought.
func TestUpdate(t *testing.T) {
	synctestHost(t, mcp.Elicit(nil), func(t *testing.T, h *host) {
		changed := make(chan struct{}, 10)
		ours, theirs := sdk.NewInMemoryTransports()
		go func() { _ = h.s.Run(t.Context(), ours) }()
		client := sdk.NewClient(&sdk.Implementation{Name: "host"}, &sdk.ClientOptions{
			ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) { changed <- struct{}{} }})
		session, err := client.Connect(t.Context(), theirs, &sdk.ClientSessionOptions{ProtocolVersion: "2025-11-25"})
		require.NoError(t, err)
		defer session.Close()
		require.NoError(t, h.d.AddAssignment(duvotest.Assignment{Name: "New", Script: func(j *duvotest.Job) { j.Complete("") }}))
		require.NoError(t, h.d.RemoveAssignment(surveyID))
		_, err = h.reg.Refresh(t.Context())
		require.NoError(t, err)
		h.s.Update()
		<-changed
		list, err := session.ListTools(t.Context(), nil)
		require.NoError(t, err)
		require.Len(t, list.Tools, 2)
		require.Equal(t, "new", list.Tools[0].Name)
		require.Equal(t, "refunds", list.Tools[1].Name)
	})
}

// Two calls with one key are one operation: each may carry the question.
func TestCallsOfOneOperation(t *testing.T) {
	withHost(t, mcp.Elicit(nil, hitl.For(refundsID)), sayYes, func(t *testing.T, h *host) {
		keyed := func() *sdk.CallToolParams {
			p := params("refunds", "order 4711", "", nil)
			p.Meta = sdk.Meta{mcp.OperationKey: "k1"}
			return p
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // before the Job asks
		defer cancel()
		first := make(chan error, 1)
		go func() {
			_, err := h.CallTool(ctx, keyed())
			first <- err
		}()
		time.Sleep(time.Second)
		res, err := h.CallTool(t.Context(), keyed())
		require.Contains(t, text(t, res, err), "Refunded.")
		require.Error(t, <-first)
		require.Len(t, h.d.Jobs(), 1)
	})
}

// A large catalog is searched.
func TestSearchedCatalog(t *testing.T) {
	withHost(t, mcp.Elicit(nil, hitl.For(refundsID)), sayYes, func(t *testing.T, h *host) {
		server, err := mcp.NewServer(h.reg, mcp.WithTools(h.reg.SearchTool(), h.reg.RunTool(), h.reg.CheckTool()))
		require.NoError(t, err)
		defer server.Close(context.Background())
		h.s = server
		session := h.connect(t, "2025-11-25", sayYes)
		defer session.Close()
		list, err := session.ListTools(t.Context(), nil)
		require.NoError(t, err)
		require.Len(t, list.Tools, 3)
		for _, tool := range list.Tools {
			require.Equal(t, tool.Name != "duvo_run", tool.Annotations.ReadOnlyHint, tool.Name)
		}
		res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "duvo_search", Arguments: map[string]any{"query": "give money back for an order"}})
		require.Contains(t, text(t, res, err), "refunds")
		res, err = session.CallTool(t.Context(), &sdk.CallToolParams{Name: "duvo_run", Arguments: map[string]any{"assignment": "refunds", "input": "order 4711"}})
		require.Contains(t, text(t, res, err), "Refunded.")
		require.Len(t, h.forms, 2)
	})
	_, err := mcp.NewServer(nil)
	require.Error(t, err)
}

// A tool of the program's own, with a schema.
type ownTool struct{ schema string }

func (ownTool) Name() string                                                   { return "own" }
func (ownTool) Description() string                                            { return "The program's own." }
func (ownTool) Call(context.Context, string) (string, error)                   { return "done", nil }
func (o ownTool) Schema() json.RawMessage                                      { return json.RawMessage(o.schema) }
func (ownTool) CallArguments(context.Context, json.RawMessage) (string, error) { return "done", nil }

// Tools that cannot be offered are an error, not a panic, and none hides another.
func TestWithToolsRefuses(t *testing.T) {
	synctestHost(t, mcp.Elicit(nil), func(t *testing.T, h *host) {
		for _, schema := range []string{`{"type":"string"}`, "nonsense", "", "null"} {
			_, err := mcp.NewServer(h.reg, mcp.WithTools(ownTool{schema}))
			require.ErrorContains(t, err, `"own"`, schema)
		}
		_, err := mcp.NewServer(h.reg, mcp.WithTools(h.reg.SearchTool(), h.reg.SearchTool()))
		require.ErrorContains(t, err, `two tools named "duvo_search"`)
		s, err := mcp.NewServer(h.reg, mcp.WithTools(ownTool{`{"type":"object"}`}, h.reg.SearchTool()))
		require.NoError(t, err)
		require.NoError(t, s.Close(context.Background()))
	})
}
