package hitl

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/internal/errtext"
)

// A Proof shows that a person decided this about this very text: their device's
// signature over the [Statement.Challenge] of what they decided, say. It is kept in the
// journal and in the audit, where it can be verified for as long as the keys are known.
type Proof struct {
	Kind   string          `json:"kind"`             // which [Verifier] can read it, such as "passkey"
	Person string          `json:"person"`           // whose it is: as in [Decision.By] or [Decision.People]
	Reason string          `json:"reason,omitempty"` // that they gave with it
	Nonce  []byte          `json:"nonce"`            // of this one decision: at least 16 random bytes, never used twice
	Data   json.RawMessage `json:"data"`             // the proof itself, JSON
}

// Clone returns a copy that shares no memory.
func (p Proof) Clone() Proof {
	p.Nonce, p.Data = bytes.Clone(p.Nonce), bytes.Clone(p.Data)
	return p
}

func cloneProofs(all []Proof) []Proof {
	all = slices.Clone(all)
	for i := range all {
		all[i] = all[i].Clone()
	}
	return all
}

// Bounds of what is kept.
const (
	minNonce  = 16 // bytes
	maxNonce  = 64
	maxProof  = 8 << 10
	maxProofs = 8
)

// check tells what about a proof cannot be kept.
func (p Proof) check() error {
	switch {
	case p.Kind == "" || PersonKey(p.Person) == "":
		return errors.New("a proof needs a kind and a person")
	case len(p.Nonce) < minNonce || len(p.Nonce) > maxNonce:
		return fmt.Errorf("a proof's nonce has %d to %d bytes", minNonce, maxNonce)
	case len(p.Data) > maxProof || !json.Valid(p.Data):
		return fmt.Errorf("a proof is JSON of at most %d bytes", maxProof)
	}
	return nil
}

// A Statement is what a [Proof] says: that a person decided so about a request. Make it
// with [Request.Statement], or from what an audit holds.
type Statement struct {
	Digest  string            // of the request: Job, request and every byte of its text; see [Request.Digest]
	Content string            // what it runs and was started with; see [Request.ContentDigest]
	Verdict Verdict           // approved or answered
	Answers map[string]string // of a question
	Person  string
	Reason  string
	Nonce   []byte
}

// Statement is what a proof of p's says about the request, with that decision.
func (r Request) Statement(d Decision, p Proof) Statement {
	return d.statement(r.Digest(), r.ContentDigest(), p)
}

func (d Decision) statement(digest, content string, p Proof) Statement {
	return Statement{Digest: digest, Content: content, Verdict: d.Verdict, Answers: maps.Clone(d.Answers),
		Person: p.Person, Reason: p.Reason, Nonce: bytes.Clone(p.Nonce)}
}

// Challenge is the SHA-256 of all that the statement says, each part with its length:
// what a device signs. Two statements that differ in anything have different ones.
func (s Statement) Challenge() []byte {
	h := sha256.New()
	add := func(parts ...string) {
		for _, p := range parts {
			var n [8]byte
			binary.BigEndian.PutUint64(n[:], uint64(len(p)))
			h.Write(n[:])
			h.Write([]byte(p))
		}
	}
	add("duvotool decision 1", s.Digest, s.Content, s.Verdict.String(), s.Person, s.Reason, string(s.Nonce), fmt.Sprint(len(s.Answers)))
	for _, q := range slices.Sorted(maps.Keys(s.Answers)) {
		add(q, s.Answers[q])
	}
	return h.Sum(nil)
}

// A Verifier tells whether a proof shows what a statement says: nil if it does. It
// looks at Statement.Challenge and at the keys of Statement.Person. It is asked
// several times about one proof, also after a restart, so what it finds must not hang
// on when it is asked: that nothing is proved twice is for whoever asks the person. It
// must be safe for concurrent use.
type Verifier func(ctx context.Context, s Statement, p Proof) error

// ErrCannotVerify is what a [Verifier] returns where it cannot tell for now, as where
// the keys cannot be read: nothing is sent, and a proof is not said to be bad.
var ErrCannotVerify = errors.New("duvotool: a proof cannot be verified now")

// ErrProofNeeded is a decision that lacks the proof which the policy demands. See
// [RequireProof].
var ErrProofNeeded = errors.New("duvotool: the decision needs a proof of who made it")

