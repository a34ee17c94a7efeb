package duvotool_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// kimsKey is on kim's device alone.
var kimsKey = ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", 32)))

func provedByKim(r hitl.Request, d hitl.Decision) hitl.Decision {
	p := hitl.Proof{Kind: "key", Person: d.By, Reason: d.Reason, Nonce: []byte(strings.Repeat("n", 16))}
	p.Data, _ = json.Marshal(ed25519.Sign(kimsKey, r.Statement(d, p).Challenge()))
	d.Proofs = []hitl.Proof{p}
	return d
}

func verifyKim(_ context.Context, s hitl.Statement, p hitl.Proof) error {
	var sig []byte
	if json.Unmarshal(p.Data, &sig) != nil || s.Person != "kim" || !ed25519.Verify(kimsKey.Public().(ed25519.PublicKey), s.Challenge(), sig) {
		return errors.New("the signature is another")
	}
	return nil
}

// records keeps an audit.
type records struct {
	mu  sync.Mutex
	all []audit.Record
}

func (l *records) Record(_ context.Context, r audit.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, r)
	return nil
}

func (l *records) of(e audit.Event) (out []audit.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.all {
		if r.Event == e {
			out = append(out, r)
		}
	}
	return out
}

// A decision without the proof that the policy demands is refused, sends nothing, and
// leaves the request to whoever can prove theirs; one that was proved for another
// request counts for none.
func TestDecideNeedsProof(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		var log records
		policy := hitl.FirstOf(hitl.RequireProof(nil, verifyKim, decisionOf(hitl.Suspend())))
		reg := discover(t, d.Client(), duvotool.WithPolicy(policy), duvotool.WithAudit(&log))
		for _, key := range []string{"a", "b"} {
			_, err := mustTool(reg, "refunds").Run(duvotool.WithOperationKey(t.Context(), key), key)
			require.NoError(t, err)
		}
		synctest.Wait()
		one, two := reg.Pending()[0], reg.Pending()[1]
		yes := hitl.Approve("kim", "broken lamp")
		require.ErrorIs(t, reg.CheckDecision(t.Context(), one, yes), hitl.ErrProofNeeded)
		for name, bad := range map[string]hitl.Decision{
			"none": yes, "another request's": provedByKim(two, yes), "another person's": provedByKim(one, hitl.Approve("lee", "broken lamp")),
		} {
			err := reg.Decide(t.Context(), one, bad)
			require.ErrorIs(t, err, hitl.ErrProofNeeded, name)
			require.Zero(t, d.Count("respondToHumanRequest"), name)
			require.Len(t, reg.Pending(), 2, name)
		}
		good := provedByKim(one, yes)
		require.NoError(t, reg.CheckDecision(t.Context(), one, good))
		require.NoError(t, reg.Decide(t.Context(), one, good))
		err := reg.Decide(t.Context(), one, good) // the same once more
		var before *outcome.DecidedError
		require.True(t, errors.As(err, &before) || errors.Is(err, outcome.ErrNotPending), "%v", err)
		require.NoError(t, reg.Decide(t.Context(), two, hitl.Deny("lee", "")), "a denial needs none")
		require.Equal(t, 2, d.Count("respondToHumanRequest"))
		for _, r := range log.of(audit.Decided) {
			if r.Verdict == "approved" {
				require.Equal(t, good.Proofs, r.Proofs)
				require.Equal(t, one.ContentDigest(), r.Content)
			}
		}
	}, duvotest.WithAssignment(refunds))
}

// What a policy itself decides against a condition is not sent: the request is
// suspended, and the audit tells why.
func TestRefusedPolicySuspends(t *testing.T) {
	held := hitl.NewHold(nil, nil)
	_, err := held.Set(t.Context(), true, "lee", "a wrong price list")
	require.NoError(t, err)
	yes := hitl.Forward(decisionOf(hitl.Approve("kim", "")))
	for name, p := range map[string]hitl.Policy{
		"a rule":         hitl.RequireProof(nil, verifyKim, hitl.AutoApprove(hitl.For(refundsID))),
		"beside a rule":  hitl.FirstOf(hitl.AutoApprove(hitl.For(refundsID)), hitl.RequireProof(nil, verifyKim, hitl.AlwaysDeny())),
		"a person":       hitl.RequireProof(nil, verifyKim, yes),
		"in a quorum":    hitl.Quorum(1, hitl.RequireProof(nil, verifyKim, yes)),
		"on their own":   hitl.NotOwn(nil, yes),
		"held elsewhere": hitl.FirstOf(yes, held.Over(hitl.AlwaysDeny())),
	} {
		emulated(t, func(t *testing.T, d *duvotest.Duvo) {
			var log records
			reg := discover(t, d.Client(), duvotool.WithPolicy(p), duvotool.WithAudit(&log))
			res, err := mustTool(reg, "refunds").Run(duvotool.WithCaller(t.Context(), hitl.Caller{User: "kim"}), "4711")
			require.NoError(t, err, name)
			require.Equal(t, outcome.OutcomePending, res.Outcome, name)
			require.Zero(t, d.Count("respondToHumanRequest"), name)
			require.Len(t, reg.Pending(), 1, name)
			require.Equal(t, "suspended", log.of(audit.Decided)[0].Verdict, name)
			require.NotEmpty(t, log.of(audit.Decided)[0].Reason, name)
			require.ErrorIs(t, reg.Decide(t.Context(), reg.Pending()[0], hitl.Approve("kim", "")), hitl.ErrRefused, name)
			require.NoError(t, reg.Decide(t.Context(), reg.Pending()[0], hitl.Deny("kim", "")), name)
			_, approved := responses(d)
			require.False(t, approved, name)
		}, duvotest.WithAssignment(refunds))
	}
}

