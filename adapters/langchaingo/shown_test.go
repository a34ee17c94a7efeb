package langchaingo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/langchaingo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"
)

const (
	quoteID = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b11"
	payID   = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b12"
)

// twoTasks are a harmless one and one that costs money.
func twoTasks() []duvotest.Assignment {
	echo := func(what string) func(*duvotest.Job) {
		return func(j *duvotest.Job) { j.Complete(what + " " + j.Input()) }
	}
	return []duvotest.Assignment{
		{ID: quoteID, Name: "Quote refund", Description: "Tells what a refund would come to.", Script: echo("quoted")},
		{ID: payID, Name: "Pay refund", Description: "Pays a refund out.", Script: echo("paid")},
	}
}

// swap gives each of the two the other's name, as somebody in Duvo might.
func swap(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
	t.Helper()
	two := twoTasks()
	for i, a := range two {
		require.NoError(t, d.UpdateAssignment(a.ID, func(own *duvotest.Assignment) { own.Name = two[1-i].Name }))
	}
	_, err := reg.Refresh(t.Context())
	require.NoError(t, err)
}

// changing is a source that is free to call its tools what it likes.
type changing struct {
	reg   *duvotool.Registry
	names map[string]string // by the IDs of Assignments
}

type alias struct {
	*duvotool.Tool
	name string
}

func (a alias) Name() string { return a.name }

func (c *changing) Tools() (out []tools.Tool) {
	for _, t := range c.reg.All() {
		out = append(out, alias{t, c.names[t.Assignment().ID]})
	}
	return out
}

// What a model calls is what it was shown in that turn, whatever is renamed while
// it thinks.
func TestACallRunsWhatWasShown(t *testing.T) {
	for name, search := range map[string]bool{"all tools": false, "searched": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, twoTasks(), nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
				m := &model{say: func(now turn) *llms.ContentResponse {
					switch {
					case search && now.n == 1:
						return asks(searched("what would a refund come to"))
					case now.n == 1, search && now.n == 2:
						require.Contains(t, now.offered(), "quote_refund")
						swap(t, d, reg)
						return asks(callOf("a", "quote_refund", "order 1"), callOf("b", "pay_refund_3f8b11", "order 2"))
					}
					require.Contains(t, now.results()["a"], "quoted order 1")
					return says("done")
				}}
				var opts []langchaingo.Option
				if search {
					opts = append(opts, langchaingo.WithSearch())
				}
				_, err := execute(t.Context(), t, agent(t, m, reg, opts...))
				require.NoError(t, err)
				require.Len(t, d.Jobs(), 1)
				require.Equal(t, quoteID, d.Jobs()[0].AssignmentID)
			})
		})
	}
	t.Run("a source of one's own", func(t *testing.T) {
		bubble(t, twoTasks(), nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
			own := &changing{reg, map[string]string{quoteID: "quote", payID: "pay"}}
			m := &model{say: func(now turn) *llms.ContentResponse {
				switch now.n {
				case 1:
					own.names = map[string]string{quoteID: "pay", payID: "quote"}
					return asks(callOf("a", "quote", "order 1"))
				case 2: // now it is another's
					return asks(callOf("b", "quote", "order 2"))
				}
				require.Contains(t, now.results()["a"], "quoted order 1")
				require.Contains(t, now.results()["b"], "paid order 2")
				return says("done")
			}}
			_, err := execute(t.Context(), t, agent(t, m, own))
			require.NoError(t, err)
			require.Len(t, d.Jobs(), 2)
		})
	})
}

// A call that has to be made again is made of the same Assignment.
func TestACallMadeAgainRunsWhatWasShown(t *testing.T) {
	bubble(t, twoTasks(), nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		own := &changing{reg, map[string]string{quoteID: "quote", payID: "pay"}}
		a := agent(t, &model{say: func(turn) *llms.ContentResponse { return asks(callOf("a", "quote", "order 1")) }}, own)
		actions, _, err := a.Plan(t.Context(), nil, map[string]string{"input": "x"})
		require.NoError(t, err)
		own.names = map[string]string{quoteID: "pay", payID: "quote"}
		byName := map[string]tools.Tool{}
		for _, tool := range a.GetTools() {
			byName[tool.Name()] = tool
		}
		for range 2 {
			out, err := byName["quote"].Call(t.Context(), actions[0].ToolInput)
			require.NoError(t, err)
			require.Contains(t, out, "quoted order 1")
		}
		require.Len(t, d.Jobs(), 1)
	})
}

