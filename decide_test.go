package duvotool_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// What cannot be trusted sends nothing at all: neither an approval nor a
// denial. The Job is left waiting.
func TestPoliciesThatFailSendNothing(t *testing.T) {
	for name, f := range map[string]ask{
		"nil": nil,
		"error": func(context.Context, hitl.Request) (hitl.Decision, error) {
			return hitl.Approve("ops", ""), errors.New("down")
		},
		"panic": func(context.Context, hitl.Request) (hitl.Decision, error) { panic("boom") },
		"wrong kind": func(context.Context, hitl.Request) (hitl.Decision, error) {
			return hitl.Answer("ops", map[string]string{"Refund 120 EUR": "yes"}), nil
		},
		"nobody": func(context.Context, hitl.Request) (hitl.Decision, error) {
			return hitl.Approve("", "because"), nil
		},
		"unknown": func(context.Context, hitl.Request) (hitl.Decision, error) {
			return hitl.Decision{Verdict: 99, By: "ops"}, nil
		},
		"with answers": func(context.Context, hitl.Request) (hitl.Decision, error) {
			return hitl.Decision{Verdict: hitl.Approved, By: "ops", Answers: map[string]string{"a": "b"}}, nil
		},
		"runtime error": func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
			return hitl.Approve(r.Questions[3].Header, ""), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				// Behind FirstOf, so that a nil function is not refused at once.
				lazy := hitl.PolicyFunc(func(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
					return hitl.PolicyFunc(f).Decide(ctx, r)
				})
				reg := discover(t, d.Client(), duvotool.WithPolicy(hitl.FirstOf(lazy)))
				_, err := mustTool(reg, "refunds").Call(t.Context(), "4711")
				var je *outcome.JobError
				require.ErrorAs(t, err, &je)
				require.Equal(t, outcome.PhaseDeciding, je.Phase)
				sent, _ := responses(d)
				require.Zero(t, sent)
				require.Equal(t, duvo.StatusWaiting, d.Jobs()[0].Status)
				require.Zero(t, d.Count("stopRun"))
				require.Zero(t, d.Count("postRunMessage"))
			}, duvotest.WithAssignment(refunds))
		})
	}
}

func TestNilPoliciesAreRefusedAtOnce(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	for name, p := range map[string]hitl.Policy{
		"nil":             nil,
		"nil func":        hitl.PolicyFunc(nil),
		"forward nobody":  hitl.Forward(nil),
		"nil within":      hitl.FirstOf(hitl.AlwaysDeny(), nil),
		"nothing":         hitl.FirstOf(),
		"no rules":        hitl.AutoApprove(),
		"zero rule":       hitl.AutoApprove(hitl.Rule{}.TitleIs("Refund")),
		"empty ID":        hitl.AutoApprove(hitl.For(" ")),
		"bad pattern":     hitl.AutoApprove(hitl.For(refundsID).TitleMatches("(")),
		"breaking out":    hitl.AutoApprove(hitl.For(refundsID).TitleMatches("a)|(.*")),
		"nil predicate":   hitl.AutoApprove(hitl.For(refundsID).When(nil)),
		"nested in first": hitl.FirstOf(hitl.AutoApprove()),
	} {
		_, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPolicy(p))
		require.Error(t, err, name)
		_, err = duvotool.Discover(t.Context(), d.Client(), duvotool.Configure(duvotool.ByID(refundsID), duvotool.WithPolicy(p)))
		require.Error(t, err, name)
	}
}

func TestDefaultDenies(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client())
		text, err := mustTool(reg, "refunds").Call(t.Context(), "4711")
		require.NoError(t, err)
		require.Contains(t, text, "not refunded")
		require.Contains(t, text, "Do not retry or rephrase")
		sent, approved := responses(d)
		require.Equal(t, 1, sent)
		require.False(t, approved)
	}, duvotest.WithAssignment(refunds))
}

