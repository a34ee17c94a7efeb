package hitl_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
)

// AtNight asks one policy by day and another one by night, and passes on whatever the
// two have to say besides: vetoes, conditions, names.
type AtNight struct {
	Day, Night hitl.Policy
	Now        func() time.Time
}

func (p AtNight) String() string { return "AtNight" }

func (p AtNight) at(t time.Time) hitl.Policy {
	if t.Hour() < 6 || t.Hour() >= 22 {
		return p.Night
	}
	return p.Day
}

// Decide lets a veto win, whoever's turn it is.
func (p AtNight) Decide(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
	if which, d, err := hitl.Veto(ctx, r, p.Day, p.Night); err != nil || which >= 0 {
		return d.Via(p.String()), err
	}
	d, err := p.at(p.Now()).Decide(ctx, r)
	return d.Via(p.String()), err
}

func (p AtNight) Vetoes(r hitl.Request) bool { return hitl.Vetoes(p.Day, r) || hitl.Vetoes(p.Night, r) }

func (p AtNight) Foresee(r hitl.Request, at time.Time) (hitl.Verdict, bool) {
	return hitl.Foresee(p.at(at), r, at)
}

func (p AtNight) CheckDecision(ctx context.Context, r hitl.Request, d hitl.Decision) error {
	return hitl.CheckDecisions(ctx, r, d, p.Day, p.Night)
}

func (p AtNight) CheckNames(n hitl.Names) error {
	return errors.Join(hitl.CheckNames(p.Day, n), hitl.CheckNames(p.Night, n))
}

func (p AtNight) Validate() error { return errors.Join(hitl.Validate(p.Day), hitl.Validate(p.Night)) }

// A policy of one's own that holds others.
func ExamplePolicy() {
	var p hitl.Policy = AtNight{Day: kim, Night: hitl.AlwaysDeny("come back in the morning"), Now: func() time.Time {
		return time.Date(2030, 5, 1, 23, 0, 0, 0, time.UTC)
	}}
	var (
		_ hitl.Vetoer          = AtNight{}
		_ hitl.Foreseer        = AtNight{}
		_ hitl.DecisionChecker = AtNight{}
		_ hitl.NameChecker     = AtNight{}
	)
	show(p, duvotooltest.Approval("Refund 20 EUR"))
	v, certain := hitl.Foresee(p, duvotooltest.Approval("Refund 20 EUR"), time.Date(2030, 5, 1, 23, 0, 0, 0, time.UTC))
	fmt.Println(v, certain, hitl.PolicyName(p), hitl.SafePolicyName(nil), hitl.Validate(p))
	// Output:
	// denied by policy always-deny through AtNight > AlwaysDeny
	// denied true AtNight <nil> <nil>
}

// A name that nothing has is a mistake that would leave an Assignment without its guard,
// so Discover refuses it, and tells what is near.
func ExampleNames() {
	var book hitl.NameBook // a registry keeps one; this is a test's
	book.Set([]duvo.Assignment{{ID: duvotooltest.AssignmentID, Name: "Refunds"}}, []string{"Support"})
	names := book.Names()
	fmt.Println(names.HaveIDs(duvotooltest.AssignmentID), names.HaveFolders("Support"), names.Closed())

	p := hitl.Route(
		hitl.When(hitl.NameIs("Refnds"), kim),
		hitl.When(hitl.FolderIs("Marketing").Optional(), lee)) // which may come later
	err := hitl.CheckNames(p, names)
	var none *hitl.NoMatchError
	if errors.As(err, &none) {
		fmt.Println(none.Kind == hitl.KindName, none.Name, none.Near)
		fmt.Println(none.Problem())
	}
	fmt.Println(errors.As(names.HaveNames("Refund"), &none), none.Kind)
	for _, kind := range []string{hitl.KindID, hitl.KindFolder, hitl.KindPattern, hitl.KindTool} {
		fmt.Print(kind, " ")
	}
	fmt.Println(book.NeedsFolders())
	fmt.Println(book.NoMatch(hitl.KindID, "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a12").Near)
	fmt.Println(hitl.NoTool("refnds", map[string][]string{"refunds": {"refunds"}}, false)) // of an adapter of one's own
	book.Close()
	fmt.Println(names.Closed(), names.HaveNames("whatever"))
	// Output:
	// <nil> <nil> false
	// true Refnds ["Refunds"]
	// no Assignment has the name "Refnds"
	// true name
	// ID folder pattern tool true
	// [0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11 ("Refunds")]
	// duvotool: there is no tool with this name, ID or name of an Assignment: "refnds"; is it refunds?
	// true <nil>
}

// A match of one's own, beside those by name.
func ExampleMatch() {
	large := hitl.Match(func(r hitl.Request) bool { return len(r.Title) > 14 })
	refunds := hitl.AssignmentIs(duvotooltest.AssignmentID)
	p := hitl.Route(hitl.When(large, lee), hitl.When(refunds, kim))
	show(p, duvotooltest.Approval("Refund 20 EUR"))
	show(p, duvotooltest.Approval("Refund 2000000 EUR"))
	fmt.Println(refunds.Matches(duvotooltest.Approval("Refund 20 EUR")))
	// Output:
	// approved by kim@example.com through Route[2] > Operator(kim@example.com)
	// approved by lee@example.com through Route[1] > Operator(lee@example.com)
	// true
}

// Why a policy's context has ended, and what a registry returns of decisions.
func ExampleErrRefused() {
	for _, err := range []error{hitl.ErrAnsweredElsewhere, hitl.ErrRequestChanged, hitl.ErrTimeout, hitl.ErrRefused, hitl.ErrPolicyPanic} {
		switch {
		case errors.Is(err, hitl.ErrAnsweredElsewhere), errors.Is(err, hitl.ErrRequestChanged):
			fmt.Println("the cause of the policy's context: nobody need decide any more, or not about this text")
		case errors.Is(err, hitl.ErrTimeout):
			fmt.Println("the cause of the context under hitl.Timeout")
		case errors.Is(err, hitl.ErrRefused):
			fmt.Println("of Registry.Decide: a condition is not met, and the request waits on")
		case errors.Is(err, hitl.ErrPolicyPanic):
			fmt.Println("the Job's error: nothing was sent")
		}
	}
	// Output:
	// the cause of the policy's context: nobody need decide any more, or not about this text
	// the cause of the policy's context: nobody need decide any more, or not about this text
	// the cause of the context under hitl.Timeout
	// of Registry.Decide: a condition is not met, and the request waits on
	// the Job's error: nothing was sent
}
