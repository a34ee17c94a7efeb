package hitl_test

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// devices sign what people decide.
type devices map[string]ed25519.PrivateKey

func newDevices() devices {
	d := devices{}
	for _, person := range []string{"kim", "lee"} {
		d[person] = ed25519.NewKeyFromSeed(fmt.Appendf(nil, "%-32s", person))
	}
	return d
}

func (d devices) prove(req hitl.Request, decision hitl.Decision, person string) hitl.Decision {
	p := hitl.Proof{Kind: "key", Person: person, Reason: decision.Reason, Nonce: []byte(strings.Repeat("n", 16))}
	p.Data, _ = json.Marshal(ed25519.Sign(d[person], req.Statement(decision, p).Challenge()))
	decision.Proofs = append(decision.Proofs, p)
	return decision
}

func (d devices) verify(_ context.Context, s hitl.Statement, p hitl.Proof) error {
	var sig []byte
	if err := json.Unmarshal(p.Data, &sig); err != nil || p.Kind != "key" {
		return errors.New("it is none of ours")
	}
	key := d[s.Person]
	if key == nil || !ed25519.Verify(key.Public().(ed25519.PublicKey), s.Challenge(), sig) {
		return errors.New("the signature is another")
	}
	return nil
}

const refundsID = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11"

func refund() hitl.Request {
	return hitl.Request{JobID: "job", ID: "request", Kind: duvo.Approval, Title: "Refund 120 EUR", Input: "4711",
		Assignment: duvo.Assignment{ID: refundsID, Name: "Refunds"}, Caller: hitl.Caller{User: "sam"}}
}

// around are all ways to put a policy into another one, beside one that approves all.
func around(p hitl.Policy) map[string]hitl.Policy {
	yes, here := hitl.AutoApprove(hitl.For(refundsID)), hitl.AssignmentIs(refundsID)
	return map[string]hitl.Policy{
		"alone": p, "first": hitl.FirstOf(p, yes), "behind": hitl.FirstOf(yes, p), "a case": hitl.Route(hitl.When(here, p)),
		"timed": hitl.Timeout(time.Hour, p, yes), "a fallback": hitl.Timeout(time.Hour, yes, p),
		"escalated": hitl.Escalate(p, hitl.Then(time.Hour, yes)), "a step": hitl.Escalate(yes, hitl.Then(time.Hour, p)),
		"in a quorum": hitl.Quorum(1, yes, p), "budgeted": hitl.Budget(1, time.Hour, p, yes), "over budget": hitl.Budget(1, time.Hour, yes, p),
		"under a hold": hitl.NewHold(nil, nil).Over(p), "under a proof": hitl.RequireProof(func(hitl.Request) bool { return false }, devices{}.verify, p),
		"not one's own": hitl.NotOwn(nil, p), "deep": hitl.FirstOf(hitl.Timeout(time.Hour, yes, hitl.FirstOf(yes, p)), yes),
	}
}

// A condition holds wherever it stands, about approvals and answers alike, and not
// about what lets no Job go on.
func TestConditionsHoldWhereverTheyStand(t *testing.T) {
	yes := hitl.AutoApprove(hitl.For(refundsID))
	held := hitl.NewHold(nil, nil)
	_, err := held.Set(t.Context(), true, "lee", "a wrong price list")
	require.NoError(t, err)
	for kind, c := range map[string]struct {
		p    hitl.Policy
		bad  hitl.Decision
		want error
	}{
		"proof": {hitl.RequireProof(nil, devices{}.verify, yes), hitl.Approve("kim", ""), hitl.ErrProofNeeded},
		"hold":  {held.Over(yes), hitl.Approve("kim", ""), hitl.ErrHeld},
		"own":   {hitl.NotOwn(nil, yes), hitl.Approve("SAM ", ""), hitl.ErrOwnWork},
	} {
		for name, p := range around(c.p) {
			err := hitl.CheckDecision(t.Context(), p, refund(), c.bad)
			require.ErrorIs(t, err, c.want, "%s, %s", kind, name)
			require.ErrorIs(t, err, hitl.ErrRefused, "%s, %s", kind, name)
			answer := hitl.Answer(c.bad.By, map[string]string{"Which?": "left"})
			require.ErrorIs(t, hitl.CheckDecision(t.Context(), p, refund(), answer), c.want, "%s, %s", kind, name)
			for _, d := range []hitl.Decision{hitl.Deny(c.bad.By, ""), hitl.Leave(), hitl.Suspend(), hitl.Pass(), hitl.Nobody("")} {
				require.NoError(t, hitl.CheckDecision(t.Context(), p, refund(), d), "%s, %s", kind, name)
			}
			require.NoError(t, hitl.Validate(p), "%s, %s", kind, name)
		}
		elsewhere := hitl.Route(hitl.When(func(hitl.Request) bool { return true }, yes), hitl.When(hitl.AssignmentIs(refundsID), c.p))
		require.NoError(t, hitl.CheckDecision(t.Context(), elsewhere, refund(), c.bad), "another case is not in charge")
	}
	require.NoError(t, hitl.CheckDecision(t.Context(), yes, refund(), hitl.Approve("kim", "")), "it has no conditions")
}