// RequireProof demands a proof for the requests that pick chooses, nil: for all. An
// approval or an answer to one counts only with a [Proof] of everybody who made it that
// verify finds good; it is refused with [ErrProofNeeded] else, whatever way it comes,
// and the request waits. Denials need no proof.
//
// So a rule, which has no proof, approves none of them: a demand holds for all that is
// put together with it in FirstOf and the others, as a veto does. Let what rules may
// approve pass pick, or give it a case of its own in [Route].
func RequireProof(pick func(Request) bool, verify Verifier, p Policy) Policy {
	return requireProof{pick, verify, p}
}

type requireProof struct {
	pick   func(Request) bool
	verify Verifier
	p      Policy
}

func (r requireProof) Decide(ctx context.Context, req Request) (Decision, error) {
	if r.Validate() != nil {
		return Decision{}, errUnusable
	}
	return checked(ctx, "RequireProof", r.p, req, func(d Decision) error { return r.proved(ctx, req, d) })
}

// CheckDecision looks for the proof, and asks the policy.
func (r requireProof) CheckDecision(ctx context.Context, req Request, d Decision) error {
	if r.Validate() != nil {
		return errUnusable
	}
	return errors.Join(r.proved(ctx, req, d), CheckDecision(ctx, r.p, req, d))
}

// proved tells why a decision does not have the proofs that it needs.
func (r requireProof) proved(ctx context.Context, req Request, d Decision) error {
	if r.pick != nil && !r.pick(req.Clone()) {
		return nil
	}
	return d.CheckProofs(ctx, req.Digest(), req.ContentDigest(), r.verify)
}

// CheckProofs returns nil if everybody who decided has a proof on the decision that
// verify finds good, about the request of these digests, see [Request.Digest] and
// [Request.ContentDigest]. Else it wraps [ErrProofNeeded], or [ErrCannotVerify], or is
// the cause of the context's end.
func (d Decision) CheckProofs(ctx context.Context, digest, content string, verify Verifier) error {
	no := func(format string, args ...any) error {
		return &refusal{ErrProofNeeded, fmt.Sprintf("%s by %s: %s", d.Verdict, Decider(d.By), fmt.Sprintf(format, args...))}
	}
	people := d.deciders()
	if len(people) == 0 {
		return no("it does not say who decided")
	}
	for _, person := range people {
		k := slices.IndexFunc(d.Proofs, func(p Proof) bool { return p.Person == person })
		if k < 0 {
			return no("%s has proved nothing", Decider(person))
		}
		p := d.Proofs[k].Clone()
		switch err := p.check(); {
		case err != nil:
			return no("%v", err)
		case len(people) == 1 && p.Reason != d.Reason:
			return no("its reason is not the one that was proved")
		}
		switch err := verify(ctx, d.statement(digest, content, p), p); {
		case err == nil:
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, ErrCannotVerify):
			return errtext.Errorf("%w: %s", ErrCannotVerify, SafeLine(err.Error(), 300))
		default:
			return no("the proof of %s is not good: %s", Decider(person), SafeLine(err.Error(), 300))
		}
	}
	return nil
}

// deciders are all who decided, each once.
func (d Decision) deciders() []string {
	people := slices.Clone(d.People)
	if by := strings.TrimSpace(d.By); by != "" && strings.Join(people, ", ") != d.By {
		people = append(people, by)
	}
	slices.Sort(people)
	return slices.Compact(people)
}

// NeedsProof reports whether an approval of the request, or an answer to it, needs a
// proof, as far as the policy alone knows.
func NeedsProof(ctx context.Context, p Policy, req Request) bool {
	return errors.Is(CheckDecision(ctx, p, req, Decision{Verdict: Approved, By: "somebody"}), ErrProofNeeded)
}

// Vetoes asks the policy.
func (r requireProof) Vetoes(req Request) bool { return Vetoes(r.p, req) }

// Foresee knows of all that needs no proof.
func (r requireProof) Foresee(req Request, at time.Time) (Verdict, bool) {
	v, certain := Foresee(r.p, req, at)
	return v, certain && !Decision{Verdict: v}.grants()
}

// CheckNames asks the policy.
func (r requireProof) CheckNames(n Names) error { return checkNames(n, "RequireProof", r.p) }

func (r requireProof) Validate() error {
	if r.verify == nil {
		return errors.New("RequireProof: nothing verifies proofs")
	}
	return validate("RequireProof", r.p)
}

func (requireProof) String() string { return "RequireProof" }
