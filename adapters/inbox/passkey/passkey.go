// Package passkey has people prove what they decide at a desk by their passkeys.
//
//	keys, err := passkey.New(passkey.Config{RPID: "desk.example.com", Origins: []string{"https://desk.example.com"}, Store: store})
//	policy := hitl.RequireProof(largeRefunds, keys.Verify, hitl.PolicyFunc(suspend))
//	desk, err := inbox.New(inbox.Config{..., Prover: keys})
//
// A person adds a passkey at the desk, under their name. What they approve or answer
// then is signed by their device, which makes sure that it is them, by finger, face or
// PIN: the challenge is the hash of the request's digests, the verdict or the answers,
// the person, the reason and a nonce that is used once; see [hitl.Statement]. The
// signature is kept in the audit, and shows later that this person decided this about
// this very text:
//
//	good, err := audit.VerifyProofs(ctx, file, keys.VerifyPast, nil)
//
// The first passkey of a person is as good as the host's sign-in was then. Each other
// one is confirmed by one that the person has. Who has lost theirs needs somebody who
// lets them add another, see [Config.MayAdd].
package passkey

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/hitl"
	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// Kind is that of the proofs which this package makes.
const Kind = "passkey"

// A Config says for which desk passkeys are.
type Config struct {
	RPID    string   // the desk's domain, or one above it, such as "example.com"; passkeys are bound to it
	Origins []string // under which the desk is served, such as "https://desk.example.com"; at least one
	Name    string   // that devices show; empty: "Approval desk"
	Store   Store    // where passkeys are kept; required

	// MayAdd lets a person add a passkey without one that confirms it, although they had
	// one before: the host has made sure that it is them. nil: nobody.
	MayAdd func(ctx context.Context, login string) bool
}

// Keys are the passkeys of a desk's people. It is an [inbox.Prover], safe for concurrent
// use.
type Keys struct {
	cfg Config
	web *webauthn.WebAuthn
}

var _ inbox.Prover = (*Keys)(nil)

// New checks what passkeys are for.
func New(cfg Config) (*Keys, error) {
	if cfg.Store == nil {
		return nil, errors.New("passkey: Config.Store is missing")
	}
	if cfg.RPID == "" || len(cfg.Origins) == 0 {
		return nil, errors.New("passkey: Config.RPID and Config.Origins say where the desk is served; without them nobody could tell for whom a passkey signs")
	}
	for _, o := range cfg.Origins {
		u, err := url.Parse(o)
		if err != nil || u.Host == "" || u.Path != "" || u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "localhost") {
			return nil, fmt.Errorf("passkey: the origin %q is none such as https://desk.example.com", hitl.SafeLine(o, 100))
		}
		if h := u.Hostname(); h != cfg.RPID && !strings.HasSuffix(h, "."+cfg.RPID) {
			return nil, fmt.Errorf("passkey: the origin %q is not within %q", hitl.SafeLine(o, 100), hitl.SafeLine(cfg.RPID, 100))
		}
	}
	if cfg.Name == "" {
		cfg.Name = "Approval desk"
	}
	web, err := webauthn.New(&webauthn.Config{RPID: cfg.RPID, RPDisplayName: cfg.Name, RPOrigins: cfg.Origins,
		AttestationPreference:  protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{UserVerification: protocol.VerificationRequired, ResidentKey: protocol.ResidentKeyRequirementPreferred}})
	if err != nil {
		return nil, fmt.Errorf("passkey: %w", err)
	}
	return &Keys{cfg, web}, nil
}

// A user is a person as devices know them.
type user struct {
	login string
	held  []Credential
}

func (u user) WebAuthnID() []byte {
	sum := sha256.Sum256([]byte("duvotool desk\x00" + hitl.PersonKey(u.login)))
	return sum[:]
}
func (u user) WebAuthnName() string                       { return u.login }
func (u user) WebAuthnDisplayName() string                { return u.login }
func (u user) WebAuthnCredentials() []webauthn.Credential { return nil }

// descriptors name the passkeys to a browser.
func (u user) descriptors() (out []protocol.CredentialDescriptor) {
	for _, c := range u.held {
		d := protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: c.ID}
		for _, t := range c.Transports {
			d.Transport = append(d.Transport, protocol.AuthenticatorTransport(t))
		}
		out = append(out, d)
	}
	return out
}

// of reads the passkeys of a person that were not removed, and whether there ever were
// any.
func (k *Keys) of(ctx context.Context, login string) (u user, ever bool, err error) {
	all, err := k.cfg.Store.List(ctx, hitl.PersonKey(login))
	if err != nil {
		return user{}, false, fmt.Errorf("passkey: %w", err)
	}
	u.login = login
	for _, c := range all {
		if c.Removed.IsZero() {
			u.held = append(u.held, c)
		}
	}
	return u, len(all) > 0, nil
}

