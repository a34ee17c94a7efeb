package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/duvotool/duvotool/adapters/terminal"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/examples/internal/setup"
	"github.com/duvotool/duvotool/hitl"
)

// policyFor makes the policy of the flags: known answers first, then the flag
// -approve or the person at the terminal.
func policyFor(f flags, c console) (hitl.Policy, error) {
	policies := []hitl.Policy{hitl.PolicyFunc(f.answers.decide)}
	switch {
	case f.approve == "yes":
		policies = append(policies, hitl.PolicyFunc(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
			if r.Kind != duvo.Approval {
				return hitl.Pass(), nil
			}
			return hitl.Approve("flag -approve=yes", "approved by the flag"), nil
		}))
	case f.approve == "no":
		policies = append(policies, hitl.PolicyFunc(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
			if r.Kind != duvo.Approval {
				return hitl.Pass(), nil
			}
			return hitl.Deny("flag -approve=no", "denied by the flag"), nil
		}))
	case c.terminal:
		operator, err := terminal.New(c.in, c.err, setup.OperatorName())
		if err != nil {
			return nil, err
		}
		policies = append(policies, operator)
	default:
		fmt.Fprintln(c.err, "No terminal: approvals will be denied. -approve yes or -approve no decide too.")
		policies = append(policies, setup.Unattended("email-triage", "it denies what nobody is there to decide: there is no terminal"))
	}
	// What is left are questions without an answer.
	policies = append(policies, setup.Unattended("email-triage", "nobody answered; use -answer 'question=answer'"))
	return hitl.FirstOf(policies...), nil
}

// answerFlags are the -answer flags, as given.
type answerFlags []string

func (a *answerFlags) String() string { return strings.Join(*a, ", ") }

func (a *answerFlags) Set(s string) error {
	if i := strings.LastIndex(s, "="); i <= 0 {
		return errors.New("it must look like 'question=answer'")
	}
	*a = append(*a, s)
	return nil
}

// find looks up the answer to a question. Both may hold an equals sign. Two flags that
// answer one question differently are an error: neither is sent.
func (a answerFlags) find(question string) (answer string, ok bool, err error) {
	for _, s := range a {
		one, is := strings.CutPrefix(s, question+"=")
		if is && ok && one != answer {
			return "", false, fmt.Errorf("-answer: the question %q has two answers, %q and %q", hitl.SafeLine(question, 80), hitl.SafeLine(answer, 80), hitl.SafeLine(one, 80))
		}
		if is {
			answer, ok = one, true
		}
	}
	return answer, ok, nil
}

// decide answers a request if there is a flag for each of its questions.
func (a answerFlags) decide(_ context.Context, r hitl.Request) (hitl.Decision, error) {
	if r.Kind != duvo.Question {
		return hitl.Pass(), nil
	}
	answers := map[string]string{}
	for _, q := range r.Questions {
		answer, ok, err := a.find(q.Question)
		if err != nil || !ok {
			return hitl.Pass(), err
		}
		answers[q.Question] = answer
	}
	if err := r.CheckAnswers(answers); err != nil {
		return hitl.Decision{}, fmt.Errorf("-answer: %w", err)
	}
	return hitl.Answer("flag -answer", answers), nil
}
