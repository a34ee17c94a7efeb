package inbox

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
)

// A Prover has a person's own device prove what they decide, where a policy demands
// that, see [hitl.RequireProof]. Package passkey has one. It must be safe for concurrent
// use; the desk makes sure that each answer of a device is used once.
type Prover interface {
	// Ask makes what the browser asks the device with: the options of
	// navigator.credentials.get, as JSON. The device signs the statement's Challenge.
	// ErrNoKey: the person has none.
	Ask(ctx context.Context, p Person, s hitl.Statement) (options json.RawMessage, err error)
	// Take checks the device's answer, and makes the proof of it.
	Take(ctx context.Context, p Person, s hitl.Statement, answer json.RawMessage) (hitl.Proof, error)

	// Keys lists what a person can prove with.
	Keys(ctx context.Context, p Person) ([]Key, error)
	// AskNew begins to add a key, with the options of navigator.credentials.create and
	// what TakeNew needs to end it. ErrConfirm: a key that the person has must confirm it
	// first. ErrNoNewKey: the person may not.
	AskNew(ctx context.Context, p Person, confirmed bool) (options, state json.RawMessage, err error)
	// TakeNew adds the key.
	TakeNew(ctx context.Context, p Person, name string, state, answer json.RawMessage) error
	// Remove takes a key away. What was proved by it stays proved.
	Remove(ctx context.Context, p Person, id string) error
}

// A Key is what a person can prove with: a passkey, say.
type Key struct {
	ID    string    `json:"id"`
	Name  string    `json:"name"`
	Added time.Time `json:"added"`
	Used  time.Time `json:"used,omitzero"` // last; zero: never
}

// What a [Prover] tells.
var (
	ErrNoKey    = errors.New("inbox: the person has no key")
	ErrConfirm  = errors.New("inbox: a key that the person has must confirm this")
	ErrNoNewKey = errors.New("inbox: the person may not add a key")
)

// A given proof is what comes with an order.
type given struct {
	Nonce  string          `json:"nonce"`  // of the challenge that the device was asked with
	Answer json.RawMessage `json:"answer"` // the device's
}

// A ceremony is a device that was asked.
type ceremony struct {
	person    string // by hitl.PersonKey
	challenge []byte // of the statement; nil: it is about a new key
	state     json.RawMessage
	until     time.Time
}

// ceremonies are those that no answer was taken for: each is taken once.
type ceremonies struct {
	mu    sync.Mutex
	open  map[string]ceremony // by nonce
	order []string
}

const (
	askFor    = 5 * time.Minute // how long a device may take
	maxAsked  = 10_000
	maxEach   = 20 // of one person
	nonceSize = 32 // bytes
)

var nonceCoding = base64.RawURLEncoding

// begin keeps a ceremony. Where there are too many the oldest is forgotten.
func (c *ceremonies) begin(nonce []byte, one ceremony) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[string]ceremony{}
	}
	for len(c.order) > 0 && (len(c.order) >= maxAsked || time.Now().After(c.open[c.order[0]].until)) {
		delete(c.open, c.order[0])
		c.order = c.order[1:]
	}
	n, oldest := 0, 0
	for k := len(c.order) - 1; k >= 0; k-- {
		if open, ok := c.open[c.order[k]]; ok && open.person == one.person {
			n, oldest = n+1, k
		}
	}
	if n >= maxEach { // nobody crowds others out
		delete(c.open, c.order[oldest])
		c.order = slices.Delete(c.order, oldest, oldest+1)
	}
	name := nonceCoding.EncodeToString(nonce)
	one.until = time.Now().Add(askFor)
	c.open[name], c.order = one, append(c.order, name)
	return name
}

// take ends a ceremony of a person's; false if there is none that waits.
func (c *ceremonies) take(p Person, name string) (ceremony, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one, ok := c.open[name]
	if !ok || one.person != hitl.PersonKey(p.Login) {
		return ceremony{}, false // somebody else's stays theirs
	}
	delete(c.open, name)
	return one, time.Now().Before(one.until)
}

func newNonce() []byte {
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce) // it never fails
	return nonce
}

// A challenge is what a device is to be asked.
type challenge struct {
	Nonce   string          `json:"nonce"`
	Options json.RawMessage `json:"options"`
	Confirm bool            `json:"confirm,omitempty"` // of a new key: one that the person has is to confirm it
}

// statementOf is what a person is to prove about a request.
func statementOf(p Person, i *item, decision hitl.Decision, nonce []byte) hitl.Statement {
	return i.req.Statement(decision, hitl.Proof{Person: p.Login, Reason: decision.Reason, Nonce: nonce})
}

// ask makes the challenge for an order, which is checked as if it were sent.
func (d *Desk) ask(ctx context.Context, p Person, o order) (challenge, answer) {
	d.queue.stale()
	o.Proof = nil
	c, a := d.fits(ctx, p, d.queue.now(), o)
	no := func(e ending, text string) (challenge, answer) {
		return challenge{}, answer{Ending: e, Text: text, item: a.item, seen: a.seen}
	}
	switch {
	case a.Ending != sent:
		return challenge{}, a
	case d.cfg.Prover == nil:
		return no(unproved, words["noProver"])
	case c.decision.Verdict != hitl.Approved && c.decision.Verdict != hitl.Answered:
		return no(invalid, words["noProofFor"])
	}
	nonce := newNonce()
	s := statementOf(p, c.item, c.decision, nonce)
	options, err := d.cfg.Prover.Ask(ctx, p, s)
	switch {
	case errors.Is(err, ErrNoKey):
		return no(unproved, words["noKey"])
	case err != nil:
		d.cfg.Log.Error("inbox: a device could not be asked", "error", hitl.SafeLine(err.Error(), 500))
		return no(failed, words["errorText"])
	}
	name := d.asked.begin(nonce, ceremony{person: hitl.PersonKey(p.Login), challenge: s.Challenge()})
	return challenge{Nonce: name, Options: options}, answer{Ending: sent}
}

