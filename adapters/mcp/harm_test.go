package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// withServer is withHost for one Assignment and a server with options.
func withServer(t *testing.T, a duvotest.Assignment, p hitl.Policy, user answers, test func(t *testing.T, h *host), opts ...mcp.ServerOption) {
	for _, revision := range revisions {
		t.Run(revision, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := serveHost(t, []duvotest.Assignment{a}, p)
				require.NoError(t, h.s.Close(t.Context()))
				var err error
				h.s, err = mcp.NewServer(h.reg, opts...)
				require.NoError(t, err)
				h.ClientSession = h.connect(t, revision, user)
				defer h.ClientSession.Close()
				test(t, h)
			})
		})
	}
}

func asking(questions ...duvo.QuestionItem) duvotest.Assignment {
	return duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: func(j *duvotest.Job) {
		a := j.Ask("Some things", "", questions...)
		j.Complete("answered " + a[questions[0].Question])
	}}
}

// enums are the labels of the first question's options in a form.
func enums(p *sdk.ElicitParams) []string {
	raw, _ := json.Marshal(p.RequestedSchema)
	var s struct {
		Properties map[string]struct {
			Enum  []string
			Items struct{ Enum []string }
		}
	}
	_ = json.Unmarshal(raw, &s)
	return append(s.Properties["q01"].Enum, s.Properties["q01"].Items.Enum...)
}

// A label in a form stands for one option, whatever the others are called.
func TestALabelOfAFormStandsForOneOption(t *testing.T) {
	for _, labels := range [][]string{{"Keep (3)", "Keep", " Keep"}, {"[2] Keep", "Keep", "Keep "}, {"no", "Keep\t", "Keep"}} {
		q := duvo.QuestionItem{Question: "Which?"}
		for _, l := range labels {
			q.Options = append(q.Options, duvo.Choice{Label: l})
		}
		var shown []string
		withServer(t, asking(q), mcp.Elicit(nil), func(p *sdk.ElicitParams) (*sdk.ElicitResult, error) {
			shown = enums(p)
			return &sdk.ElicitResult{Action: "accept", Content: map[string]any{"q01": shown[2]}}, nil
		}, func(t *testing.T, h *host) {
			h.call(t, "refunds", "x")
			require.Len(t, shown, 3)
			require.NotEqual(t, shown[0], shown[2])
			require.NotEqual(t, shown[1], shown[2])
			require.Equal(t, map[string]string{"Which?": labels[2]}, h.d.Jobs()[0].Requests[0].Response.Answers)
		})
	}
}

// What no answer fits, and what was chosen and reads two ways, is not sent, and the
// model is told why.
func TestFormsThatReadTwoWays(t *testing.T) {
	yesNo := []duvo.Choice{{Label: "yes"}, {Label: "no"}}
	twins := asking(duvo.QuestionItem{Question: "Go on?", Header: "Delete all", Options: yesNo}, duvo.QuestionItem{Question: "Go on?", Options: yesNo})
	withServer(t, twins, mcp.Elicit(nil), fill(map[string]any{"q01": "no", "q02": "yes"}), func(t *testing.T, h *host) {
		require.Contains(t, h.call(t, "refunds", "x"), `the question "Go on?" is asked twice`)
		require.Empty(t, h.forms)
		require.Zero(t, h.d.Count("respondToHumanRequest"))
	})
	joined := asking(duvo.QuestionItem{Question: "Which?", MultiSelect: true, Options: []duvo.Choice{{Label: "Refund"}, {Label: "Close"}, {Label: "Refund, Close"}}})
	withServer(t, joined, mcp.Elicit(nil), fill(map[string]any{"q01": []any{"Refund", "Close"}, "q01_01": true, "q01_02": true}), func(t *testing.T, h *host) {
		require.Contains(t, h.call(t, "refunds", "x"), "can be read as more than one choice")
		require.Len(t, h.forms, 1)
		require.Zero(t, h.d.Count("respondToHumanRequest"))
	})
}

// What an error of the program says is for its log, not for the model at a host.
func TestAHostsModelReadsNoErrorsOfTheProgram(t *testing.T) {
	secret := errors.New("dial postgres://admin:hunter2@10.0.0.7/approvals: connection refused")
	fails := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Decision{}, secret })
	var log bytes.Buffer
	withServer(t, refunds, fails, nil, func(t *testing.T, h *host) {
		text := h.call(t, "refunds", "x")
		require.Contains(t, text, "the program's approval policy failed")
		for _, not := range []string{"hunter2", "operation ", "deciding"} {
			require.NotContains(t, text, not)
		}
		require.Contains(t, log.String(), "hunter2")
	}, mcp.WithServerLogger(slog.New(slog.NewTextHandler(&log, nil))))
	withServer(t, refunds, fails, nil, func(t *testing.T, h *host) {
		require.NotContains(t, h.call(t, "own", "x"), "hunter2")
	}, mcp.WithTools(own{func() (string, error) { return "", secret }}))
}

type own struct {
	do func() (string, error)
}

func (own) Name() string                                   { return "own" }
func (own) Description() string                            { return "the program's own" }
func (o own) Call(context.Context, string) (string, error) { return o.do() }

type badLog struct {
	slog.Handler
	harm func()
}

func (badLog) Enabled(context.Context, slog.Level) bool { return true }
func (b badLog) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "mcp: ") {
		b.harm()
	}
	return nil
}
func (b badLog) WithAttrs([]slog.Attr) slog.Handler { return b }
func (b badLog) WithGroup(string) slog.Handler      { return b }

// What the program gave the server may panic or end its goroutine: a call is
// refused or fails for it, and nothing else.
func TestServerCallbacksThatBreak(t *testing.T) {
	for name, harm := range map[string]func(){"panics": func() { panic("hunter2") }, "exits": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			withServer(t, refunds, hitl.AlwaysDeny(), nil, func(t *testing.T, h *host) {
				_, err := h.CallTool(t.Context(), params("refunds", "x", "", nil))
				require.ErrorContains(t, err, "could not tell the scope of this call; nothing was done")
				require.NotContains(t, err.Error(), "hunter2")
				require.Empty(t, h.d.Jobs())
			}, mcp.WithScope(func(*sdk.CallToolRequest) string { harm(); return "" }))
			broken := func(*sdk.ElicitParams) (*sdk.ElicitResult, error) { return nil, errors.New("no") }
			withServer(t, refunds, mcp.Elicit(nil, hitl.For(refundsID)), broken, func(t *testing.T, h *host) {
				res, err := h.CallTool(t.Context(), params("refunds", "x", "", nil))
				if err == nil { // the newest hosts ask their user themselves
					require.Contains(t, text(t, res, err), "Nobody could be asked")
				}
				require.Zero(t, h.d.Count("respondToHumanRequest"))
			}, mcp.WithServerLogger(slog.New(badLog{slog.DiscardHandler, harm})))
			withServer(t, refunds, hitl.AlwaysDeny(), nil, func(t *testing.T, h *host) {
				res, err := h.CallTool(t.Context(), params("own", "x", "", nil))
				require.Contains(t, text(t, res, err), "it panicked or ended its goroutine")
				require.True(t, res.IsError)
			}, mcp.WithTools(own{func() (string, error) { harm(); return "", nil }}))
		})
	}
}