type harmfulChecker struct{ hitl.Policy }

func (harmfulChecker) CheckDecision(context.Context, hitl.Request, hitl.Decision) error {
	panic("boom")
}

func TestACheckThatPanicsRefuses(t *testing.T) {
	p := hitl.FirstOf(hitl.AlwaysDeny(), harmfulChecker{hitl.AlwaysDeny()})
	require.ErrorIs(t, hitl.CheckDecision(t.Context(), p, refund(), hitl.Approve("kim", "")), hitl.ErrPolicyPanic)
}

// A proof counts for the very text, verdict, answers, person, reason and nonce, and
// for no other.
func TestProofsAreOfOneDecision(t *testing.T) {
	dev := newDevices()
	p := hitl.RequireProof(func(r hitl.Request) bool { return r.Title != "Send the receipt" }, dev.verify, hitl.AlwaysDeny())
	check := func(r hitl.Request, d hitl.Decision) error { return hitl.CheckDecision(t.Context(), p, r, d) }
	good := dev.prove(refund(), hitl.Approve("kim", "fine"), "kim")
	require.NoError(t, check(refund(), good))
	require.NoError(t, good.Check(refund()))
	small := refund()
	small.Title = "Send the receipt"
	require.NoError(t, check(small, hitl.Approve("kim", "")), "it is not picked")
	require.False(t, hitl.NeedsProof(t.Context(), p, small))
	require.True(t, hitl.NeedsProof(t.Context(), p, refund()))

	for name, change := range map[string]func(*hitl.Request){
		"Job": func(r *hitl.Request) { r.JobID += "2" }, "request": func(r *hitl.Request) { r.ID += "2" }, "title": func(r *hitl.Request) { r.Title += " " },
		"description": func(r *hitl.Request) { r.Description = "." }, "follow-up": func(r *hitl.Request) { r.FollowUp = "." },
		"input": func(r *hitl.Request) { r.Input += "1" }, "Build": func(r *hitl.Request) { r.BuildID = "b" }, "Assignment": func(r *hitl.Request) { r.Assignment.ID = "a" },
	} {
		r := refund()
		change(&r)
		require.ErrorIs(t, check(r, good), hitl.ErrProofNeeded, name)
	}
	for name, change := range map[string]func(*hitl.Decision){
		"verdict":         func(d *hitl.Decision) { d.Verdict = hitl.Answered },
		"answers":         func(d *hitl.Decision) { d.Answers = map[string]string{"": ""} },
		"another person":  func(d *hitl.Decision) { d.By, d.Proofs[0].Person = "lee", "lee" },
		"no proof of lee": func(d *hitl.Decision) { d.By = "lee" },
		"one more":        func(d *hitl.Decision) { d.By, d.People = "kim, lee", []string{"kim", "lee"} },
		"by another":      func(d *hitl.Decision) { d.By, d.People = "lee", []string{"kim"} },
		"reason":          func(d *hitl.Decision) { d.Reason = "fine!" },
		"both reasons":    func(d *hitl.Decision) { d.Reason, d.Proofs[0].Reason = "fine!", "fine!" },
		"nonce":           func(d *hitl.Decision) { d.Proofs[0].Nonce[0]++ },
		"short nonce":     func(d *hitl.Decision) { d.Proofs[0].Nonce = []byte("n") },
		"data":            func(d *hitl.Decision) { d.Proofs[0].Data = json.RawMessage(`"AAAA"`) },
		"kind":            func(d *hitl.Decision) { d.Proofs[0].Kind = "other" },
		"none":            func(d *hitl.Decision) { d.Proofs = nil },
	} {
		d := good.Clone()
		change(&d)
		require.ErrorIs(t, check(refund(), d), hitl.ErrProofNeeded, name)
		require.NoError(t, check(refund(), good), "a clone shares nothing: %s", name)
	}
}

