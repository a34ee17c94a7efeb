// Package ownpolicy is the policy of docs/policies.md, with its test.
package ownpolicy

import (
	"strconv"
	"strings"

	"github.com/duvotool/duvotool/hitl"
)

// Small approves refunds up to a limit, in whole euros, as the request's title
// tells them, and asks a person about the rest.
func Small(refunds string, limit int, ask hitl.PolicyFunc) hitl.Policy {
	small := func(r hitl.Request) bool {
		amount, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(r.Title, "Refund "), " EUR"))
		return err == nil && amount > 0 && amount <= limit
	}
	return hitl.FirstOf(
		hitl.AutoApprove(hitl.For(refunds).When(small)),
		hitl.Forward(ask),
	)
}
