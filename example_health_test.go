package duvotool_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/health"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// What whoever is on call asks a registry, and what a supervisor does.
func ExampleRegistry_Health() {
	ctx := context.Background()
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	reg, err := duvotool.Discover(ctx, d.Client(), duvotool.WithJournal(journal.NewShared()), duvotool.WithPollInterval(10*time.Millisecond),
		duvotool.WithPolicy(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reg.Close(ctx)
	tool, err := reg.Tool("refunds")
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := tool.Run(duvotool.WithOperationKey(ctx, "order 4711"), "Order 4711 arrived broken."); err != nil {
		fmt.Println(err)
		return
	}
	alarm := func(h health.Report) {
		fmt.Println(h.Waiting, "waits:", h.Oldest.Key, "since a minute:", time.Since(h.Oldest.Since) > time.Minute)
		fmt.Println("given up:", h.GivenUp, "unknown:", h.Unknown, "reads fail:", !h.Watcher.FailingSince.IsZero())
		for name, store := range map[string]health.Store{"journal": h.Journal, "audit": h.Audit} {
			if store.Used {
				fmt.Println(name, "fails:", store.Failing)
			}
		}
		fmt.Println("lease:", h.Lease.Held, "events behind:", h.Observer.Backlog > 100, "webhooks refused:", h.Webhooks.Refused)
		fmt.Println("dead:", h.Dead(), "unready:", h.Unready())
	}
	alarm(reg.CheckHealth(ctx))
	fmt.Println(reg.Health().Calls, "calls") // as far as is known: it asks nobody

	mux := http.NewServeMux()
	mux.Handle("/healthz", reg.Liveness())
	mux.Handle("/readyz", reg.Readiness())
	_ = reg.Close(ctx)
	for _, path := range []string{"/healthz", "/readyz"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	var teller duvotool.RateTeller = d.Client() // what Health.Rate comes from
	fmt.Println(teller.RateLimit().Limit)
	// Output:
	// 1 waits: order 4711 since a minute: false
	// given up: 0 unknown: 0 reads fail: false
	// journal fails: false
	// lease: true events behind: false webhooks refused: 0
	// dead: [] unready: []
	// 0 calls
	// 200 {"ok":true}
	// 503 {"ok":false,"why":["it is closing"]}
	// 0
}

// A person's data in the journal: erased once the work has ended, while its key stays.
func ExampleRegistry_Erase() {
	ctx := context.Background()
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	reg, err := duvotool.Discover(ctx, d.Client(), duvotool.WithJournal(journal.NewMemory()), duvotool.WithPollInterval(10*time.Millisecond),
		duvotool.WithPolicy(hitl.AutoApprove(hitl.For(refundsID))))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reg.Close(ctx)
	tool, err := reg.Tool("refunds")
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := tool.Run(duvotool.WithOperationKey(ctx, "order 4711"), "Jo's order arrived broken."); err != nil {
		fmt.Println(err)
		return
	}
	if err := reg.Erase(ctx, "order 4711"); errors.Is(err, outcome.ErrNotEnded) {
		fmt.Println("its texts are still needed")
	} else if err != nil {
		fmt.Println(err)
	}
	res, err := reg.Lookup(ctx, "order 4711")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s, input %q: %s\n", res.Outcome, res.Input, res.Note)
	// Output:
	// completed, input "": what it was told and what it said was erased
}

// A swapped policy is one in whose place another can be put while the registry works. It
// denies what the present one denies by a rule, and checks what that would check.
type swapped struct{ now atomic.Pointer[hitl.Policy] }

func (s *swapped) use(p hitl.Policy) { s.now.Store(&p) }

func (s *swapped) Decide(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
	return (*s.now.Load()).Decide(ctx, r)
}

func (s *swapped) Vetoes(r hitl.Request) bool { return hitl.Vetoes(*s.now.Load(), r) }

func (s *swapped) Foresee(r hitl.Request, at time.Time) (hitl.Verdict, bool) {
	return hitl.Foresee(*s.now.Load(), r, at)
}

func (s *swapped) CheckDecision(ctx context.Context, r hitl.Request, d hitl.Decision) error {
	return hitl.CheckDecision(ctx, *s.now.Load(), r, d)
}

func (s *swapped) CheckNames(n hitl.Names) error { return hitl.CheckNames(*s.now.Load(), n) }

func (s *swapped) String() string { return hitl.PolicyName(*s.now.Load()) }

// Rules change without a restart: WithPolicy is given a policy that hands on to another.
func Example_swapPolicy() {
	ctx := context.Background()
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	rules := &swapped{}
	rules.use(hitl.AutoApprove(hitl.For(refundsID)))
	reg, err := duvotool.Discover(ctx, d.Client(), duvotool.WithPollInterval(10*time.Millisecond), duvotool.WithPolicy(rules))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reg.Close(ctx)
	tool, err := reg.Tool("refunds")
	if err != nil {
		fmt.Println(err)
		return
	}
	ask := func() {
		res, err := tool.Run(ctx, "Order 4711 arrived broken.")
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(res.Output)
	}
	ask()
	rules.use(hitl.AlwaysDeny())
	ask()
	// Output:
	// refunded
	// not refunded
}