// What cannot be verified now is not told as a bad proof.
func TestProofsThatCannotBeVerified(t *testing.T) {
	down := func(context.Context, hitl.Statement, hitl.Proof) error {
		return fmt.Errorf("%w: the store is down", hitl.ErrCannotVerify)
	}
	dev := newDevices()
	d := dev.prove(refund(), hitl.Approve("kim", ""), "kim")
	err := hitl.CheckDecision(t.Context(), hitl.RequireProof(nil, down, hitl.AlwaysDeny()), refund(), d)
	require.ErrorIs(t, err, hitl.ErrCannotVerify)
	require.NotErrorIs(t, err, hitl.ErrRefused)
	require.Error(t, hitl.Validate(hitl.RequireProof(nil, nil, hitl.AlwaysDeny())))
}

// Of several who approve together each has to prove it.
func TestQuorumOfProofs(t *testing.T) {
	dev := newDevices()
	person := func(who string, proves bool) hitl.Policy {
		return hitl.Forward(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
			d := hitl.Approve(who, "by "+who)
			if proves {
				d = dev.prove(r, d, who)
			}
			return d, nil
		})
	}
	both := hitl.RequireProof(nil, dev.verify, hitl.Quorum(2, person("kim", true), person("lee", true)))
	d, err := both.Decide(t.Context(), refund())
	require.NoError(t, err)
	require.Equal(t, hitl.Approved, d.Verdict)
	require.Len(t, d.Proofs, 2)
	require.NoError(t, hitl.CheckDecision(t.Context(), both, refund(), d))
	for _, p := range []hitl.Policy{
		hitl.RequireProof(nil, dev.verify, hitl.Quorum(2, person("kim", true), person("lee", false))),
		hitl.Quorum(2, hitl.RequireProof(nil, dev.verify, person("kim", true)), hitl.RequireProof(nil, dev.verify, person("lee", false))),
	} {
		_, err := p.Decide(t.Context(), refund())
		require.ErrorIs(t, err, hitl.ErrProofNeeded)
	}
}

// The challenge is pinned: what was signed years ago is verified by it. No two parts
// can be taken for each other.
func TestChallenge(t *testing.T) {
	s := hitl.Statement{Digest: "d", Content: "c", Verdict: hitl.Answered, Answers: map[string]string{"b": "2", "a": "1"}, Person: "kim", Reason: "r", Nonce: []byte("nonce")}
	require.Equal(t, "f73e32ad3fdd5f52ff01b0e5ac92c1eb2fbe87ed1175b911bcabb348bbb0a63b", hex.EncodeToString(s.Challenge()))
	moved := s
	moved.Person, moved.Reason = "ki", "mr"
	require.NotEqual(t, s.Challenge(), moved.Challenge())
	swapped := s
	swapped.Answers = map[string]string{"a": "2", "b": "1"}
	require.NotEqual(t, s.Challenge(), swapped.Challenge())
}

func TestNotOwn(t *testing.T) {
	alias := func(c hitl.Caller, who string) bool { return c.User == strings.TrimSuffix(who, "@example.com") }
	p := hitl.NotOwn(alias, hitl.AlwaysDeny())
	check := func(r hitl.Request, d hitl.Decision) error { return hitl.CheckDecision(t.Context(), p, r, d) }
	require.ErrorIs(t, check(refund(), hitl.Approve("sam@example.com", "")), hitl.ErrOwnWork)
	require.NoError(t, check(refund(), hitl.Approve("kim@example.com", "")))
	with := hitl.Approve("kim@example.com, sam@example.com", "")
	with.People = []string{"kim@example.com", "sam@example.com"}
	require.ErrorIs(t, check(refund(), with), hitl.ErrOwnWork)
	unknown := refund()
	unknown.Caller.User = ""
	require.ErrorContains(t, check(unknown, hitl.Approve("kim@example.com", "")), "not known who asked")
	_, err := hitl.NotOwn(nil, hitl.Forward(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Approve("Sam", ""), nil })).Decide(t.Context(), refund())
	require.ErrorIs(t, err, hitl.ErrOwnWork)
}