// Ask makes what the browser asks the person's device with.
func (k *Keys) Ask(ctx context.Context, p inbox.Person, s hitl.Statement) (json.RawMessage, error) {
	u, _, err := k.of(ctx, p.Login)
	if err != nil {
		return nil, err
	}
	if len(u.held) == 0 {
		return nil, inbox.ErrNoKey
	}
	options := protocol.CredentialAssertion{Response: protocol.PublicKeyCredentialRequestOptions{
		Challenge: s.Challenge(), Timeout: int(askFor.Milliseconds()), RelyingPartyID: k.cfg.RPID, AllowedCredentials: u.descriptors(),
		UserVerification: protocol.VerificationRequired}}
	return json.Marshal(options)
}

// askFor is how long a browser lets a person take.
const askFor = 4 * time.Minute

// Take checks a device's answer: by a passkey that the person has, signed for this desk
// after the device made sure that it is them, and later than any other of that passkey.
func (k *Keys) Take(ctx context.Context, p inbox.Person, s hitl.Statement, answer json.RawMessage) (hitl.Proof, error) {
	kept, parsed, err := assertionOf(answer)
	if err != nil {
		return hitl.Proof{}, err
	}
	if hitl.PersonKey(p.Login) != hitl.PersonKey(s.Person) {
		return hitl.Proof{}, errors.New("passkey: it is another person's")
	}
	c, err := k.verify(ctx, s, parsed, false)
	if err != nil {
		return hitl.Proof{}, err
	}
	count := parsed.Response.AuthenticatorData.Counter
	if (count != 0 || c.SignCount != 0) && count <= c.SignCount {
		return hitl.Proof{}, fmt.Errorf("passkey: the device counted %d signatures, and %d before: it answered out of order, or there is a copy of it", count, c.SignCount)
	}
	if err := k.cfg.Store.Used(ctx, c.ID, c.SignCount, count, time.Now().UTC()); err != nil {
		return hitl.Proof{}, fmt.Errorf("passkey: %w", err)
	}
	return hitl.Proof{Kind: Kind, Person: s.Person, Reason: s.Reason, Nonce: bytes.Clone(s.Nonce), Data: kept}, nil
}

// Verify is the [hitl.Verifier] of what is decided now: by passkeys that their people
// still have.
func (k *Keys) Verify(ctx context.Context, s hitl.Statement, p hitl.Proof) error {
	return k.proves(ctx, s, p, false)
}

// VerifyPast is the [hitl.Verifier] for audits: by passkeys too that were removed since.
func (k *Keys) VerifyPast(ctx context.Context, s hitl.Statement, p hitl.Proof) error {
	return k.proves(ctx, s, p, true)
}

func (k *Keys) proves(ctx context.Context, s hitl.Statement, p hitl.Proof, past bool) error {
	if p.Kind != Kind {
		return errors.New("passkey: it is of another kind")
	}
	_, parsed, err := assertionOf(p.Data)
	if err != nil {
		return err
	}
	_, err = k.verify(ctx, s, parsed, past)
	return err
}

// verify checks a signature under what a person states.
func (k *Keys) verify(ctx context.Context, s hitl.Statement, parsed *protocol.ParsedCredentialAssertionData, past bool) (Credential, error) {
	all, err := k.cfg.Store.List(ctx, hitl.PersonKey(s.Person))
	if err != nil {
		return Credential{}, fmt.Errorf("%w: %v", hitl.ErrCannotVerify, err)
	}
	for _, c := range all {
		if !bytes.Equal(c.ID, parsed.RawID) || !c.Removed.IsZero() && !past {
			continue
		}
		challenge := base64.RawURLEncoding.EncodeToString(s.Challenge())
		err := parsed.Verify(challenge, k.cfg.RPID, "", k.cfg.Origins, nil, protocol.TopOriginExplicitVerificationMode, false, true, true, c.PublicKey)
		if err != nil {
			return Credential{}, fmt.Errorf("passkey: %w", detailed(err))
		}
		return c, nil
	}
	return Credential{}, errors.New("passkey: the person has no such passkey")
}

// detailed adds to an error of the library what it tells for developers.
func detailed(err error) error {
	var e *protocol.Error
	if errors.As(err, &e) && e.DevInfo != "" {
		return fmt.Errorf("%w (%s)", err, e.DevInfo)
	}
	return err
}

// An assertion is what of a device's answer is kept: what was signed, and the signature.
type assertion struct {
	ID       string            `json:"id"`
	RawID    string            `json:"rawId"`
	Type     string            `json:"type"`
	Response assertionResponse `json:"response"`
}

type assertionResponse struct {
	ClientData string `json:"clientDataJSON"`
	Data       string `json:"authenticatorData"`
	Signature  string `json:"signature"`
}

// assertionOf reads a device's answer.
func assertionOf(answer json.RawMessage) (kept json.RawMessage, parsed *protocol.ParsedCredentialAssertionData, err error) {
	var a assertion
	if err := json.Unmarshal(answer, &a); err != nil {
		return nil, nil, errors.New("passkey: the device's answer cannot be read")
	}
	if kept, err = json.Marshal(a); err != nil {
		return nil, nil, err
	}
	if parsed, err = protocol.ParseCredentialRequestResponseBytes(kept); err != nil {
		return nil, nil, fmt.Errorf("passkey: the device's answer cannot be read: %w", detailed(err))
	}
	return kept, parsed, nil
}
