// Package ownpolicy is the README's policy, with its test.
package ownpolicy

import (
	"strconv"
	"strings"

	"github.com/duvotool/duvotool"
)

// Small approves refunds up to a limit, in whole euros, as the request's title
// tells them, and asks a person about the rest.
func Small(refunds string, limit int, ask duvotool.PolicyFunc) duvotool.Policy {
	small := func(r duvotool.Request) bool {
		amount, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(r.Title, "Refund "), " EUR"))
		return err == nil && amount > 0 && amount <= limit
	}
	return duvotool.FirstOf(
		duvotool.AutoApprove(duvotool.For(refunds).When(small)),
		duvotool.Forward(ask),
	)
}
