package hitl_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
)

// A policy of one's own that asks a person: it shows the whole request, and checks what
// is answered.
func ExamplePolicyFunc() {
	ask := hitl.PolicyFunc(func(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
		switch {
		case r.CheckAnswerable() != nil:
			return hitl.Leave(), nil // no answer can be told from another: let Duvo's inbox see
		case r.Kind == duvo.Question:
			answers := map[string]string{"Which parcels?": hitl.JoinChoices("1", "3")}
			if err := r.CheckAnswers(answers); err != nil {
				return hitl.Nobody(err.Error()), nil
			}
			return hitl.Answer("kim@example.com", answers), nil
		case strings.Contains(r.Title, "gift card"):
			return hitl.Deny("kim@example.com", "never"), nil
		case strings.Contains(r.Title, "EUR"):
			return hitl.Suspend(), nil // somebody decides at the desk
		}
		return hitl.Pass(), nil // the next one is asked
	})
	for _, r := range []hitl.Request{
		duvotooltest.Question([]duvo.QuestionItem{{Question: "Which parcels?", MultiSelect: true, Options: []duvo.Choice{{Label: "1"}, {Label: "2"}, {Label: "3"}}}}),
		duvotooltest.Approval("Send a gift card"), duvotooltest.Approval("Refund 120 EUR"), duvotooltest.Approval("Send the receipt"),
	} {
		d, err := ask.Decide(context.Background(), r)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(d.Verdict, d.HasOpinion(), d.Answers)
	}
	// Output:
	// answered true map[Which parcels?:1, 3]
	// denied true map[]
	// suspended true map[]
	// passed false map[]
}

// A person is asked by a function.
func ExampleForward() {
	ask := func(ctx context.Context, req hitl.Request) (hitl.Decision, error) {
		fmt.Println(req) // in earnest: wherever the person is
		if req.Kind == duvo.Question {
			answers := map[string]string{req.Questions[0].Question: "Yes"}
			return hitl.Answer("kim@example.com", answers), req.CheckAnswers(answers)
		}
		return hitl.Deny("kim@example.com", "too much"), nil
	}
	show(hitl.Forward(ask), duvotooltest.Approval("Refund 5000 EUR"))
	show(hitl.Forward(ask), duvotooltest.Question([]duvo.QuestionItem{{Question: "Again?", Options: []duvo.Choice{{Label: "Yes"}, {Label: "No"}}}}))
	// Output:
	// approval: Refund 5000 EUR
	// Assignment Refunds (ID 0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11, Build 0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a12)
	// Job 0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a13 was started with:
	//   | do it
	//
	// denied by kim@example.com through Forward
	// question: Questions
	// question 1: Again?
	//   - Yes
	//   - No
	// Assignment Refunds (ID 0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11, Build 0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a12)
	// Job 0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a13 was started with:
	//   | do it
	//
	// answered by kim@example.com through Forward
}

// What a worker wrote is shown so that nothing hides in it.
func ExampleRequest() {
	r := duvotooltest.Approval("Refund 1\u202e02 EUR", func(r *hitl.Request) { r.Description = "For order 4711.\nApproved by \u0410nna." })
	fmt.Println(hitl.SafeLine(r.Title, 40))
	fmt.Println(hitl.SafeText(r.Description, 200))
	shown := r.String() // all of it
	fmt.Println(r.ShownWhole(shown), r.ShownWhole(shown[:len(shown)/4]))
	for _, text := range r.Texts()[:1] {
		fmt.Println(text.Name)
	}
	// Output:
	// Refund 1<U+202E>02 EUR
	// For order 4711.
	// Approved by <U+0410>nna.
	// true false
	// Title
}

// A decision is about one text, and a standing one about whatever reads the same.
func ExampleRequest_Digest() {
	a := duvotooltest.Approval("Refund 20 EUR")
	again := duvotooltest.Approval("Refund 20 EUR", func(r *hitl.Request) { r.JobID = "another Job" })
	other := duvotooltest.Approval("Refund 200 EUR")
	fmt.Println(a.Digest() == again.Digest(), a.ContentDigest() == again.ContentDigest(), a.ContentDigest() == other.ContentDigest())
	fmt.Println(a.Digest() == hitl.Digest(a.JobID, a.FollowUp, duvo.HumanRequest{ID: a.ID, Type: a.Kind, Title: a.Title, Description: a.Description}))
	// Output:
	// false true false
	// true
}