func TestZeroAndPassedDecisionsDeny(t *testing.T) {
	for _, decision := range []hitl.Decision{{}, hitl.Pass()} {
		emulated(t, func(t *testing.T, d *duvotest.Duvo) {
			reg := discover(t, d.Client(), decide(decision, nil))
			res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
			require.NoError(t, err)
			require.Equal(t, "not refunded", res.Output)
			require.Equal(t, hitl.Denied, res.Decisions[0].Verdict)
			_, approved := responses(d)
			require.False(t, approved)
		}, duvotest.WithAssignment(refunds))
	}
}

// An approval of a request that changed while the policy thought is thrown
// away, and the policy sees the new text.
func TestChangedRequestIsAskedAnew(t *testing.T) {
	for name, change := range map[string]func(*duvo.HumanRequest){
		"one character": func(q *duvo.HumanRequest) { q.Title = "Refund 1200 EUR" },
		"description":   func(q *duvo.HumanRequest) { q.Description += "." },
		"another ID":    func(q *duvo.HumanRequest) { q.ID = "7d3f0c3a-58a5-4f0e-9e0a-0f5a4b1f2f55" },
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				var seen []string
				reg := discover(t, d.Client(), policy(func(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
					seen = append(seen, r.Digest())
					if len(seen) == 1 {
						// The change comes between the policy's look and its answer,
						// too short before for a poll to have seen it.
						if err := d.ChangeRequest(r.JobID, change); err != nil {
							return hitl.Decision{}, err
						}
						return hitl.Approve("ops", "what I saw first"), nil
					}
					return hitl.Deny("ops", "what I saw then"), nil
				}))
				res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
				require.NoError(t, err)
				require.Len(t, seen, 2)
				require.NotEqual(t, seen[0], seen[1])
				require.Equal(t, "not refunded", res.Output)
				sent, approved := responses(d)
				require.Equal(t, 1, sent)
				require.False(t, approved)
				require.Equal(t, hitl.Superseded, res.Decisions[0].Delivery)
				require.Equal(t, hitl.Accepted, res.Decisions[1].Delivery)
			}, duvotest.WithAssignment(refunds), duvotest.WithProfile(duvotest.Profile{Respond: duvotest.ApplyToAny}))
		})
	}
}

// A read that was on its way when the decision was made is no read just before:
// what it shows may have changed since.
func TestOldReadIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		title := "Refund 120 EUR"
		f := &fake{readDelay: 3 * time.Second}
		f.job = func(int) (duvo.Job, error) {
			if f.responds > 0 {
				return duvo.Job{Status: duvo.StatusCompleted}, nil
			}
			return duvo.Job{Status: duvo.StatusWaiting, Pending: &duvo.HumanRequest{ID: "r", Type: duvo.Approval, Title: title}}, nil
		}
		reg := discover(t, f, duvotool.WithPollInterval(5*time.Second), policy(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
			if r.Title != "Refund 120 EUR" {
				return hitl.Deny("kim", "too much"), nil
			}
			reads := func() int { f.mu.Lock(); defer f.mu.Unlock(); return f.reads }
			for n := reads(); reads() == n; {
				time.Sleep(time.Millisecond)
			}
			// The next read has just looked, and takes 3 s to arrive.
			f.mu.Lock()
			title = "Refund 9999 EUR"
			f.mu.Unlock()
			return hitl.Approve("kim", "120 is fine"), nil
		}))
		res, err := reg.All()[0].Run(t.Context(), "x")
		require.NoError(t, err)
		require.Len(t, f.sent, 1)
		require.False(t, *f.sent[0].Approved)
		require.Equal(t, hitl.Superseded, res.Decisions[0].Delivery)
	})
}

// A poll that sees the change while the policy still thinks ends its context.
func TestChangedRequestEndsThePolicysContext(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		var causes []error
		reg := discover(t, d.Client(), policy(func(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
			if r.Title == "Refund 120 EUR" {
				require.NoError(t, d.ChangeRequest(r.JobID, func(q *duvo.HumanRequest) { q.Title = "Refund 1 EUR" }))
				<-ctx.Done()
				causes = append(causes, context.Cause(ctx))
				return hitl.Deny("ops", "too late"), nil
			}
			return hitl.Approve("ops", "small"), nil
		}))
		res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.NoError(t, err)
		require.Equal(t, "refunded", res.Output)
		require.Len(t, res.Decisions, 1)
		synctest.Wait()
		require.Equal(t, []error{hitl.ErrRequestChanged}, causes)
	}, duvotest.WithAssignment(refunds))
}

