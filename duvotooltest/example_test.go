package duvotooltest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
)

// Two people who answer by a script, as a policy of one's own asks them.
func ExampleOperator() {
	kim := duvotooltest.NewOperator("kim@example.com").
		Approves("Refund 20 EUR").
		Denies("Refund 2000 EUR", "too much").
		Answers("", map[string]string{"Which way?": "Card"})
	lee := duvotooltest.NewOperator("lee@example.com").Says("", time.Millisecond, hitl.Approve("", "after a moment"))
	p := hitl.FirstOf(kim, lee)
	for _, r := range []hitl.Request{
		duvotooltest.Approval("Refund 20 EUR"),
		duvotooltest.Approval("Refund 2000 EUR", func(r *hitl.Request) { r.Input = "order 4711" }),
		duvotooltest.Question([]duvo.QuestionItem{{Question: "Which way?", Options: []duvo.Choice{{Label: "Card"}, {Label: "Credit"}}}}),
	} {
		d, err := p.Decide(context.Background(), r)
		fmt.Println(d.Verdict, d.By, d.Reason, err)
	}
	d, err := lee.Decide(context.Background(), duvotooltest.Approval("Refund 20 EUR"))
	fmt.Println(d.By, d.Reason, err)
	fmt.Println(len(kim.Asked()), "requests of Job", kim.Asked()[0].JobID == duvotooltest.JobID, kim.Asked()[0].ID == duvotooltest.RequestID,
		kim.Asked()[0].BuildID == duvotooltest.BuildID)
	// Output:
	// approved kim@example.com approved by script <nil>
	// denied kim@example.com too much <nil>
	// answered kim@example.com  <nil>
	//  after a moment <nil>
	// 3 requests of Job true true true
}