// A mark that nobody has issued opens no tool that was not offered, and makes no
// second operation of one call.
func TestMadeUpMarks(t *testing.T) {
	const a26, b26 = "aaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbb"
	mark := func(id, tool, args, tail string) llms.ToolCall {
		return llms.ToolCall{ID: id, FunctionCall: &llms.FunctionCall{Name: tool, Arguments: args + tail}}
	}
	all := append(catalog(60), worker("pay_out", time.Minute))
	args := `{"input":"order 1"}`
	bubble(t, all, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		payOut := mustTool(reg, "pay_out").Assignment().ID
		m := &model{say: func(now turn) *llms.ContentResponse {
			if now.n == 1 {
				require.NotContains(t, now.offered(), "pay_out")
				return asks(
					mark("a", "duvo_call", args, "\n#run-"+a26+"."+b26+" pay_out"),
					mark("b", "duvo_call", args, "\n#run-"+b26+"."+a26+" pay_out"),
					mark("c", "duvo_call", args, "\n#run-"+a26+"."+b26+"."+a26+` {"tool":"pay_out","id":"`+payOut+`"}`),
					mark("d", "pay_out", args, "\n#run-"+a26+"."+a26),
					mark("e", "pay_out", args, ""),
					mark("f", "nothing\n- pay_out", args, "\n#run-"+a26+"."+a26+" duvo_search"),
				)
			}
			require.NotContains(t, now.offered(), "pay_out")
			for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
				require.Regexp(t, "not a valid tool|There is no tool", now.results()[id], id)
			}
			return says("done")
		}}
		_, err := execute(t.Context(), t, agent(t, m, reg, langchaingo.WithSearch()))
		require.NoError(t, err)
		require.Empty(t, d.Jobs())
	})
	// One that was offered and is called with marks of all kinds is one Job a run.
	bubble(t, []duvotest.Assignment{worker("pay_out", time.Minute)}, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		m := &model{say: func(now turn) *llms.ContentResponse {
			if now.n > 3 {
				return says("done")
			}
			return asks(callOf(fmt.Sprint("a", now.n), "pay_out", "order 1"),
				mark(fmt.Sprint("b", now.n), "duvo_call", args, fmt.Sprintf("\n#run-%s.%s pay_out", strings.Repeat(string(rune('c'+now.n)), 26), a26)),
				mark(fmt.Sprint("c", now.n), "nothing", args, fmt.Sprintf("\n#run-%s.%s", strings.Repeat(string(rune('f'+now.n)), 26), a26)))
		}}
		_, err := execute(t.Context(), t, agent(t, m, reg))
		require.NoError(t, err)
		require.Len(t, d.Jobs(), 1)
	})
}

// Neither does one that another executor hands to the agent's tools, whether it is
// made up, another agent's, or put behind other arguments.
func TestMarksOfOthers(t *testing.T) {
	bubble(t, []duvotest.Assignment{worker("one", 0), worker("two", 0)}, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		m := &model{say: func(turn) *llms.ContentResponse { return asks(callOf("a", "one", "A")) }}
		a, other := agent(t, m, reg), agent(t, m, reg)
		actions, _, err := a.Plan(t.Context(), nil, map[string]string{"input": "x"})
		require.NoError(t, err)
		byName := func(a *langchaingo.Agent) map[string]tools.Tool {
			out := map[string]tools.Tool{}
			for _, tool := range a.GetTools() {
				out[tool.Name()] = tool
			}
			return out
		}
		issued := actions[0].ToolInput
		_, tail, _ := strings.Cut(issued, "\n")
		for name, input := range map[string]string{
			"another agent's": issued, "behind other arguments": `{"input":"B"}` + "\n" + tail, "of another tool": strings.Replace(issued, `"one"`, `"two"`, 1),
			"of another run": strings.Replace(issued, tail[:len("#run-")+26], "#run-"+strings.Repeat("a", 26), 1),
		} {
			from := byName(a)
			if name == "another agent's" {
				from = byName(other)
			}
			for _, door := range []string{"one", "two", "duvo_call"} {
				out, err := from[door].Call(t.Context(), input)
				require.NoError(t, err)
				require.Contains(t, out, "was not called", name)
			}
		}
		synctest.Wait()
		out, err := byName(a)["one"].Call(t.Context(), issued)
		require.NoError(t, err)
		require.Contains(t, out, "one did A")
		require.Len(t, d.Jobs(), 1)
	})
}