// prove takes the device's answer that came with an order; a text tells why it is none.
func (d *Desk) prove(ctx context.Context, p Person, i *item, decision *hitl.Decision, g *given) (problem string) {
	if d.cfg.Prover == nil {
		return words["noProver"]
	}
	asked, ok := d.asked.take(p, g.Nonce)
	nonce, err := nonceCoding.DecodeString(g.Nonce)
	if !ok || err != nil {
		return words["proofOld"]
	}
	s := statementOf(p, i, *decision, nonce)
	if !bytes.Equal(s.Challenge(), asked.challenge) {
		return words["proofOther"]
	}
	proof, err := d.cfg.Prover.Take(ctx, p, s, g.Answer)
	if err != nil {
		d.cfg.Log.Warn("inbox: a proof was refused", "person", hitl.SafeLine(p.Login, 100), "job", i.req.JobID, "request", i.req.ID, "error", hitl.SafeLine(err.Error(), 500))
		return words["proofBad"]
	}
	decision.Proofs = []hitl.Proof{proof}
	return ""
}

// against tells what the registry would have against a decision; sent: nothing that it
// tells of beforehand.
func against(ctx context.Context, i *item, decision hitl.Decision) (ending, string) {
	c, ok := i.reg.(Checker)
	if !ok {
		return sent, ""
	}
	if e, text, refused := refusal(c.CheckDecision(ctx, i.req, decision)); refused {
		return e, text
	}
	return sent, ""
}

// refusal words what a policy has against a decision; false where it is another error.
func refusal(err error) (e ending, text string, refused bool) {
	var hold *hitl.HeldError
	switch {
	case err == nil:
		return sent, "", false
	case errors.Is(err, hitl.ErrOwnWork):
		return forbidden, words["notOwn"], true
	case errors.As(err, &hold):
		why := hitl.Decider(hold.State.By)
		if hold.State.Reason != "" {
			why += ": " + hitl.SafeLine(hold.State.Reason, 300)
		}
		return held, say("held", why), true
	case errors.Is(err, hitl.ErrProofNeeded):
		return unproved, words["unproved"], true
	case errors.Is(err, hitl.ErrRefused), errors.Is(err, hitl.ErrCannotVerify), errors.Is(err, hitl.ErrPolicyPanic):
		return failed, say("failed", hitl.SafeLine(err.Error(), 300)), true
	}
	return sent, "", false
}

// A condition is what stands between a person and an approval or an answer.
type condition struct {
	Shut  string // why none would be taken from this person now; empty: one might
	Prove bool   // it takes a proof
}

// condition asks the registry about a decision that nobody makes.
func (d *Desk) condition(ctx context.Context, p Person, i *item) condition {
	c, ok := i.reg.(Checker)
	if !ok || i.access != Decide {
		return condition{}
	}
	err := c.CheckDecision(ctx, i.req, probe(p, i.req))
	out := condition{Prove: errors.Is(err, hitl.ErrProofNeeded)}
	switch {
	case errors.Is(err, hitl.ErrOwnWork):
		out.Shut = words["ownShut"]
	case errors.Is(err, hitl.ErrHeld):
		out.Shut = words["heldShut"]
	case out.Prove && d.cfg.Prover == nil:
		out.Shut = words["noProverShut"]
	}
	return out
}

// probe is a decision that fits the request, to ask about.
func probe(p Person, r hitl.Request) hitl.Decision {
	if r.Kind == duvo.Approval {
		return hitl.Approve(p.Login, "")
	}
	answers := map[string]string{}
	for _, q := range r.Questions {
		answers[q.Question] = "-"
		for _, o := range q.Options {
			answers[q.Question] = o.Label
			if r.CheckAnswers(answers) == nil {
				break
			}
		}
	}
	return hitl.Answer(p.Login, answers)
}

// challengeForm makes the challenge for the form of a request, for the desk's script.
func (d *Desk) challengeForm(w http.ResponseWriter, r *http.Request, p Person) {
	if err := r.ParseForm(); err != nil {
		d.tell(w, http.StatusBadRequest, problem{words["badForm"]})
		return
	}
	ref := r.PathValue("ref")
	i := d.find(r.Context(), p, ref)
	if i == nil {
		d.tell(w, http.StatusConflict, problem{d.absent(ref).Text})
		return
	}
	d.tellChallenge(w, r, p, orderOf(r, i.req, ref, ""))
}

func (d *Desk) apiChallenge(w http.ResponseWriter, r *http.Request, p Person) {
	var o order
	if d.read(w, r, &o) {
		d.tellChallenge(w, r, p, o)
	}
}

func (d *Desk) tellChallenge(w http.ResponseWriter, r *http.Request, p Person, o order) {
	c, a := d.ask(r.Context(), p, o)
	if a.Ending != sent {
		d.tell(w, statusOf[a.Ending], problem{a.Text})
		return
	}
	d.tell(w, http.StatusOK, c)
}
