package hitl_test

import (
	"context"
	"fmt"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
)

var (
	kim = duvotooltest.NewOperator("kim@example.com").Approves("")
	lee = duvotooltest.NewOperator("lee@example.com").Approves("")
)

func show(p hitl.Policy, r hitl.Request) {
	d, err := p.Decide(context.Background(), r)
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println(d.Verdict, "by", d.By, "through", d.Path)
}

func ExampleTimeout() {
	old := duvotooltest.Approval("Refund 120 EUR", func(r *hitl.Request) { r.FirstSeen = time.Now().Add(-5 * time.Hour) })
	p := hitl.Timeout(4*time.Hour, kim, hitl.AlwaysDeny())
	show(p, duvotooltest.Approval("Refund 120 EUR"))
	show(p, old)
	// Output:
	// approved by kim@example.com through Timeout > Operator(kim@example.com)
	// denied by policy Timeout(4h0m0s) through Timeout(over) > AlwaysDeny
}

func ExampleEscalate() {
	absent := hitl.PolicyFunc(func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
		<-ctx.Done()
		return hitl.Decision{}, context.Cause(ctx)
	})
	p := hitl.Escalate(absent,
		hitl.Remind(5*time.Millisecond, func(_ context.Context, r hitl.Request) {}),
		hitl.Then(10*time.Millisecond, lee))
	show(p, duvotooltest.Approval("Refund 120 EUR"))
	// Output: approved by lee@example.com through Escalate[3] > Operator(lee@example.com)
}

func ExampleQuorum() {
	show(hitl.Quorum(2, kim, kim), duvotooltest.Approval("Refund 5000 EUR"))
	show(hitl.Quorum(1, kim), duvotooltest.Approval("Refund 5000 EUR"))
	// Output:
	// denied by policy Quorum(2) through Quorum(2)
	// approved by kim@example.com through Quorum(1)
}

func ExampleBudget() {
	p := hitl.Budget(2, time.Hour, hitl.AutoApprove(hitl.For(duvotooltest.AssignmentID).TitleIs("Send the receipt")), lee)
	for range 3 {
		show(p, duvotooltest.Approval("Send the receipt"))
	}
	// Output:
	// approved by policy auto-approve through Budget > AutoApprove
	// approved by policy auto-approve through Budget > AutoApprove
	// approved by lee@example.com through Budget(used up) > Operator(lee@example.com)
}

func ExampleRoute() {
	p := hitl.Route(
		hitl.When(hitl.AssignmentIs(duvotooltest.AssignmentID), kim),
		hitl.When(hitl.FolderIs("Marketing"), lee),
	)
	show(p, duvotooltest.Approval("Refund 120 EUR"))
	show(p, duvotooltest.Approval("Send it", func(r *hitl.Request) { r.Assignment.ID, r.Folder = "other", "Marketing/EU" }))
	show(p, duvotooltest.Approval("Else", func(r *hitl.Request) { r.Assignment.ID = "other" }))
	// Output:
	// approved by kim@example.com through Route[1] > Operator(kim@example.com)
	// approved by lee@example.com through Route[2] > Operator(lee@example.com)
	// passed by  through Route
}

func ExampleAnswers() {
	p := hitl.Answers("the handbook", map[string]string{"Which rules apply?": "Strict"})
	show(p, duvotooltest.Question([]duvo.QuestionItem{{Question: "Which rules apply?"}}))
	show(p, duvotooltest.Question([]duvo.QuestionItem{{Question: "Which rules apply now?"}}))
	// Output:
	// answered by the handbook through Answers
	// passed by  through Answers
}

func ExampleGrants() {
	grants := hitl.NewGrants()
	p := hitl.FirstOf(grants, kim)
	asked := duvotooltest.Approval("Refund 20 EUR")
	show(p, asked)
	if _, err := grants.Exactly("kim@example.com", asked, hitl.Terms{Uses: 1, Until: time.Now().Add(time.Hour)}); err != nil {
		fmt.Println(err)
	}
	show(p, asked)
	show(p, asked)
	// Output:
	// approved by kim@example.com through FirstOf[2] > Operator(kim@example.com)
	// approved by kim@example.com through FirstOf[1] > Grants
	// approved by kim@example.com through FirstOf[2] > Operator(kim@example.com)
}