// A run that is cut off names every Job that it leaves, whether or not the
// executor had come to ask for it.
func TestAllJobsAreNamed(t *testing.T) {
	all := []duvotest.Assignment{worker("one", time.Hour), worker("two", time.Hour), worker("three", time.Hour)}
	jobs := []llms.ToolCall{callOf("a", "one", "A"), callOf("b", "two", "B"), callOf("c", "three", "C")}
	named := func(t *testing.T, d *duvotest.Duvo, err error) {
		t.Helper()
		parts, ok := err.(interface{ Unwrap() []error })
		require.True(t, ok, "%v", err)
		keys := map[string]bool{}
		for _, part := range parts.Unwrap() {
			var job *outcome.JobError
			if errors.As(part, &job) && job.JobID != "" {
				require.NotEmpty(t, job.Key)
				require.Contains(t, err.Error(), job.Key)
				keys[job.JobID] = true
			}
		}
		for _, j := range d.Jobs() {
			require.True(t, keys[j.ID], "%s is not named in %v", j.AssignmentName, err)
		}
		require.Len(t, d.Jobs(), 3)
	}
	waits := &local{name: "local", do: func(string) (string, error) { return "ok", nil }}
	for name, calls := range map[string][]llms.ToolCall{
		"the first was asked for": jobs, "none was asked for": append([]llms.ToolCall{callOf("l", "local", "x")}, jobs...),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, all, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if len(calls) == 3 {
					go func() { time.Sleep(time.Minute); cancel() }()
				}
				waits.do = func(string) (string, error) {
					time.Sleep(time.Minute)
					cancel()
					synctest.Wait() // the calls have ended
					return "", ctx.Err()
				}
				a := agent(t, &model{say: func(turn) *llms.ContentResponse { return asks(calls...) }}, reg, langchaingo.WithTools(waits))
				_, err := execute(duvotool.WithOperationScope(ctx, "s"), t, a)
				require.ErrorIs(t, err, context.Canceled)
				named(t, d, err)
				time.Sleep(2 * time.Minute)
				require.Zero(t, a.Held(), "and nothing is left behind")
			})
		})
	}
	t.Run("an executor that plans again", func(t *testing.T) {
		bubble(t, all, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
			ctx, cancel := context.WithCancel(t.Context())
			a := agent(t, &model{say: func(turn) *llms.ContentResponse { return asks(jobs...) }}, reg)
			actions, _, err := a.Plan(ctx, nil, map[string]string{"input": "x"})
			require.NoError(t, err)
			time.Sleep(time.Minute)
			cancel()
			_, _, err = a.Plan(ctx, stepsOf(actions), map[string]string{"input": "x"})
			require.ErrorIs(t, err, context.Canceled)
			named(t, d, err)
		})
	})
	t.Run("the registry is closed", func(t *testing.T) {
		bubble(t, all, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
			a := agent(t, &model{say: func(turn) *llms.ContentResponse { return asks(jobs...) }}, reg)
			go func() { time.Sleep(time.Minute); _ = reg.Close(context.Background()) }()
			_, err := execute(duvotool.WithOperationScope(t.Context(), "s"), t, a)
			require.ErrorIs(t, err, outcome.ErrClosed)
			named(t, d, err)
		})
	})
	t.Run("RunCalls", func(t *testing.T) {
		bubble(t, all, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := langchaingo.RunCalls(ctx, reg.Tools(), jobs)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			named(t, d, err)
		})
	})
}

