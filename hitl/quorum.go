package hitl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// Quorum asks all approvers at once and approves when n different people have.
// Only decisions of people count (those of [Forward], say), and two by
// one name, see [PersonKey], are one. The first denial by anybody
// denies. If too few are left to reach n, that is a denial too, or an error
// where an approver failed; where one could ask nobody, see [Nobody],
// nobody is said to have denied.
//
// It is for approvals alone: about questions it has no opinion.
func Quorum(n int, approvers ...Policy) Policy { return quorum{n, slices.Clone(approvers)} }

type quorum struct {
	n         int
	approvers []Policy
}

func (q quorum) Decide(ctx context.Context, req Request) (Decision, error) {
	if q.Validate() != nil {
		return Decision{}, errUnusable
	}
	if req.Kind != duvo.Approval {
		return Pass().Via(q.String()), nil
	}
	if d, vetoed, err := vetoed(ctx, q.String(), req, q.approvers...); vetoed {
		return d, err
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	answers := make(chan answer, len(q.approvers))
	for i, p := range q.approvers {
		ask(inner, i, p, req, answers)
	}
	t := tally{source: SourcePolicy, counted: map[string]bool{}}
	var errs []error
	for open := len(q.approvers); open > 0 && t.n+open >= q.n; open-- {
		select {
		case a := <-answers:
			switch {
			case a.err != nil:
				errs = append(errs, a.err)
			case a.d.Verdict == Denied && a.d.HasOpinion():
				return a.d.Via(fmt.Sprintf("%s[%d]", q, a.from+1)), nil
			default:
				t.add(a.d)
			}
		case <-ctx.Done():
			return Decision{}, context.Cause(ctx)
		}
		if t.n >= q.n {
			return Decision{Verdict: Approved, By: strings.Join(t.who, ", "), Reason: strings.Join(t.reasons, "; "),
				Source: SourcePerson, Path: q.String(), People: t.people, Proofs: t.proofs}, nil
		}
	}
	if len(errs) > 0 {
		return Decision{}, fmt.Errorf("%s: not reached: %w", q, errors.Join(errs...))
	}
	reason := fmt.Sprintf("%d of %d needed people approved", t.n, q.n)
	return Decision{By: "policy " + q.String(), Reason: strings.Join(append([]string{reason}, t.unasked...), "; "),
		Source: t.source, Path: q.String()}, nil
}

// A tally is who has approved.
type tally struct {
	n       int      // approvals that count
	who     []string // of each of them
	people  []string // all of them: an approval may be several people's
	proofs  []Proof
	reasons []string
	counted map[string]bool // by PersonKey
	unasked []string        // why nobody could be asked
	source  Source          // of the denial, if it comes to that
}

// add takes in a decision that is no denial of anybody's.
func (t *tally) add(d Decision) {
	if d.Verdict == Denied {
		t.source = SourceNobody
		t.unasked = append(t.unasked, strings.TrimSuffix("nobody could be asked: "+d.Reason, ": "))
		return
	}
	who := strings.TrimSpace(d.By)
	if d.Verdict != Approved || d.Source != SourcePerson || PersonKey(who) == "" {
		return
	}
	// A quorum within names several, of whom none may count again.
	people := d.People
	if strings.Join(people, ", ") != d.By {
		people = append(slices.Clone(people), who)
	}
	for _, p := range people {
		if t.counted[PersonKey(p)] {
			return
		}
	}
	for _, p := range people {
		t.counted[PersonKey(p)] = true
	}
	t.n++
	t.who = append(t.who, who)
	t.people = append(t.people, people...)
	t.proofs = append(t.proofs, d.Proofs...)
	if d.Reason != "" {
		t.reasons = append(t.reasons, who+": "+d.Reason)
	}
}

// Vetoes asks all: one denial denies.
func (q quorum) Vetoes(req Request) bool {
	return slices.ContainsFunc(q.approvers, func(p Policy) bool { return Vetoes(p, req) })
}

// Foresee knows of a denial by one, and that there is no opinion about questions.
func (q quorum) Foresee(req Request, at time.Time) (Verdict, bool) {
	if req.Kind != duvo.Approval {
		return Passed, true
	}
	return Denied, slices.ContainsFunc(q.approvers, func(p Policy) bool {
		v, certain := Foresee(p, req, at)
		return certain && v == Denied
	})
}

func (q quorum) Validate() error {
	if q.n < 1 || len(q.approvers) < q.n {
		return fmt.Errorf("Quorum: %d of %d approvers cannot be", q.n, len(q.approvers))
	}
	return validate("Quorum", q.approvers...)
}

func (q quorum) String() string { return fmt.Sprintf("Quorum(%d)", q.n) }
