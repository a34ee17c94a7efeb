package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/version"
)

const (
	envDesk  = "DUVOCTL_DESK"
	envToken = "DUVOCTL_DESK_TOKEN"
)

// userAgent is who servers are told that asks them.
func userAgent() string { return "duvoctl/" + version.Of("cmd/duvoctl") }

// A place is where requests wait and are decided.
type place interface {
	// pending lists what waits, the most urgent first.
	pending(context.Context) ([]*request, error)
	// find reads one request anew, by its ref, its own ID or its Job's. One that waits
	// no more and was decided is an error with what is known; see decidedError.
	find(ctx context.Context, name string) (*request, error)
	// decide sends a decision about a request as it was found. The error is one of
	// the way there; what came of it is in the result.
	decide(context.Context, *request, order) (result, error)
	// changed returns when what waits may have changed since the last call, or after
	// a while.
	changed(context.Context) error
	// where says what a decision here means; empty: nothing need be said.
	where() string
	close()
}

// A request is one that waits.
type request struct {
	At      string       `json:"at"`  // desk or duvo: where it is decided
	Ref     string       `json:"ref"` // by which it is named
	Digest  string       `json:"digest"`
	Decide  bool         `json:"decide"` // the caller may
	Due     time.Time    `json:"due,omitzero"`
	Then    string       `json:"then,omitempty"`  // what happens if nobody decides by then
	Prove   bool         `json:"prove,omitempty"` // approving or answering takes a proof that duvoctl cannot give
	Shut    string       `json:"shut,omitempty"`  // why neither is possible now
	Request hitl.Request `json:"request"`
	Notes   []remark     `json:"notes,omitempty"`

	display string // the desk's proof that it was shown
	page    string // where it is at the desk, in a browser
}

type remark struct {
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

func (r *request) askedAt() time.Time {
	if r.Request.CreatedAt.IsZero() {
		return r.Request.FirstSeen
	}
	return r.Request.CreatedAt
}

// An order is what a person wants to be done about a request.
type order struct {
	verdict string // approve, deny or answer
	reason  string
	answers map[string]string
}

// A result is what came of a decision.
type result struct {
	At      string `json:"at"`
	Ref     string `json:"ref"`
	JobID   string `json:"job_id"`
	Digest  string `json:"digest,omitempty"` // of the text that is waiting; empty: none is
	Verdict string `json:"verdict"`
	Ending  string `json:"ending"` // sent, unknown, changed, elsewhere, held, unproved, forbidden, invalid or failed
	Text    string `json:"text"`
	By      string `json:"by,omitempty"` // who has decided, where it was somebody else
}

// The endings of a decision. All but the first two say that nothing was sent.
const (
	endSent      = "sent"
	endUnknown   = "unknown"
	endChanged   = "changed"
	endElsewhere = "elsewhere"
	endHeld      = "held"
	endUnproved  = "unproved"
	endForbidden = "forbidden"
	endInvalid   = "invalid"
	endFailed    = "failed"
)

// kindOf is the kind of failure that an ending is.
var kindOf = map[string]string{endUnknown: "unknown", endChanged: "changed", endElsewhere: "elsewhere", endHeld: "held", endUnproved: "unproved", endForbidden: "auth", endInvalid: "invalid", endFailed: "error"}

// place returns where requests are decided.
func (a *app) place() (place, error) {
	if a.desk != "" {
		return a.openDesk()
	}
	if strings.TrimSpace(os.Getenv(duvo.EnvAPIKey)) == "" {
		return nil, &failure{kind: "auth", text: "it is not said where requests are decided", do: "set " + envDesk + " to a desk's address (the way to prefer), or " + duvo.EnvAPIKey + " to decide at Duvo itself"}
	}
	c, err := a.client()
	if err != nil {
		return nil, err
	}
	return &atDuvo{app: a, client: c}, nil
}

// client returns a client of Duvo itself.
func (a *app) client(opts ...duvo.Option) (*duvo.Client, error) {
	if strings.TrimSpace(os.Getenv(duvo.EnvAPIKey)) == "" {
		return nil, &failure{kind: "auth", text: duvo.EnvAPIKey + " is not set", do: "set it to a key of Duvo's, or start the emulator and paste what it prints: go run github.com/duvotool/duvotool/cmd/duvo-emulator"}
	}
	opts = append(opts, duvo.WithTimeout(a.timeout), duvo.WithUserAgent(userAgent()), duvo.WithRetries(3, 5*time.Second))
	if a.plainHTTP {
		opts = append(opts, duvo.AllowPlainHTTP())
	}
	c, err := duvo.FromEnv(opts...)
	if err != nil {
		return nil, &failure{kind: "usage", text: err.Error(), do: "see " + duvo.EnvAPIKey + " and " + duvo.EnvBaseURL, err: err}
	}
	return c, nil
}

// pause is how long to wait before a Job of this age is looked at again.
func (a *app) pause(base string, age time.Duration) time.Duration {
	switch {
	case a.poll > 0:
		return a.poll
	case isHere(base):
		return 200 * time.Millisecond
	case age < 2*time.Minute:
		return 5 * time.Second
	case age < 15*time.Minute:
		return 30 * time.Second
	}
	return 90 * time.Second
}

func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// sending carries out what sends something. Once it has begun, an interruption waits
// for its answer for a while, so that what is known can be told.
func (a *app) sending(ctx context.Context, what string, send func(ctx, caller context.Context) error) error {
	if ctx.Err() != nil {
		return &failure{kind: "interrupted", text: "interrupted; nothing was sent"}
	}
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.timeout)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- send(own, ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	a.note("Interrupted while %s was on its way; waiting up to %s for the answer. Ctrl-C again ends this at once.", what, a.grace)
	select {
	case err := <-done:
		return err
	case <-time.After(a.grace):
		cancel()
		return <-done
	}
}

// notBegun reports whether sending did not begin.
func notBegun(err error) bool {
	var f *failure
	return errors.As(err, &f) && f.kind == "interrupted"
}

func unknownText(err error) string {
	return fmt.Sprintf("It is not known whether it arrived: %s.", hitl.SafeLine(err.Error(), 300))
}
