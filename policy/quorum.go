package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
)

// Quorum asks all approvers at once and approves when n different people have.
// Only decisions of people count (those of [duvotool.Forward], say), and two by
// the same name, whatever its case, are one. The first denial by anybody
// denies. If too few are left to reach n, that is a denial too, or an error
// where an approver failed.
//
// It is for approvals alone: about questions it has no opinion.
func Quorum(n int, approvers ...duvotool.Policy) duvotool.Policy { return quorum{n, approvers} }

type quorum struct {
	n         int
	approvers []duvotool.Policy
}

func (q quorum) Decide(ctx context.Context, req duvotool.Request) (duvotool.Decision, error) {
	if q.Validate() != nil {
		return duvotool.Decision{}, errUnusable
	}
	if req.Kind != duvo.Approval {
		return duvotool.Pass().Via(q.String()), nil
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	answers := make(chan answer, len(q.approvers))
	for i, p := range q.approvers {
		ask(inner, i, p, req, answers)
	}
	var people, reasons []string
	var errs []error
	for open := len(q.approvers); open > 0 && len(people)+open >= q.n; open-- {
		select {
		case a := <-answers:
			switch {
			case a.err != nil:
				errs = append(errs, a.err)
			case a.d.Verdict == duvotool.Denied:
				return a.d.Via(fmt.Sprintf("%s[%d]", q, a.from+1)), nil
			case a.d.Verdict == duvotool.Approved && a.d.Source == duvotool.SourcePerson:
				who := strings.TrimSpace(a.d.By)
				if who != "" && !slices.ContainsFunc(people, func(p string) bool { return strings.EqualFold(p, who) }) {
					people = append(people, who)
					if a.d.Reason != "" {
						reasons = append(reasons, who+": "+a.d.Reason)
					}
				}
			}
		case <-ctx.Done():
			return duvotool.Decision{}, context.Cause(ctx)
		}
		if len(people) >= q.n {
			return duvotool.Decision{Verdict: duvotool.Approved, By: strings.Join(people, ", "), Reason: strings.Join(reasons, "; "),
				Source: duvotool.SourcePerson, Path: q.String()}, nil
		}
	}
	if len(errs) > 0 {
		return duvotool.Decision{}, fmt.Errorf("%s: not reached: %w", q, errors.Join(errs...))
	}
	return duvotool.Decision{By: "policy " + q.String(), Reason: fmt.Sprintf("%d of %d needed people approved", len(people), q.n),
		Source: duvotool.SourcePolicy, Path: q.String()}, nil
}

// Vetoes asks all: one denial denies.
func (q quorum) Vetoes(req duvotool.Request) bool {
	return slices.ContainsFunc(q.approvers, func(p duvotool.Policy) bool { return duvotool.Vetoes(p, req) })
}

func (q quorum) Validate() error {
	if q.n < 1 || len(q.approvers) < q.n {
		return fmt.Errorf("Quorum: %d of %d approvers cannot be", q.n, len(q.approvers))
	}
	return validate("Quorum", q.approvers...)
}

func (q quorum) String() string { return fmt.Sprintf("Quorum(%d)", q.n) }
