// Custom-policy guards refunds by their amount: small ones pass by rule, larger
// ones need one person, and the largest need two.
package main

import (
	"context"
	"regexp"
	"strconv"
	"time"

	"github.com/duvotool/duvotool/hitl"
)

// Refunds lets amounts up to small pass, asks first about those up to large,
// and both people about the rest; what nobody decides in a day is denied. The
// amount is what the Job's worker wrote into the title, so a rule by it is for
// sums with which you trust the worker.
func Refunds(assignmentID string, small, large int, first, second hitl.PolicyFunc) hitl.Policy {
	upTo := func(most int) hitl.Match {
		return func(r hitl.Request) bool { return amount(r) <= most }
	}
	return hitl.FirstOf(
		hitl.AutoApprove(hitl.For(assignmentID).When(upTo(small))),
		hitl.Timeout(24*time.Hour, hitl.Route(
			hitl.When(upTo(large), hitl.Forward(first)),
			hitl.When(upTo(unknown), hitl.Quorum(2, hitl.Forward(first), hitl.Forward(second))),
		), hitl.PolicyFunc(tooLate)),
	)
}

func tooLate(context.Context, hitl.Request) (hitl.Decision, error) {
	return hitl.Deny("the day's deadline", "nobody decided within a day; ask again tomorrow"), nil
}

const unknown = 1 << 30 // more than any amount that is read
var title = regexp.MustCompile(`\ARefund ([1-9][0-9]{0,5}) EUR\z`)

// amount reads whole euros from a title such as "Refund 120 EUR".
func amount(r hitl.Request) int {
	if m := title.FindStringSubmatch(r.Title); m != nil {
		euros, _ := strconv.Atoi(m[1]) // six digits always fit
		return euros
	}
	return unknown
}
