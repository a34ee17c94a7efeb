package hitl

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/duvotool/duvotool/internal/errtext"
)

// ErrHeld is an approval or an answer while all of them are held. See [Hold].
var ErrHeld = errors.New("duvotool: approvals are held")

// A HeldError is the [ErrHeld] that tells who holds approvals, and why.
type HeldError struct{ State HoldState }

// Error tells who holds approvals since when, and why.
func (e *HeldError) Error() string {
	s := fmt.Sprintf("%v by %s since %s", ErrHeld, Decider(e.State.By), e.State.At.UTC().Format(time.RFC3339))
	if e.State.Reason != "" {
		s += ": " + SafeLine(e.State.Reason, 300)
	}
	return s
}

// Is makes it match ErrHeld and ErrRefused.
func (e *HeldError) Is(target error) bool { return target == ErrHeld || target == ErrRefused }

// A HoldState tells whether approvals are held. The zero state: they are not, and never
// were.
type HoldState struct {
	On     bool      `json:"on"`
	By     string    `json:"by,omitempty"` // who put it on, or took it off
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at,omitzero"` // since when it is as it is
}

// A HoldStore keeps the state of a hold. It must be safe for concurrent use. Several
// processes that share one hold together. See [HoldFile].
type HoldStore interface {
	Load(context.Context) (HoldState, error) // the zero state where none was saved
	Save(context.Context, HoldState) error   // outlives the process once it returns nil
}

// A Hold is a switch that stops all approvals and answers at once: while it is on, none
// that passes a policy of [Hold.Over] is sent, whoever gives it and by whatever way; it
// is refused with a [*HeldError]. People can deny meanwhile. Requests stay pending and
// are decided when it is off again. What had been taken before it was put on may still
// be on its way to Duvo; what is sent once more is held, too.
//
// Where its state cannot be read, nothing is approved. It is safe for concurrent use.
type Hold struct {
	store  HoldStore
	record func(context.Context, HoldState) error

	mu      sync.Mutex // one switches at a time
	changed chan struct{}
	looked  sync.Mutex // guards changed
}

// NewHold makes a switch. A nil store keeps its state in this process alone. record
// keeps who switched it, when and why: audit.Switches makes one of an audit log; nil:
// it is not recorded.
func NewHold(store HoldStore, record func(context.Context, HoldState) error) *Hold {
	if store == nil {
		store = &holdMemory{}
	}
	return &Hold{store: store, record: record, changed: make(chan struct{})}
}

type holdMemory struct {
	mu sync.Mutex
	s  HoldState
}

func (m *holdMemory) Load(context.Context) (HoldState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.s, nil
}

func (m *holdMemory) Save(_ context.Context, s HoldState) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.s = s
	return nil
}

// State tells whether approvals are held.
func (h *Hold) State(ctx context.Context) (HoldState, error) {
	s, err := h.store.Load(ctx)
	if err != nil {
		return HoldState{}, errtext.Errorf("duvotool: whether approvals are held cannot be read: %w", err)
	}
	return s, nil
}

// Set puts the hold on or takes it off, on behalf of by, a login that the host has
// checked. What is so already stays as it is, with who did it. A hold is on before that
// is recorded, and stays on where it cannot be recorded, which is an error all the same;
// it is off only once that was recorded.
func (h *Hold) Set(ctx context.Context, on bool, by, reason string) (HoldState, error) {
	if PersonKey(by) == "" {
		return HoldState{}, errors.New("duvotool: a hold needs the person who puts it on or takes it off")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now, err := h.State(ctx)
	if err != nil && !on { // what cannot be read may be broken for good: putting it on mends it
		return HoldState{}, err
	}
	if err == nil && now.On == on {
		return now, nil
	}
	next := HoldState{On: on, By: by, Reason: reason, At: time.Now().UTC()}
	if on {
		if err := h.save(ctx, next); err != nil {
			return HoldState{}, err
		}
		return next, h.note(ctx, next)
	}
	if err := h.note(ctx, next); err != nil {
		return now, err
	}
	if err := h.save(ctx, next); err != nil {
		return now, err
	}
	return next, nil
}

func (h *Hold) save(ctx context.Context, s HoldState) error {
	if err := h.store.Save(ctx, s); err != nil {
		return errtext.Errorf("duvotool: the hold could not be saved: %w", err)
	}
	h.looked.Lock()
	defer h.looked.Unlock()
	close(h.changed)
	h.changed = make(chan struct{})
	return nil
}

func (h *Hold) note(ctx context.Context, s HoldState) error {
	if h.record == nil {
		return nil
	}
	if err := h.record(ctx, s); err != nil {
		what := "is on, and that could not be recorded"
		if !s.On {
			what = "stays on, because its end could not be recorded"
		}
		return errtext.Errorf("duvotool: the hold %s: %w", what, err)
	}
	return nil
}

// Over returns the policy p under the hold: what p approves or answers while it is on
// does not count, and p is asked again when it is off.
func (h *Hold) Over(p Policy) Policy { return held{h, p} }

type held struct {
	hold *Hold
	p    Policy
}

// Decide asks the policy at once, so that it may deny or be put off.
func (h held) Decide(ctx context.Context, req Request) (Decision, error) {
	if h.Validate() != nil {
		return Decision{}, errUnusable
	}
	for {
		d, err := decide(ctx, "Hold", h.p, req)
		if err != nil || !d.grants() {
			return d, err
		}
		s, err := h.hold.State(ctx)
		if err != nil || !s.On {
			return d, err
		}
		if err := h.hold.wait(ctx); err != nil {
			return Decision{}, err
		}
	}
}

// lookAgain is how often a hold is looked at that another process may take off.
const lookAgain = 2 * time.Second

// wait returns when the hold is off.
func (h *Hold) wait(ctx context.Context) error {
	for {
		h.looked.Lock()
		changed := h.changed
		h.looked.Unlock()
		s, err := h.State(ctx)
		if err != nil || !s.On {
			return err
		}
		timer := time.NewTimer(lookAgain)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		timer.Stop()
	}
}

// CheckDecision looks whether approvals are held, and asks the policy.
func (h held) CheckDecision(ctx context.Context, req Request, d Decision) error {
	if h.Validate() != nil {
		return errUnusable
	}
	s, err := h.hold.State(ctx)
	if err == nil && s.On {
		err = &HeldError{s}
	}
	return errors.Join(err, CheckDecision(ctx, h.p, req, d))
}

// Vetoes asks the policy.
func (h held) Vetoes(req Request) bool { return Vetoes(h.p, req) }

// Foresee knows of all but what is approved or answered.
func (h held) Foresee(req Request, at time.Time) (Verdict, bool) {
	v, certain := Foresee(h.p, req, at)
	return v, certain && !Decision{Verdict: v}.grants()
}

// CheckNames asks the policy.
func (h held) CheckNames(n Names) error { return checkNames(n, "Hold", h.p) }

func (h held) Validate() error {
	if h.hold == nil || h.hold.store == nil {
		return errors.New("Hold: it was not made by NewHold")
	}
	return validate("Hold", h.p)
}

func (held) String() string { return "Hold" }