func TestAnsweredElsewhereIsNoError(t *testing.T) {
	yes := true
	for name, wait := range map[string]bool{"while the policy thinks": true, "just before it answers": false} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				var cause error
				reg := discover(t, d.Client(), policy(func(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
					if err := d.AnswerElsewhere(r.JobID, duvo.Response{Approved: &yes}); err != nil {
						return hitl.Decision{}, err
					}
					if wait {
						<-ctx.Done()
						cause = context.Cause(ctx)
					}
					return hitl.Deny("ops", "no"), nil
				}))
				res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
				require.NoError(t, err)
				require.Equal(t, "refunded", res.Output, "the reviewer's answer holds")
				synctest.Wait()
				require.Zero(t, d.Count("respondToHumanRequest"))
				if wait {
					require.ErrorIs(t, cause, hitl.ErrAnsweredElsewhere)
					require.Empty(t, res.Decisions)
				} else {
					require.Equal(t, hitl.Superseded, res.Decisions[0].Delivery)
					require.NotContains(t, res.Observation(), "Denied by")
				}
			}, duvotest.WithAssignment(refunds), duvotest.WithProfile(duvotest.Profile{Respond: duvotest.ApplyToAny}))
		})
	}
}

// The request is answered elsewhere between our last read and our response.
func TestAnsweredElsewhereInTheLastMoment(t *testing.T) {
	yes := true
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Latency: time.Second})
		reg := discover(t, d.Client(), policy(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
			time.AfterFunc(500*time.Millisecond, func() { _ = d.AnswerElsewhere(r.JobID, duvo.Response{Approved: &yes}) })
			return hitl.Deny("ops", "no"), nil
		}))
		res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.NoError(t, err)
		require.Equal(t, "refunded", res.Output)
		require.Equal(t, hitl.Superseded, res.Decisions[0].Delivery)
		require.Equal(t, 1, d.Count("respondToHumanRequest"))
	}, duvotest.WithAssignment(refunds))
}

// Leave sends nothing and waits for Duvo's own reviewers, however long.
func TestLeaveToDuvo(t *testing.T) {
	yes := true
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client(), duvotool.WithPolicy(hitl.LeaveToDuvo()), duvotool.WithJobTimeout(time.Minute))
		time.AfterFunc(48*time.Hour, func() { _ = d.AnswerElsewhere(d.Jobs()[0].ID, duvo.Response{Approved: &yes}) })
		res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
		require.NoError(t, err)
		require.Equal(t, "refunded", res.Output)
		require.Zero(t, d.Count("respondToHumanRequest"))
		require.Equal(t, hitl.Left, res.Decisions[0].Verdict)
		require.Equal(t, hitl.NotSent, res.Decisions[0].Delivery)
	}, duvotest.WithAssignment(refunds))
}