// What an earlier process has recorded and not sent is held against the conditions of
// today: it is not sent, and the policy is asked anew.
func TestRecordedDecisionIsChecked(t *testing.T) {
	again := decisionOf(hitl.Deny("lee", "asked again"))
	held := hitl.NewHold(nil, nil)
	_, err := held.Set(t.Context(), true, "lee", "a wrong price list")
	require.NoError(t, err)
	for name, p := range map[string]hitl.Policy{
		"proof": hitl.RequireProof(nil, verifyKim, again), "hold": held.Over(again), "own": hitl.NotOwn(nil, again),
	} {
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(slowRefunds))
			defer d.Close()
			j := journal.NewMemory()
			_, end, _ := callIn(t, newProcess(j, d.Client(), "after put 4"), "k", "1 EUR") // decided and not sent
			end()
			reg := open(t, d.Client(), j, duvotool.WithPolicy(p))
			defer shut(t, reg)
			res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "1 EUR")
			require.NoError(t, err, name)
			require.Equal(t, "not refunded", res.Output, name)
			_, approved := responses(d)
			require.False(t, approved, name)
		})
	}
}

// What may have been sent already is sent again once the hold ends, or once it can be
// told whether it may; not before.
func TestRepeatedResponseWaitsForTheHold(t *testing.T) {
	for _, name := range []string{"held", "cannot be told"} {
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(slowRefunds))
			defer d.Close()
			d.Inject(duvotest.Fault{Op: "respondToHumanRequest", Kind: duvotest.ResetBefore})
			j := journal.NewMemory()
			_, end, _ := callIn(t, newProcess(j, d.Client(), "after respond"), "k", "1 EUR") // sent, and the answer lost
			end()
			before := d.Count("respondToHumanRequest")
			state := &switched{on: true, broken: name != "held"}
			hold := hitl.NewHold(state, nil)
			reg := open(t, d.Client(), j, duvotool.WithPolicy(hold.Over(decisionOf(hitl.Deny("lee", "asked again")))))
			defer shut(t, reg)
			ended := make(chan *outcome.Result, 1)
			go func() {
				res, err := reg.All()[0].Run(duvotool.WithOperationKey(t.Context(), "k"), "1 EUR")
				if err == nil {
					ended <- res
				}
			}()
			time.Sleep(5 * time.Minute)
			synctest.Wait()
			require.Empty(t, ended, name)
			require.Equal(t, before, d.Count("respondToHumanRequest"), "%s: nothing is sent meanwhile", name)
			state.set(false)
			require.Equal(t, "refunded 1 EUR", (<-ended).Output, name)
			require.Equal(t, before+1, d.Count("respondToHumanRequest"), name)
		})
	}
}

// By option the audit holds all that was decided about, so that a proof shows later
// what it was.
func TestAuditTexts(t *testing.T) {
	for _, texts := range []bool{false, true} {
		emulated(t, func(t *testing.T, d *duvotest.Duvo) {
			var log records
			opts := []duvotool.Option{duvotool.WithPolicy(hitl.RequireProof(nil, verifyKim, hitl.Forward(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
				return provedByKim(r, hitl.Approve("kim", "")), nil
			}))), duvotool.WithAudit(&log)}
			if texts {
				opts = append(opts, duvotool.WithAuditTexts())
			}
			_, err := mustTool(discover(t, d.Client(), opts...), "refunds").Run(t.Context(), "order 4711")
			require.NoError(t, err)
			r := log.of(audit.Decided)[0]
			require.NoError(t, r.VerifyProofs(t.Context(), verifyKim))
			require.Equal(t, texts, r.Request != nil)
			if texts {
				require.Equal(t, "order 4711", r.Request.Input)
				r.Request.Input += "2"
				require.Error(t, r.VerifyProofs(t.Context(), verifyKim))
			}
			for _, e := range []audit.Event{audit.Requested, audit.Sent, audit.Delivered} {
				require.Nil(t, log.of(e)[0].Request)
				require.Empty(t, log.of(e)[0].Proofs, "it is kept once")
			}
		}, duvotest.WithAssignment(refunds))
	}
}

// switched is a store of a hold.
type switched struct {
	mu         sync.Mutex
	on, broken bool
}

func (s *switched) set(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on, s.broken = on, false
}

func (s *switched) Load(context.Context) (hitl.HoldState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken {
		return hitl.HoldState{}, errors.New("the disk is gone")
	}
	return hitl.HoldState{On: s.on, By: "lee", At: time.Now()}, nil
}

func (s *switched) Save(context.Context, hitl.HoldState) error { return nil }
