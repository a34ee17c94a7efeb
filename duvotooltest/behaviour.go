package duvotooltest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// A Kit is somewhere that operations live, with what [TestBehaviour] needs of it.
type Kit struct {
	// Options returns the options of the registries of one test. What their
	// operations are is shared by all of them, as by processes that follow one
	// another: by a journal, or a server. Required.
	Options func(t *testing.T) []duvotool.Option

	// In runs a test, for example in a bubble of testing/synctest. Where it is nil the
	// test runs in real time.
	In func(t *testing.T, f func(t *testing.T))
}

// TestBehaviour holds what operations do against what they must, wherever they live:
// one Job for a key, one decision for a request, nothing sent for those who have left or
// about a text that has changed, and all of that across a restart. It looks at what the
// emulator was sent. Each test has an emulator and options of its own.
func TestBehaviour(t *testing.T, kit Kit) {
	t.Helper()
	for _, test := range []struct {
		name string
		f    func(*behaviour)
	}{
		{"OneKeyIsOneJob", (*behaviour).oneKey},
		{"AKeyStandsForOneCall", (*behaviour).keyReused},
		{"ALostStartIsOneJob", (*behaviour).lostStart},
		{"ALostResponseIsOneDecision", (*behaviour).lostResponse},
		{"OneDecision", (*behaviour).oneDecision},
		{"AChangedTextIsANewRequest", (*behaviour).changedText},
		{"WhoLeavesIsSentNothing", (*behaviour).leaving},
		{"ARestartWhileThePolicyIsAsked", (*behaviour).restartAsked},
		{"ARestartWhileADecisionIsPutOff", (*behaviour).restartPutOff},
		{"AFollowUp", (*behaviour).followUp},
		{"Outcomes", (*behaviour).outcomes},
		{"ADenial", (*behaviour).denial},
		{"APolicyThatFails", (*behaviour).failure},
		{"Stop", (*behaviour).stop},
		{"Start", (*behaviour).start},
	} {
		t.Run(test.name, func(t *testing.T) {
			in := kit.In
			if in == nil {
				in = func(t *testing.T, f func(t *testing.T)) { f(t) }
			}
			in(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignments(behaviourAssignments...))
				t.Cleanup(d.Close)
				test.f(&behaviour{T: t, d: d, options: kit.Options(t)})
			})
		})
	}
}

// What the Jobs of the tests do.
var behaviourAssignments = []duvotest.Assignment{
	{Name: "Refunds", Description: "Refunds an order.", Script: func(j *duvotest.Job) {
		if j.AskApproval("Refund 120 EUR", "It arrived damaged.") {
			j.Complete("refunded " + j.Input())
		}
		j.Complete("not refunded")
	}},
	{Name: "Talks", Description: "Answers.", Script: func(j *duvotest.Job) { j.Complete("hello " + j.Input()) },
		Resume: func(j *duvotest.Job, message string) {
			if !j.AskApproval("Say it?", message) {
				j.Complete("not said")
			}
			j.Complete("about " + message)
		}},
	{Name: "Fails", Description: "Fails.", Script: func(j *duvotest.Job) { j.Fail("no stock") }},
	{Name: "Breaks off", Description: "Is interrupted.", Script: func(j *duvotest.Job) { j.Interrupt("enough") }},
}

type behaviour struct {
	*testing.T
	d       *duvotest.Duvo
	options []duvotool.Option
}

func (b *behaviour) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *behaviour) want(ok bool, format string, args ...any) {
	b.Helper()
	if !ok {
		b.Fatalf(format, args...)
	}
}

// open makes a registry, as a process does when it begins.
func (b *behaviour) open(p hitl.Policy) *duvotool.Registry {
	b.Helper()
	reg, err := duvotool.Discover(b.Context(), b.d.Client(), append([]duvotool.Option{duvotool.WithPolicy(p)}, b.options...)...)
	b.ok(err)
	b.Cleanup(func() { b.close(reg) })
	return reg
}

func (b *behaviour) close(reg *duvotool.Registry) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := reg.Close(ctx); err != nil {
		b.Error(err)
	}
}

func (b *behaviour) tool(reg *duvotool.Registry, name string) *duvotool.Tool {
	b.Helper()
	t, err := reg.Tool(name)
	b.ok(err)
	return t
}

// sent holds the numbers of Jobs, starts and responses against what they must be.
func (b *behaviour) sent(jobs, responses int) {
	b.Helper()
	accepted := 0
	for _, j := range b.d.Jobs() {
		for _, q := range j.Requests {
			if q.Response != nil {
				accepted++
			}
			b.want(!q.Bypassed, "a request was walked past")
		}
	}
	b.want(len(b.d.Jobs()) == jobs, "there are %d Jobs, not %d", len(b.d.Jobs()), jobs)
	b.want(accepted == responses, "%d responses were taken, not %d", accepted, responses)
}

// called is what a call in a goroutine of its own comes to.
type called struct {
	res *outcome.Result
	err error
}

func (b *behaviour) call(ctx context.Context, reg *duvotool.Registry, name, key, input string) <-chan called {
	t, out := b.tool(reg, name), make(chan called, 1)
	ctx = duvotool.WithOperationKey(ctx, key)
	go func() {
		res, err := t.Run(ctx, input)
		out <- called{res, err}
	}()
	return out
}

// run is call, and waits.
func (b *behaviour) run(reg *duvotool.Registry, name, key, input string) *outcome.Result {
	b.Helper()
	c := <-b.call(b.Context(), reg, name, key, input)
	b.ok(c.err)
	return c.res
}

// pending waits until a request waits for a decision.
func (b *behaviour) pending(reg *duvotool.Registry) hitl.Request {
	b.Helper()
	for range 2 * 60 * 20 {
		if all := reg.Pending(); len(all) > 0 {
			b.want(len(all) == 1, "%d requests wait", len(all))
			return all[0]
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-b.Context().Done():
		}
	}
	b.Fatal("no request came to wait for a decision")
	return hitl.Request{}
}

var kim = hitl.Decision{Verdict: hitl.Approved, By: "kim@example.com"}

func approves() hitl.Policy {
	return hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return kim, nil })
}

func putsOff() hitl.Policy {
	return hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })
}

// waits makes a policy that tells that it is asked, and then waits for as long as
// somebody waits for it.
func (b *behaviour) waits() (p hitl.Policy, asked <-chan struct{}) {
	told, end := make(chan struct{}, 100), make(chan struct{})
	b.Cleanup(func() { close(end) })
	return hitl.PolicyFunc(func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
		told <- struct{}{}
		select {
		case <-ctx.Done():
			return hitl.Decision{}, ctx.Err()
		case <-end:
			return hitl.Decision{}, errors.New("the test is over")
		}
	}), told
}