func TestQuestions(t *testing.T) {
	good := map[string]string{"Which size?": "M, tall", "Which colours?": hitl.JoinChoices("blue, dark", "red"), "Anything else?": "no"}
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client(), decide(hitl.Answer("kim@example.com", good), nil))
		res, err := mustTool(reg, "sizes").Run(t.Context(), "4711")
		require.NoError(t, err)
		require.Equal(t, "M, tall / blue, dark, red / no", res.Output)
		require.Equal(t, good, d.Jobs()[0].Requests[0].Response.Answers)
	}, duvotest.WithAssignment(sizes))

	with := func(q, a string) map[string]string {
		m := map[string]string{}
		for k, v := range good {
			m[k] = v
		}
		if a == "" {
			delete(m, q)
		} else {
			m[q] = a
		}
		return m
	}
	for name, c := range map[string]struct {
		decision hitl.Decision
		says     string
	}{
		"approving":       {hitl.Approve("ops", ""), "cannot be approved"},
		"one missing":     {hitl.Answer("ops", with("Anything else?", "")), `"Anything else?" has no answer`},
		"none":            {hitl.Answer("ops", nil), "has no answer"},
		"unknown":         {hitl.Answer("ops", with("Who?", "me")), `no question "Who?"`},
		"not an option":   {hitl.Answer("ops", with("Which size?", "XL")), `must be one of "S", "M, tall"`},
		"other case":      {hitl.Answer("ops", with("Which size?", "s")), "must be one of"},
		"several of one":  {hitl.Answer("ops", with("Which size?", "S, M, tall")), "must be one of"},
		"no such colour":  {hitl.Answer("ops", with("Which colours?", "red, green")), "one or more of"},
		"twice":           {hitl.Answer("ops", with("Which colours?", "red, red")), "one or more of"},
		"trailing comma":  {hitl.Answer("ops", with("Which colours?", "red,")), "one or more of"},
		"blank":           {hitl.Answer("ops", with("Anything else?", " ")), "has no answer"},
		"without anybody": {hitl.Answer("", good), "who decided"},
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				reg := discover(t, d.Client(), decide(c.decision, nil))
				_, err := mustTool(reg, "sizes").Run(t.Context(), "4711")
				require.ErrorIs(t, err, hitl.ErrInvalidDecision)
				require.ErrorContains(t, err, c.says)
				require.Zero(t, d.Count("respondToHumanRequest"))
			}, duvotest.WithAssignment(sizes))
		})
	}
}

// Denying a question sends nothing; the Job waits on or is stopped.
func TestDeniedQuestion(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client())
		began := time.Now()
		res, err := mustTool(reg, "sizes").Run(t.Context(), "4711")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomePending, res.Outcome)
		require.Less(t, time.Since(began), 3*time.Minute)
		require.Zero(t, d.Count("respondToHumanRequest"))
		require.Equal(t, duvo.StatusWaiting, d.Jobs()[0].Status)
	}, duvotest.WithAssignment(sizes))

	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client(), duvotool.StopOn(outcome.QuestionDenied))
		res, err := mustTool(reg, "sizes").Run(t.Context(), "4711")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeStopped, res.Outcome)
		require.Zero(t, d.Count("respondToHumanRequest"))
		require.Equal(t, 1, d.Count("stopRun"))
	}, duvotest.WithAssignment(sizes))

	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client(), duvotool.StopOn(outcome.QuestionDenied))
		res, err := mustTool(reg, "sizes").Run(t.Context(), "4711")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomePending, res.Outcome, "a stop that did nothing is not believed")
		require.Contains(t, res.Note, "has not ended")
	}, duvotest.WithAssignment(sizes), duvotest.WithProfile(duvotest.Profile{Stop: duvotest.WaitingUnstoppable}))
}

func TestUnknownKindIsNeverAnswered(t *testing.T) {
	login := duvotest.Assignment{ID: refundsID, Name: "Login", Script: func(j *duvotest.Job) { j.AskUntyped("login", "Log in, please"); j.Complete("in") }}
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		asked := 0
		reg := discover(t, d.Client(), policy(func(context.Context, hitl.Request) (hitl.Decision, error) {
			asked++
			return hitl.Approve("ops", ""), nil
		}))
		res, err := mustTool(reg, "login").Run(t.Context(), "4711")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomePending, res.Outcome)
		require.Zero(t, asked)
		require.Zero(t, d.Count("respondToHumanRequest"))
	}, duvotest.WithAssignment(login))
}

