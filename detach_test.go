package duvotool_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
	"github.com/tmc/langchaingo/callbacks"
	"github.com/tmc/langchaingo/tools"
)

// sleeper works for as long as it is told.
var sleeper = duvotest.Assignment{Name: "Sleeper", Description: "Sleeps.", Script: func(j *duvotest.Job) {
	d, err := time.ParseDuration(j.Input())
	if err != nil {
		j.Fail(err.Error())
	}
	j.Sleep(d)
	j.Complete("slept " + j.Input())
}}

var aHandle = regexp.MustCompile(`job-[a-z2-7]{26}`)

func checkTool(t *testing.T, reg *duvotool.Registry) tools.Tool {
	all := reg.Tools()
	last := all[len(all)-1]
	require.Equal(t, "check_job", last.Name())
	return last
}

func TestWaitBudget(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client(), duvotool.WithWaitBudget(time.Minute))
		check := checkTool(t, reg)
		ctx := duvotool.WithOperationScope(t.Context(), "conversation")
		begin := time.Now()
		text, err := mustTool(reg, "sleeper").Call(ctx, "1h")
		require.NoError(t, err)
		require.Equal(t, time.Minute, time.Since(begin))
		require.Contains(t, text, "still at work")
		require.Contains(t, text, "do not start it again")
		handle := aHandle.FindString(text)
		require.NotEmpty(t, handle)

		// The same call again is the same Job and the same handle.
		res, err := mustTool(reg, "sleeper").Run(ctx, "1h")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomePending, res.Outcome)
		require.Equal(t, handle, res.Handle)
		require.True(t, res.Repeated)

		begin = time.Now()
		text, err = check.Call(ctx, handle)
		require.NoError(t, err)
		require.Contains(t, text, "still at work")
		require.Equal(t, time.Minute, time.Since(begin), "it waits up to the budget")

		for _, other := range []context.Context{t.Context(), duvotool.WithOperationScope(t.Context(), "another"),
			duvotool.WithCaller(ctx, hitl.Caller{Tenant: "somebody"})} {
			text, err = check.Call(other, handle)
			require.NoError(t, err)
			require.Contains(t, text, "no Job with the handle")
		}
		for _, input := range []string{"", d.Jobs()[0].ID, "the last one", "job-none"} {
			text, err = check.Call(ctx, input)
			require.NoError(t, err)
			require.Contains(t, text, "holds no handle")
		}
		time.Sleep(time.Hour)
		text, err = check.Call(ctx, "{\"__arg1\": \""+handle+"\"}")
		require.NoError(t, err)
		require.Contains(t, text, "completed")
		require.Contains(t, text, "slept 1h")
		require.NotContains(t, text, "check_job")
		require.Len(t, d.Jobs(), 1)
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		_, err = check.Call(cancelled, handle)
		require.ErrorIs(t, err, context.Canceled)
	}, duvotest.WithAssignment(sleeper))
}

// The policy keeps working after the call has returned.
func TestPolicyWorksPastTheBudget(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		policy := hitl.PolicyFunc(func(ctx context.Context, q hitl.Request) (hitl.Decision, error) {
			time.Sleep(time.Hour)
			return hitl.Deny("kim", "too much"), ctx.Err()
		})
		reg := discover(t, d.Client(), duvotool.WithWaitBudget(time.Minute), duvotool.WithPolicy(policy))
		ctx, leave := context.WithCancel(t.Context())
		text, err := mustTool(reg, "refunds").Call(ctx, "4711")
		require.NoError(t, err)
		require.Contains(t, text, "waits for a person")
		require.Contains(t, text, "waits for a decision")
		leave() // the run goes on without the caller
		time.Sleep(2 * time.Hour)
		text, err = checkTool(t, reg).Call(t.Context(), aHandle.FindString(text))
		require.NoError(t, err)
		require.Contains(t, text, "not refunded")
		require.Contains(t, text, "Denied by kim")
		require.Equal(t, 1, d.Count("respondToHumanRequest"))
	}, duvotest.WithAssignment(refunds))
}

// A check never starts anything, also where the start has failed for good.
func TestCheckStartsNothing(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client(), duvotool.WithWaitBudget(time.Second))
		d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.StatusBefore, Status: 422, Latency: 10 * time.Second})
		text, err := mustTool(reg, "sleeper").Call(t.Context(), "1s")
		require.NoError(t, err)
		require.Contains(t, text, "has not been started yet")
		time.Sleep(time.Minute)
		text, err = checkTool(t, reg).Call(t.Context(), aHandle.FindString(text))
		require.NoError(t, err)
		require.Contains(t, text, "no Job was started")
		require.Equal(t, 1, d.Count("startRun"))
		require.Empty(t, d.Jobs())
	}, duvotest.WithAssignment(sleeper))
}

