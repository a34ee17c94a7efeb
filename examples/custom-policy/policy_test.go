package main

import (
	"context"
	"testing"

	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
)

func TestRefunds(t *testing.T) {
	kim, lee := person("kim", 5000), person("lee", 1000)
	for name, c := range map[string]struct {
		title  string
		second hitl.PolicyFunc
		want   hitl.Verdict
	}{
		"by rule": {"Refund 50 EUR", lee, hitl.Approved}, "by one": {"Refund 500 EUR", nil, hitl.Approved},
		"by two": {"Refund 501 EUR", lee, hitl.Approved}, "one twice": {"Refund 501 EUR", kim, hitl.Denied},
		"one denies": {"Refund 3000 EUR", lee, hitl.Denied}, "no amount": {"Refund 20 EUR or 9999 EUR", lee, hitl.Denied},
	} {
		if c.second == nil {
			c.second = func(context.Context, hitl.Request) (hitl.Decision, error) { panic("nobody asks lee") }
		}
		d, err := Refunds(duvotooltest.AssignmentID, 50, 500, kim, c.second).Decide(t.Context(), duvotooltest.Approval(c.title))
		if err != nil || d.Verdict != c.want || d.By == "" || d.Reason == "" {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	duvotooltest.TestPolicy(t, func() hitl.Policy { return Refunds(duvotooltest.AssignmentID, 50, 500, kim, lee) })
}