// A response whose fate is unclear is repeated byte for byte, and only while a
// read still shows the same request, after time for a late effect.
func TestUnclearResponses(t *testing.T) {
	for name, c := range map[string]struct {
		fault    duvotest.Fault
		posts    int
		delivery hitl.Delivery
	}{
		"lost answer":   {duvotest.Fault{Kind: duvotest.ResetAfter}, 1, hitl.Unconfirmed},
		"late effect":   {duvotest.Fault{Kind: duvotest.LateEffect, EffectDelay: 20 * time.Second}, 1, hitl.Unconfirmed},
		"very late":     {duvotest.Fault{Kind: duvotest.LateEffect, EffectDelay: 60 * time.Second}, 1, hitl.Unconfirmed},
		"lost request":  {duvotest.Fault{Kind: duvotest.ResetBefore}, 2, hitl.Accepted},
		"503":           {duvotest.Fault{Kind: duvotest.StatusBefore, Status: 503}, 2, hitl.Accepted},
		"502 after":     {duvotest.Fault{Kind: duvotest.StatusAfter, Status: 502}, 1, hitl.Unconfirmed},
		"no answer":     {duvotest.Fault{Kind: duvotest.Hang}, 2, hitl.Accepted},
		"429":           {duvotest.Fault{Kind: duvotest.StatusBefore, Status: 429, RetryAfter: 7 * time.Second}, 2, hitl.Accepted},
		"cut off":       {duvotest.Fault{Kind: duvotest.Truncate}, 1, hitl.Unconfirmed},
		"a proxy's 200": {duvotest.Fault{Kind: duvotest.NotJSON}, 1, hitl.Unconfirmed},
	} {
		for _, profile := range []duvotest.Profile{{}, {Idempotency: duvotest.KeysIgnored, Respond: duvotest.ApplyToAny}} {
			t.Run(name, func(t *testing.T) {
				two := refunds
				two.Script = func(j *duvotest.Job) {
					if j.AskApproval("Refund 120 EUR", "") && !j.AskApproval("Refund 9999 EUR", "") {
						j.Complete("refunded the first only")
					}
					j.Complete("wrong")
				}
				emulated(t, func(t *testing.T, d *duvotest.Duvo) {
					f := c.fault
					f.Op = "respondToHumanRequest"
					d.Inject(f)
					reg := discover(t, d.Client(), policy(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
						if r.Title == "Refund 120 EUR" {
							return hitl.Approve("ops", ""), nil
						}
						return hitl.Deny("ops", ""), nil
					}))
					res, err := mustTool(reg, "refunds").Run(t.Context(), "4711")
					require.NoError(t, err)
					require.Equal(t, "refunded the first only", res.Output)
					require.Equal(t, c.delivery, res.Decisions[0].Delivery)
					require.Len(t, res.Decisions, 2)
					var bodies, keys []string
					first := d.Jobs()[0].Requests[0].ID
					for _, r := range d.Requests() {
						if r.Op == "respondToHumanRequest" && containsID(r.Path, first) {
							bodies = append(bodies, string(r.Body))
							keys = append(keys, r.Header.Get("Idempotency-Key"))
						}
					}
					require.Len(t, bodies, c.posts)
					for i := range bodies {
						require.Equal(t, bodies[0], bodies[i])
						require.Equal(t, keys[0], keys[i])
						require.NotEmpty(t, keys[i])
					}
				}, duvotest.WithAssignment(two), duvotest.WithProfile(profile))
			})
		}
	}
}

// Two operations have one Job in hand, each with a request put off. Each listed
// request can be decided.
func TestDecideFindsTheOperation(t *testing.T) {
	wrong := 0
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			job := duvotest.Assignment{Name: "Refunds",
				Script: func(j *duvotest.Job) { j.Sleep(10 * time.Second); j.Complete("ok") },
				Resume: func(j *duvotest.Job, message string) { j.AskApproval("Refund", ""); j.Complete("about " + message) }}
			d := duvotest.New(duvotest.WithAssignment(job))
			defer d.Close()
			suspend := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })
			reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.WithPolicy(suspend))
			require.NoError(t, err)
			defer reg.Close(context.Background())
			ctx := duvotool.WithOperationKey(t.Context(), "start")
			brief, cancel := context.WithTimeout(ctx, 2*time.Second)
			_, err = reg.All()[0].Run(brief, "x")
			cancel()
			require.Error(t, err)
			time.Sleep(time.Minute)
			res, err := reg.Lookup(ctx, "start")
			require.NoError(t, err)
			_, err = reg.Continue(t.Context(), res, "refund")
			require.NoError(t, err)
			_, _ = reg.All()[0].Run(ctx, "x")
			for _, q := range reg.Pending() {
				if err := reg.Decide(t.Context(), q, hitl.Deny("kim", "")); errors.Is(err, hitl.ErrRequestChanged) {
					wrong++
				}
			}
		})
	}
	require.Zero(t, wrong, "of 20: a request that is listed was refused")
}