// No Assignment can take the name, and no tool has it without a budget.
func TestCheckToolName(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client())
		require.Len(t, reg.Tools(), 1)
		require.Regexp(t, `^check_job_\w+$`, reg.Tools()[0].Name())
		reg = discover(t, d.Client(), duvotool.Configure(duvotool.ByName("Check job"), duvotool.WithWaitBudget(time.Second)))
		require.Len(t, reg.Tools(), 2)
		require.Equal(t, "check_job", reg.Tools()[1].Name())
		_, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithWaitBudget(-1))
		require.Error(t, err)
	}, duvotest.WithAssignment(duvotest.Assignment{Name: "Check job"}))
}

func TestJobLimits(t *testing.T) {
	other := sleeper
	other.Name = "Other"
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		var mu sync.Mutex
		queued := map[string]int{}
		reg := discover(t, d.Client(), duvotool.WithJobLimit(3), duvotool.Configure(duvotool.ByName("Sleeper"), duvotool.WithAssignmentLimit(2)),
			duvotool.WithObserver(func(e outcome.Event) {
				if e.Kind == outcome.EventQueued {
					mu.Lock()
					defer mu.Unlock()
					queued[e.Assignment.Name] = max(queued[e.Assignment.Name], e.Before)
				}
			}))
		var wg sync.WaitGroup
		run := func(name string) {
			wg.Go(func() {
				res, err := mustTool(reg, name).Run(t.Context(), "10m")
				require.NoError(t, err)
				require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
			})
			synctest.Wait()
		}
		for range 10 {
			run("sleeper")
		}
		running := func(name string) (n int) {
			for _, j := range d.Jobs() {
				if j.AssignmentName == name && !j.Status.Terminal() {
					n++
				}
			}
			return n
		}
		require.Equal(t, 2, running("Sleeper"))
		run("other") // does not wait behind those that wait for another limit
		require.Equal(t, 1, running("Other"))
		run("other")
		require.Equal(t, 1, running("Other"))

		// One that leaves the line takes no turn.
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			_, err := mustTool(reg, "other").Run(ctx, "1m")
			require.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		cancel()
		for range 100 {
			time.Sleep(time.Minute)
			require.LessOrEqual(t, running("Sleeper"), 2)
			require.LessOrEqual(t, running("Sleeper")+running("Other"), 3)
		}
		wg.Wait()
		require.Len(t, d.Jobs(), 12)
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, 7, queued["Sleeper"])
		require.Equal(t, 9, queued["Other"], "behind 8 Sleepers and another")
	}, duvotest.WithAssignments(sleeper, other))
}

func TestLimitsAreFirstComeFirstServed(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client(), duvotool.WithJobLimit(1))
		var wg sync.WaitGroup
		var want []string
		for i := range 20 {
			input := (time.Duration(i+1) * time.Second).String()
			want = append(want, input)
			wg.Go(func() { _, _ = mustTool(reg, "sleeper").Run(t.Context(), input) })
			synctest.Wait()
		}
		wg.Wait()
		var got []string
		for _, j := range d.Jobs() {
			got = append(got, j.Input)
		}
		require.Equal(t, want, got)
	}, duvotest.WithAssignment(sleeper))
}

// lines collects what langchaingo's handler is told.
type lines struct {
	callbacks.SimpleHandler
	mu  sync.Mutex
	all []string
}

func (l *lines) HandleText(_ context.Context, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, text)
}