// The program's own tool keeps its name; an Assignment that comes to be called the
// same gets another, the same in every run, and it is told.
func TestTheProgramsToolWins(t *testing.T) {
	calculator := duvotest.Assignment{ID: payID, Name: "Calculator", Script: func(j *duvotest.Job) { j.Complete("reckoned " + j.Input()) }}
	for name, c := range map[string]struct {
		before bool // the Assignment is there from the beginning
		search bool
	}{"after a refresh": {}, "from the beginning": {before: true}, "searched": {search: true}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, []duvotest.Assignment{worker("one", 0)}, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
				own := &local{name: "calculator", do: func(in string) (string, error) { return "4", nil }}
				arrives := func() {
					require.NoError(t, d.AddAssignment(calculator))
					_, err := reg.Refresh(t.Context())
					require.NoError(t, err)
				}
				if c.before {
					arrives()
				}
				var logged bytes.Buffer
				opts := []langchaingo.Option{langchaingo.WithTools(own), langchaingo.WithLogger(slog.New(slog.NewTextHandler(&logged, nil)))}
				if c.search {
					opts = append(opts, langchaingo.WithSearch())
				}
				m := &model{}
				a := agent(t, m, reg, opts...)
				if !c.before {
					arrives()
				}
				for range 2 {
					m.asked = 0
					m.say = func(now turn) *llms.ContentResponse {
						switch {
						case c.search && now.n == 1:
							return asks(searched("calculator"))
						case now.n == 1, c.search && now.n == 2:
							require.Contains(t, now.offered(), "calculator")
							require.Contains(t, now.offered(), "calculator_3f8b12")
							return asks(callOf("a", "calculator", "2+2"), callOf("b", "calculator_3f8b12", "3+3"))
						}
						require.Equal(t, "4", now.results()["a"])
						require.Contains(t, now.results()["b"], "reckoned 3+3")
						return says("done")
					}
					_, err := execute(t.Context(), t, a)
					require.NoError(t, err)
				}
				require.Equal(t, []string{"2+2", "2+2"}, own.calls)
				require.Len(t, d.Jobs(), 2)
				require.Equal(t, 1, strings.Count(logged.String(), "calculator_3f8b12"), logged.String())
			})
		})
	}
}

// An executor that was made before others is not asked for what it does not know.
func TestAToolThatComesBack(t *testing.T) {
	bubble(t, []duvotest.Assignment{worker("one", 0), worker("two", 0)}, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		m := &model{say: func(turn) *llms.ContentResponse { return says("done") }}
		a := agent(t, m, reg)
		_, err := execute(t.Context(), t, a)
		require.NoError(t, err)
		one := mustTool(reg, "one").Assignment()
		require.NoError(t, d.UpdateAssignment(one.ID, func(own *duvotest.Assignment) { own.Name = "uno" }))
		_, err = reg.Refresh(t.Context())
		require.NoError(t, err)
		m.asked = 0
		m.say = func(now turn) *llms.ContentResponse {
			if now.n == 1 {
				require.NoError(t, d.UpdateAssignment(one.ID, func(own *duvotest.Assignment) { own.Name = "one" }))
				_, err = reg.Refresh(t.Context())
				require.NoError(t, err)
				return asks(callOf("x", "two", "X"))
			}
			if now.n == 2 {
				return asks(callOf("y", "one", "Y"))
			}
			require.Contains(t, now.results()["y"], "did Y")
			return says("done")
		}
		_, err = execute(t.Context(), t, a)
		require.NoError(t, err)
	})
}

func stepsOf(actions []schema.AgentAction) (out []schema.AgentStep) {
	for _, a := range actions {
		out = append(out, schema.AgentStep{Action: a})
	}
	return out
}

// A source that joins several registries, whose tools come to be called the same.
func TestSourcesThatMeet(t *testing.T) {
	bubble(t, []duvotest.Assignment{worker("one", 0)}, nil, func(t *testing.T, d *duvotest.Duvo, reg *duvotool.Registry) {
		other, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPollInterval(time.Second))
		require.NoError(t, err)
		defer other.Close(context.Background())
		id := mustTool(reg, "one").Assignment().ID
		second := "one_" + id[len(id)-6:]
		m := &model{say: func(now turn) *llms.ContentResponse {
			if now.n == 1 {
				require.Equal(t, []string{"one", second}, now.offered())
				return asks(callOf("a", second, "A"))
			}
			require.Contains(t, now.results()["a"], "one did A")
			return says("done")
		}}
		_, err = execute(t.Context(), t, agent(t, m, langchaingo.Tools(append(reg.Tools(), other.Tools()...))))
		require.NoError(t, err)
		require.Len(t, d.Jobs(), 1)
	})
}

// mustTool is for names that are there.
func mustTool(reg *duvotool.Registry, name string) *duvotool.Tool {
	tool, err := reg.Tool(name)
	if err != nil {
		panic(err)
	}
	return tool
}
