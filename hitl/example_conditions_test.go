package hitl_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
)

// A rule says as much as it should, and its record tells its name.
func ExampleRule() {
	small := hitl.For(duvotooltest.AssignmentID).Named("small refunds").
		TitleMatches(`Refund \d{1,2} EUR`).DescriptionIs("").OnBuild(duvotooltest.BuildID).
		Until(time.Now().Add(24 * time.Hour)).AtMost(20).
		When(func(r hitl.Request) bool { return r.Input != "" }).
		AfterFollowUps() // also for what a model said since
	gone := hitl.For("11111111-2222-4333-8444-555555555555").TitleIs("Send it").Optional() // it may not be there
	fmt.Println(gone)
	p := hitl.AutoApprove(small, gone, hitl.For(duvotooltest.AssignmentID).DescriptionMatches(`(?is).*gift card.*`).Denies())
	show(p, duvotooltest.Approval("Refund 20 EUR", func(r *hitl.Request) { r.Input, r.Description = "order 4711", "" }))
	show(p, duvotooltest.Approval("Refund 20 EUR", func(r *hitl.Request) { r.Description = "as a gift card" }))
	fmt.Println(hitl.Vetoes(p, duvotooltest.Approval("x", func(r *hitl.Request) { r.Description = "a GIFT CARD" })))
	// Output:
	// Assignment 11111111-2222-4333-8444-555555555555, title is "Send it"
	// approved by policy auto-approve through AutoApprove > small refunds
	// denied by policy auto-approve through AutoApprove
	// true
}

// Standing decisions are listed and revoked.
func ExampleGrants_Where() {
	grants := hitl.NewGrants()
	id, err := grants.Where("kim@example.com", duvotooltest.AssignmentID, "receipts", func(r hitl.Request) bool { return r.Title == "Send the receipt" },
		hitl.Terms{Uses: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	show(grants, duvotooltest.Approval("Send the receipt"))
	for _, g := range grants.List() {
		fmt.Println(g.What, "by", g.By, "left:", g.Uses)
	}
	fmt.Println(grants.Revoke(id), grants.Vetoes(duvotooltest.Approval("Send the receipt")))
	show(grants, duvotooltest.Approval("Send the receipt"))
	// Output:
	// approved by kim@example.com through Grants
	// receipts by kim@example.com left: 9
	// true false
	// passed by  through Grants
}

// Somebody stops all approvals, whatever way they would come.
func ExampleHold() {
	dir, err := os.MkdirTemp("", "hold")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	var store hitl.HoldStore = hitl.HoldFile(filepath.Join(dir, "hold.json"))
	hold := hitl.NewHold(store, func(_ context.Context, s hitl.HoldState) error {
		fmt.Println("on:", s.On, "by", s.By)
		return nil // audit.Switches records it
	})
	p := hold.Over(kim)
	ctx := context.Background()
	if _, err := hold.Set(ctx, true, "lee@example.com", "wrong prices"); err != nil {
		fmt.Println(err)
		return
	}
	err = hitl.CheckDecision(ctx, p, duvotooltest.Approval("Refund 20 EUR"), hitl.Approve("kim@example.com", "fine"))
	var held *hitl.HeldError
	if errors.As(err, &held) {
		fmt.Println(errors.Is(err, hitl.ErrHeld), errors.Is(err, hitl.ErrRefused), held.State.Reason)
	}
	if _, err = hold.Set(ctx, false, "lee@example.com", "mended"); err != nil {
		fmt.Println(err)
	}
	state, err := hold.State(ctx)
	fmt.Println(state.On, err)
	// Output:
	// on: true by lee@example.com
	// true true wrong prices
	// on: false by lee@example.com
	// false <nil>
}

// Who asked for the work cannot approve it.
func ExampleNotOwn() {
	p := hitl.NotOwn(nil, kim)
	own := duvotooltest.Approval("Refund 20 EUR", func(r *hitl.Request) { r.Caller = hitl.Caller{User: "Kim@example.com"} })
	err := hitl.CheckDecision(context.Background(), p, own, hitl.Approve("kim@example.com", "fine"))
	fmt.Println(errors.Is(err, hitl.ErrOwnWork))
	fmt.Println(hitl.CheckDecision(context.Background(), p, own, hitl.Approve("lee@example.com", "fine")))
	// Output:
	// true
	// <nil>
}

// An approval takes a signature of the person's device over this very decision.
func ExampleRequireProof() {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	keys := map[string]ed25519.PublicKey{"kim@example.com": public}
	var verify hitl.Verifier = func(_ context.Context, s hitl.Statement, p hitl.Proof) error {
		key, ok := keys[s.Person]
		if keys == nil {
			return hitl.ErrCannotVerify // for now: the proof is not said to be bad
		}
		var signature []byte
		if err := json.Unmarshal(p.Data, &signature); err != nil || !ok || !ed25519.Verify(key, s.Challenge(), signature) {
			return errors.New("not signed by " + s.Person)
		}
		return nil
	}
	p := hitl.RequireProof(func(r hitl.Request) bool { return r.Kind == duvo.Approval }, verify, kim)
	ctx, r := context.Background(), duvotooltest.Approval("Refund 5000 EUR")
	fmt.Println(hitl.NeedsProof(ctx, p, r))

	d := hitl.Approve("kim@example.com", "fine")
	fmt.Println(errors.Is(hitl.CheckDecision(ctx, p, r, d), hitl.ErrProofNeeded))

	proof := hitl.Proof{Kind: "ed25519", Person: d.By, Reason: d.Reason, Nonce: bytes.Repeat([]byte{1}, 16)} // a random one in earnest
	var s hitl.Statement = r.Statement(d, proof)
	proof.Data, _ = json.Marshal(ed25519.Sign(private, s.Challenge()))
	d.Proofs = []hitl.Proof{proof}
	fmt.Println(hitl.CheckDecision(ctx, p, r, d))
	fmt.Println(d.CheckProofs(ctx, r.Digest(), r.ContentDigest(), verify)) // what an audit does years later
	// Output:
	// true
	// true
	// <nil>
	// <nil>
}
