package duvotool_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// forAnHour is how long a caller waits for what may mend.
func forAnHour(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, time.Hour)
}

// The table "what is an observation, what is an error" of the package
// documentation, row by row.
func TestObservationOrError(t *testing.T) {
	notFound := &duvo.APIError{Operation: "getRun", Status: 404}
	for name, row := range map[string]struct {
		backend *fake
		opts    []duvotool.Option
		ctx     func(context.Context) (context.Context, context.CancelFunc)
		input   string
		before  func(*duvotool.Registry)

		outcome     outcome.Outcome // of Run, where it returns a Result
		observation string          // a part of what Call returns
		err         error           // of both, where it matches
		inputErr    bool            // Run returns an *InputError
		starts      int
	}{
		"completed": {backend: &fake{job: ended(duvo.StatusCompleted), messages: []duvo.Message{{Role: "assistant", Text: "done"}, {Role: "tool"}}},
			outcome: outcome.OutcomeCompleted, observation: "done", starts: 1},
		"completed after a denial": {
			opts:    []duvotool.Option{decide(hitl.Deny("kim@example.com", "too much"), nil)},
			outcome: outcome.OutcomeCompleted, observation: "because: too much. Do not retry", starts: 1},
		"failed": {backend: &fake{job: ended(duvo.StatusFailed)},
			outcome: outcome.OutcomeFailed, observation: "failed", starts: 1},
		"stopped": {backend: &fake{job: ended(duvo.StatusStopped)},
			outcome: outcome.OutcomeStopped, observation: "was stopped", starts: 1},
		"canceled": {backend: &fake{job: ended("canceled")},
			outcome: outcome.OutcomeStopped, observation: "was stopped", starts: 1},
		"interrupted": {backend: &fake{job: ended(duvo.StatusInterrupted)},
			outcome: outcome.OutcomeInterrupted, observation: "was interrupted", starts: 1},
		"gone": {backend: &fake{job: func(int) (duvo.Job, error) { return duvo.Job{}, notFound }},
			outcome: outcome.OutcomeGone, observation: "no longer exists", starts: 1},
		"expired": {backend: &fake{job: running}, opts: []duvotool.Option{duvotool.WithJobTimeout(time.Minute)},
			outcome: outcome.OutcomeExpired, observation: "longer than allowed", starts: 1},
		"question denied": {backend: &fake{job: func(int) (duvo.Job, error) {
			return duvo.Job{Status: duvo.StatusWaiting, Pending: &question}, nil
		}}, outcome: outcome.OutcomePending, observation: "still waits for a person", starts: 1},
		"nobody to ask": {backend: &fake{job: func(int) (duvo.Job, error) {
			return duvo.Job{Status: duvo.StatusWaiting, Pending: &approval}, nil
		}}, opts: []duvotool.Option{decide(hitl.Nobody("no forms here"), nil)},
			outcome: outcome.OutcomePending, observation: "no forms here. Nobody decided against it. It is still open in Duvo", starts: 1},
		"unknown kind": {backend: &fake{job: func(int) (duvo.Job, error) {
			return duvo.Job{Status: duvo.StatusWaiting, Pending: &duvo.HumanRequest{ID: "r", Type: "login"}}, nil
		}}, opts: []duvotool.Option{decide(hitl.Approve("ops", ""), nil)},
			outcome: outcome.OutcomePending, observation: `kind "login"`, starts: 1},
		"suspended": {opts: []duvotool.Option{decide(hitl.Suspend(), nil)},
			outcome: outcome.OutcomePending, observation: "was put off", starts: 1},
		"audit fails": {opts: []duvotool.Option{duvotool.WithAudit(&auditLog{fail: audit.Requested})}, err: context.DeadlineExceeded, starts: 1, ctx: forAnHour},
		"unknown start": {backend: &fake{start: func(int, duvo.StartJob) (duvo.Job, error) { return duvo.Job{}, errors.New("lost") }},
			outcome: outcome.OutcomeUnknown, observation: "cannot be told whether a Job", starts: -1},

		"empty input":    {input: " \n ", observation: "the input is empty", inputErr: true},
		"long input":     {input: strings.Repeat("x", 300<<10), observation: "shorten it", inputErr: true},
		"not UTF-8":      {input: "a\xff", observation: "not valid UTF-8", inputErr: true},
		"arguments":      {opts: []duvotool.Option{duvotool.InputOf[refund]()}, observation: "the arguments cannot be used", inputErr: true},
		"not any more":   {before: func(r *duvotool.Registry) { mustRefreshEmpty(r) }, observation: "no longer offered", inputErr: true},
		"input refused":  {backend: &fake{start: func(int, duvo.StartJob) (duvo.Job, error) { return duvo.Job{}, &duvo.APIError{Status: 400} }}, observation: "did not accept it", inputErr: true, starts: 1},
		"assignment 404": {backend: &fake{start: func(int, duvo.StartJob) (duvo.Job, error) { return duvo.Job{}, &duvo.APIError{Status: 404} }}, observation: "no such Assignment", inputErr: true, starts: 1},

		"wrong key":   {backend: &fake{start: func(int, duvo.StartJob) (duvo.Job, error) { return duvo.Job{}, &duvo.APIError{Status: 401} }}, err: duvo.ErrUnauthorized, starts: 1},
		"forbidden":   {backend: &fake{job: func(int) (duvo.Job, error) { return duvo.Job{}, &duvo.APIError{Status: 403} }}, err: context.DeadlineExceeded, starts: 1, ctx: forAnHour},
		"unreachable": {backend: &fake{start: func(int, duvo.StartJob) (duvo.Job, error) { return duvo.Job{}, &duvo.APIError{Status: 429} }}, err: duvo.ErrRateLimited, starts: 6},
		"policy errs": {opts: []duvotool.Option{decide(hitl.Approve("ops", ""), context.DeadlineExceeded)}, err: context.DeadlineExceeded, starts: 1},
		"policy panics": {opts: []duvotool.Option{duvotool.WithPolicy(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { panic("no") }))},
			err: hitl.ErrPolicyPanic, starts: 1},
		"policy misfits": {opts: []duvotool.Option{decide(hitl.Answer("ops", map[string]string{"q": "a"}), nil)}, err: hitl.ErrInvalidDecision, starts: 1},
		"response refused": {backend: &fake{respond: func(int, duvo.Response) error { return &duvo.APIError{Status: 400} },
			job: func(int) (duvo.Job, error) {
				return duvo.Job{Status: duvo.StatusWaiting, Pending: &approval}, nil
			}}, err: duvo.ErrInvalid, starts: 1},
		"context ended": {backend: &fake{job: running}, err: context.DeadlineExceeded, starts: 1,
			ctx: forAnHour},
		"key stands for another call": {err: outcome.ErrKeyReused, starts: 1,
			before: func(r *duvotool.Registry) {
				_, _ = r.All()[0].Run(duvotool.WithOperationKey(context.Background(), "k"), "another input")
			},
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return duvotool.WithOperationKey(ctx, "k"), func() {}
			}},
		"another operation's Job": {err: outcome.ErrForeignJob, starts: 2,
			backend: &fake{job: running, start: func(int, duvo.StartJob) (duvo.Job, error) { return duvo.Job{ID: "job-1"}, nil }},
			before: func(r *duvotool.Registry) {
				_, _ = r.All()[0].Start(context.Background(), "another input")
				synctest.Wait() // it has started
			}},
		"closed": {before: func(r *duvotool.Registry) { _ = r.Close(context.Background()) }, err: outcome.ErrClosed},
	} {
		for _, how := range []string{"Call", "Run"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := &fake{}
					if b := row.backend; b != nil {
						f.job, f.start, f.respond, f.messages = b.job, b.start, b.respond, b.messages
					}
					if f.job == nil {
						f.asks(approval)
					}
					reg := discover(t, f, row.opts...)
					tool := reg.All()[0]
					if row.before != nil {
						if name == "not any more" {
							f.empty = true
						}
						row.before(reg)
					}
					input := row.input
					if input == "" {
						input = "refund order 4711"
					}
					ctx := t.Context()
					if row.ctx != nil {
						var cancel context.CancelFunc
						ctx, cancel = row.ctx(ctx)
						defer cancel()
					}
					var err error
					var jobErr *outcome.JobError
					if how == "Call" {
						var text string
						text, err = tool.Call(ctx, input)
						require.Contains(t, text, row.observation)
						require.Equal(t, row.err != nil, text == "")
					} else {
						var res *outcome.Result
						res, err = tool.Run(ctx, input)
						if row.inputErr {
							var bad *outcome.InputError
							require.ErrorAs(t, err, &bad)
							require.Contains(t, bad.Observation(), row.observation)
							err = nil
						} else if row.err == nil {
							require.NoError(t, err)
							require.Equal(t, row.outcome, res.Outcome)
							require.Equal(t, row.outcome == outcome.OutcomeCompleted, res.Err() == nil)
							require.Contains(t, res.Observation(), row.observation)
						}
					}
					if row.err == nil {
						require.NoError(t, err)
					} else {
						require.ErrorIs(t, err, row.err)
						require.ErrorAs(t, err, &jobErr)
						if row.starts == 1 && f.start == nil && !errors.Is(err, outcome.ErrKeyReused) {
							require.Equal(t, "job-1", jobErr.JobID)
							require.NotEmpty(t, jobErr.Key)
						}
					}
					if row.starts >= 0 {
						require.Equal(t, row.starts, f.starts)
					}
				})
			})
		}
	}
}

func mustRefreshEmpty(r *duvotool.Registry) {
	if _, err := r.Refresh(context.Background()); err != nil {
		panic(err)
	}
}