// While it is on a policy may deny; what it approves waits until the hold ends, and is
// asked anew then.
func TestHoldWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := hitl.HoldFile(filepath.Join(t.TempDir(), "hold.json"))
		hold, other := hitl.NewHold(store, nil), hitl.NewHold(store, nil) // of another process
		_, err := hold.Set(t.Context(), true, "lee", "a wrong price list")
		require.NoError(t, err)
		denies := hold.Over(hitl.AlwaysDeny())
		d, err := denies.Decide(t.Context(), refund())
		require.NoError(t, err)
		require.Equal(t, hitl.Denied, d.Verdict)
		for _, by := range []*hitl.Hold{hold, other} {
			_, err = hold.Set(t.Context(), true, "lee", "a wrong price list")
			require.NoError(t, err)
			asked := 0
			done := make(chan hitl.Decision, 1)
			p := hold.Over(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
				asked++
				return hitl.Approve("kim", ""), nil
			}))
			go func() {
				d, err := p.Decide(t.Context(), refund())
				if err == nil {
					done <- d
				}
			}()
			time.Sleep(time.Hour)
			synctest.Wait()
			require.Empty(t, done)
			_, err = by.Set(t.Context(), false, "lee", "mended")
			require.NoError(t, err)
			require.Equal(t, hitl.Approved, (<-done).Verdict)
			require.Equal(t, 2, asked)
		}
		_, err = hold.Set(t.Context(), true, "lee", "")
		require.NoError(t, err)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(hitl.ErrRequestChanged)
		_, err = hold.Over(hitl.AutoApprove(hitl.For(refundsID))).Decide(ctx, refund())
		require.ErrorIs(t, err, hitl.ErrRequestChanged)
	})
}

// The state outlives the process; where it cannot be read nothing is approved; what is
// not recorded does not end a hold.
func TestHoldIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hold.json")
	var noted []hitl.HoldState
	var full error
	record := func(_ context.Context, s hitl.HoldState) error {
		if full == nil {
			noted = append(noted, s)
		}
		return full
	}
	hold := hitl.NewHold(hitl.HoldFile(path), record)
	approve := hitl.Approve("kim", "")
	p := hold.Over(hitl.AlwaysDeny())
	require.NoError(t, hitl.CheckDecision(t.Context(), p, refund(), approve))
	_, err := hold.Set(t.Context(), true, " ", "")
	require.Error(t, err)
	on, err := hold.Set(t.Context(), true, "lee", "a wrong price list")
	require.NoError(t, err)
	again, err := hold.Set(t.Context(), true, "kim", "also")
	require.NoError(t, err)
	require.Equal(t, on, again, "who was first holds it")

	hold = hitl.NewHold(hitl.HoldFile(path), record) // the next process
	p = hold.Over(hitl.AlwaysDeny())
	err = hitl.CheckDecision(t.Context(), p, refund(), approve)
	var held *hitl.HeldError
	require.ErrorAs(t, err, &held)
	require.Equal(t, "lee", held.State.By)
	require.ErrorContains(t, err, "a wrong price list")
	full = errors.New("the disk is full")
	_, err = hold.Set(t.Context(), false, "lee", "")
	require.ErrorIs(t, err, full)
	require.ErrorIs(t, hitl.CheckDecision(t.Context(), p, refund(), approve), hitl.ErrHeld)
	full = nil
	off, err := hold.Set(t.Context(), false, "lee", "mended")
	require.NoError(t, err)
	require.False(t, off.On)
	require.NoError(t, hitl.CheckDecision(t.Context(), p, refund(), approve))
	full = errors.New("the disk is full")
	_, err = hold.Set(t.Context(), true, "lee", "again")
	require.ErrorIs(t, err, full)
	require.ErrorIs(t, hitl.CheckDecision(t.Context(), p, refund(), approve), hitl.ErrHeld, "it is on all the same")
	require.Len(t, noted, 2)

	require.NoError(t, os.WriteFile(path, []byte(`{}`), 0o600))
	err = hitl.CheckDecision(t.Context(), p, refund(), approve)
	require.ErrorContains(t, err, "cannot be read")
	require.NotErrorIs(t, err, hitl.ErrRefused)
	_, err = hold.Set(t.Context(), false, "lee", "")
	require.Error(t, err)
	full = nil
	_, err = hold.Set(t.Context(), true, "lee", "to mend it")
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077)
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing is left over")
}