func TestLiveMessagesAndCallbacks(t *testing.T) {
	talker := duvotest.Assignment{Name: "Talker", Script: func(j *duvotest.Job) {
		for range 3 {
			j.Sleep(time.Minute)
			j.Say("still\nhere")
			j.CallTool("look", map[string]any{"at": "it"}, "seen")
		}
		j.Complete("done")
	}}
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		var said []string
		var at []time.Duration
		begin := time.Now()
		heard := &lines{}
		reg := discover(t, d.Client(), duvotool.WithLiveMessages(), duvotool.WithCallbacks(heard), duvotool.WithObserver(func(e outcome.Event) {
			if e.Kind == outcome.EventMessage {
				said = append(said, e.Message.Role+": "+e.Message.Text)
				at = append(at, time.Since(begin))
			}
		}))
		_, err := mustTool(reg, "talker").Call(t.Context(), "go")
		require.NoError(t, err)
		require.NoError(t, reg.Close(t.Context()))
		require.Equal(t, []string{"user: go", "assistant: still\nhere", "assistant: ", "tool: ", "assistant: still\nhere", "assistant: ", "tool: ", "assistant: still\nhere", "assistant: ", "tool: ", "assistant: done"}, said)
		require.Less(t, at[1], 66*time.Second, "while it runs")
		require.Contains(t, heard.all[0], "started")
		require.Contains(t, heard.all, `Job `+d.Jobs()[0].ID+` of "Talker", assistant: still here`)
		require.Contains(t, heard.all[len(heard.all)-1], "completed")
	}, duvotest.WithAssignment(talker))
}

// A budget that is used up just as the Job ends: each call has either the
// outcome, or a handle that leads to it.
func TestBudgetEndsWithTheJob(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{job: ended(duvo.StatusCompleted)}
			reg := discover(t, f, duvotool.WithWebhook("http://127.0.0.1:1/hook", hookSecret), duvotool.WithPollInterval(time.Hour), duvotool.WithWaitBudget(10*time.Second))
			time.AfterFunc(10*time.Second, func() {
				reg.Webhook().ServeHTTP(httptest.NewRecorder(), delivery(time.Now(), hookSecret, "m1", `{"event":"run.completed","run_id":"job-1"}`))
			})
			ctx := duvotool.WithOperationKey(t.Context(), "k")
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					res, err := reg.All()[0].Run(ctx, "x")
					require.NoError(t, err)
					if res.Outcome == outcome.OutcomeCompleted {
						require.Empty(t, res.Handle)
						return
					}
					require.Equal(t, outcome.OutcomePending, res.Outcome)
					text, err := checkTool(t, reg).Call(t.Context(), res.Handle)
					require.NoError(t, err)
					require.Contains(t, text, "completed")
				})
			}
			wg.Wait()
		})
	}
}

// The budget counts also where the call must first wait until a run that its
// callers have left is over.
func TestBudgetBehindARunThatWindsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{job: running, startDelay: 30 * time.Second, sawStart: func(context.Context) {}}
		reg := discover(t, f, duvotool.WithWaitBudget(5*time.Second))
		ctx, end := context.WithTimeout(duvotool.WithOperationKey(t.Context(), "k"), time.Hour)
		defer end()
		first, leave := context.WithCancel(ctx)
		go func() { _, _ = reg.All()[0].Run(first, "x") }()
		time.Sleep(time.Second)
		leave()
		synctest.Wait()
		began := time.Now()
		res, err := reg.All()[0].Run(ctx, "x")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomePending, res.Outcome)
		require.NotEmpty(t, res.Handle)
		require.LessOrEqual(t, time.Since(began), 30*time.Second)
	})
}

// TestCheckOnlyReads: of a call that ended with an error check_job tells how the
// Job stands, and takes up nothing.
func TestCheckOnlyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		var asked atomic.Int64
		reg := discover(t, d.Client(), duvotool.WithWaitBudget(5*time.Second), duvotool.WithPolicy(hitl.PolicyFunc(
			func(context.Context, hitl.Request) (hitl.Decision, error) {
				asked.Add(1)
				return hitl.Decision{}, errors.New("the policy is broken")
			})))
		res, err := reg.All()[0].Run(t.Context(), "1 EUR")
		require.NoError(t, err)
		require.NotEmpty(t, res.Handle)
		time.Sleep(time.Minute)
		require.EqualValues(t, 1, asked.Load())
		out, err := reg.CheckTool().Call(t.Context(), res.Handle)
		require.NoError(t, err)
		require.Contains(t, out, "still waits for a person")
		require.Contains(t, out, "nobody here works on it")
		require.EqualValues(t, 1, asked.Load())
		yes := true
		require.NoError(t, d.AnswerElsewhere(d.Jobs()[0].ID, duvo.Response{Approved: &yes}))
		time.Sleep(time.Minute)
		out, err = reg.CheckTool().Call(t.Context(), res.Handle)
		require.NoError(t, err)
		require.Contains(t, out, "completed")
		require.Contains(t, out, "No words of the Job are known here.", "they were not collected")
		require.NotContains(t, out, "said nothing")
		require.NotContains(t, out, outcome.ContinueTool, "which is not offered")
		require.Zero(t, d.Count("respondToHumanRequest"))
	})
}