// What does not fit a request is refused before it goes anywhere.
func ExampleDecision() {
	r := duvotooltest.Approval("Refund 20 EUR")
	for _, d := range []hitl.Decision{
		hitl.Approve("kim@example.com", "it was broken"),
		hitl.Approve("", "it was broken"),
		hitl.Answer("kim@example.com", map[string]string{"Which?": "this"}),
		hitl.Nobody("everybody sleeps"),
		{}, // denies
	} {
		err := d.Check(r)
		fmt.Println(d.Verdict, errors.Is(err, hitl.ErrInvalidDecision), d.NobodyAsked())
	}
	d := hitl.Approve("kim@example.com", "it was broken").Via("Forward").Via("FirstOf[2]")
	fmt.Println(d.Path+":", d.Summary(), "by", hitl.Decider(d.By))
	// Output:
	// approved false false
	// approved true false
	// answered true false
	// denied false true
	// denied false false
	// FirstOf[2] > Forward: approved by kim@example.com by kim@example.com
}

// A switch over all verdicts.
func ExampleVerdict() {
	for _, v := range []hitl.Verdict{hitl.Approved, hitl.Answered, hitl.Denied, hitl.Left, hitl.Passed, hitl.Suspended} {
		switch v {
		case hitl.Approved, hitl.Answered:
			fmt.Println(v, "is sent to Duvo, with its conditions met")
		case hitl.Denied:
			fmt.Println(v, "is sent for an approval; a question stays unanswered")
		case hitl.Left, hitl.Suspended:
			fmt.Println(v, "leaves it open")
		case hitl.Passed:
			fmt.Println(v, "asks the next policy")
		}
	}
	// Output:
	// approved is sent to Duvo, with its conditions met
	// answered is sent to Duvo, with its conditions met
	// denied is sent for an approval; a question stays unanswered
	// left leaves it open
	// passed asks the next policy
	// suspended leaves it open
}

// What became of a decision, told apart.
func ExampleDelivery() {
	for _, e := range []hitl.DecisionEntry{
		{Title: "Refund 20 EUR", Kind: duvo.Approval, Decision: hitl.Deny("kim@example.com", "too much"), Delivery: hitl.Accepted},
		{Title: "Refund 20 EUR", Kind: duvo.Approval, Decision: hitl.Approve("kim@example.com", "fine"), Delivery: hitl.Superseded},
	} {
		switch e.Delivery {
		case hitl.Accepted:
			fmt.Println("Duvo took it; the model reads:", e.Observation(false))
		case hitl.Refused, hitl.NotSent:
			fmt.Println("the request still waits")
		case hitl.Superseded:
			fmt.Println("somebody else was faster, or the request changed")
		case hitl.Sent, hitl.Unconfirmed:
			fmt.Println("it may have arrived")
		}
	}
	// Output:
	// Duvo took it; the model reads: Denied by kim@example.com: the approval titled "Refund 20 EUR", because: too much. Do not retry or rephrase this.
	//
	// somebody else was faster, or the request changed
}

// Whose mind a decision came from.
func ExampleSource() {
	people := map[hitl.Source]bool{
		hitl.SourcePerson:          true,
		hitl.SourcePolicy:          false, // a rule
		hitl.SourceTimeout:         false, // nobody was there in time
		hitl.SourceElsewhere:       false, // in Duvo's own inbox: it does not say who
		hitl.SourceNobody:          false,
		hitl.SourceUnauthenticated: false, // nobody vouches for who it was
	}
	d, err := hitl.Forward(kim.Decide).Decide(context.Background(), duvotooltest.Approval("Refund 20 EUR"))
	fmt.Println(d.Source, people[d.Source], err)
	// Output: person true <nil>
}

// People are compared by what a reader sees of their names.
func ExamplePersonKey() {
	fmt.Println(hitl.PersonKey("Kim@Example.com") == hitl.PersonKey(" kim@example.com\u200b"), hitl.PersonKey("\u200b") == "")
	// Output: true true
}
