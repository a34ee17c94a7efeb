package hitl_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func person(by string) *duvotooltest.Operator { return duvotooltest.NewOperator(by) }

// silent waits for somebody who never comes.
var silent = hitl.PolicyFunc(func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
	<-ctx.Done()
	return hitl.Decision{}, context.Cause(ctx)
})

var passes = hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Pass(), nil })

// Every policy here and in the root keeps to what every policy must.
func TestConformance(t *testing.T) {
	kim, lee := func() hitl.Policy {
		return approvals(person("kim").Says("", time.Minute, hitl.Approve("kim", "")))
	},
		func() hitl.Policy {
			return approvals(person("lee").Says("", 2*time.Minute, hitl.Approve("lee", "")))
		}
	for name, c := range map[string]struct {
		make func() hitl.Policy
		opts []duvotooltest.Option
	}{
		"AlwaysDeny":  {func() hitl.Policy { return hitl.AlwaysDeny() }, nil},
		"LeaveToDuvo": {func() hitl.Policy { return hitl.LeaveToDuvo() }, nil},
		"AutoApprove": {func() hitl.Policy {
			return hitl.AutoApprove(hitl.For(duvotooltest.AssignmentID).TitleMatches(`Refund \d\d EUR`), hitl.For(duvotooltest.AssignmentID).DescriptionIs("quickly").Denies())
		}, nil},
		"AutoApprove, used up": {func() hitl.Policy { return hitl.AutoApprove(hitl.For(duvotooltest.AssignmentID).AtMost(2)) }, []duvotooltest.Option{duvotooltest.Counts()}},
		"Forward":              {func() hitl.Policy { return hitl.Forward(kim().Decide) }, nil},
		"FirstOf":              {func() hitl.Policy { return hitl.FirstOf(passes, kim()) }, nil},
		"Timeout":              {func() hitl.Policy { return hitl.Timeout(10*time.Minute, silent, hitl.AlwaysDeny()) }, nil},
		"Timeout, in time":     {func() hitl.Policy { return hitl.Timeout(10*time.Minute, kim(), hitl.AlwaysDeny()) }, nil},
		"Escalate": {func() hitl.Policy {
			return hitl.Escalate(passes, hitl.Remind(time.Second, func(context.Context, hitl.Request) {}), hitl.Then(10*time.Minute, kim()))
		}, nil},
		"Quorum": {func() hitl.Policy { return hitl.Quorum(2, kim(), lee()) }, nil},
		"Budget": {func() hitl.Policy { return hitl.Budget(3, time.Hour, kim(), hitl.AlwaysDeny()) }, []duvotooltest.Option{duvotooltest.Counts()}},
		"Answers": {func() hitl.Policy {
			return hitl.Answers("the FAQ", map[string]string{"Which?": "a", "Free?": "x"})
		}, nil},
		"Route": {func() hitl.Policy {
			return hitl.Route(hitl.When(hitl.AssignmentIs(duvotooltest.AssignmentID), kim()), hitl.When(hitl.NameIs("x"), lee()))
		}, nil},
		"Grants": {func() hitl.Policy {
			g := hitl.NewGrants()
			_, err := g.Where("kim", duvotooltest.AssignmentID, "all", func(hitl.Request) bool { return true }, hitl.Terms{})
			require.NoError(t, err)
			return g
		}, nil},
		"Operator": {func() hitl.Policy { return kim() }, nil},
	} {
		t.Run(name, func(t *testing.T) { duvotooltest.TestPolicy(t, c.make, c.opts...) })
	}
}

// approvals lets a policy decide about approvals alone.
func approvals(p hitl.Policy) hitl.Policy {
	return hitl.Route(hitl.When(func(r hitl.Request) bool { return r.Kind == duvo.Approval }, p))
}

func decide(t *testing.T, p hitl.Policy, r hitl.Request) hitl.Decision {
	t.Helper()
	d, err := p.Decide(t.Context(), r)
	require.NoError(t, err)
	return d
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deny := hitl.AlwaysDeny()
		for after, want := range map[time.Duration]hitl.Verdict{
			time.Hour - 1: hitl.Approved, time.Hour: hitl.Denied, time.Hour + 1: hitl.Denied,
		} {
			p := hitl.Timeout(time.Hour, person("kim").Says("", after, hitl.Approve("kim", "")), deny)
			began := time.Now()
			d := decide(t, p, duvotooltest.Approval("x"))
			require.Equal(t, want, d.Verdict, after)
			require.LessOrEqual(t, time.Since(began), time.Hour)
			if want == hitl.Denied {
				require.Equal(t, hitl.SourceTimeout, d.Source)
				require.Equal(t, "nobody decided within 1h0m0s", d.Reason)
				require.Equal(t, "Timeout(over) > AlwaysDeny", d.Path)
			} else {
				require.Equal(t, hitl.SourcePerson, d.Source)
				require.Equal(t, "Timeout > Operator(kim)", d.Path)
			}
		}
		// The deadline is that of the first sight, as after a restart.
		old := duvotooltest.Approval("x", func(r *hitl.Request) { r.FirstSeen = time.Now().Add(-50 * time.Minute) })
		began := time.Now()
		require.Equal(t, hitl.Denied, decide(t, hitl.Timeout(time.Hour, silent, deny), old).Verdict)
		require.Equal(t, 10*time.Minute, time.Since(began))
		require.Equal(t, hitl.Denied, decide(t, hitl.Timeout(time.Minute, person("kim").Approves(""), deny), old).Verdict, "it was over before")
		// One that ignores its context does not hold up the fallback.
		release := make(chan struct{})
		deaf := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
			<-release
			return hitl.Approve("kim", ""), nil
		})
		require.Equal(t, hitl.Denied, decide(t, hitl.Timeout(time.Minute, deaf, deny), duvotooltest.Approval("x")).Verdict)
		close(release)
	})
}

func TestEscalateFiresOnceAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var log []string
		note := func(s string, began time.Time) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, fmt.Sprint(s, " ", time.Since(began)))
		}
		asks := func(s string, began time.Time, p hitl.Policy) hitl.Policy {
			return hitl.PolicyFunc(func(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
				note(s, began)
				return p.Decide(ctx, r)
			})
		}
		build := func(began time.Time, last hitl.Policy) hitl.Policy {
			return hitl.Escalate(asks("kim", began, silent),
				hitl.Remind(10*time.Minute, func(context.Context, hitl.Request) { note("ping", began) }),
				hitl.Then(time.Hour, asks("lee", began, silent)),
				hitl.Then(2*time.Hour, asks("pat", began, last)))
		}
		began := time.Now()
		d := decide(t, build(began, person("pat").Says("", time.Minute, hitl.Approve("pat", ""))), duvotooltest.Approval("x"))
		require.Equal(t, "pat", d.By)
		require.Equal(t, "Escalate[4] > hitl.PolicyFunc", d.Path)
		require.Equal(t, []string{"kim 0s", "ping 10m0s", "lee 1h0m0s", "pat 2h0m0s"}, log)

		// Taken up late: what is due fires at once, in order, once.
		log = nil
		late := duvotooltest.Approval("x", func(r *hitl.Request) { r.FirstSeen = time.Now().Add(-90 * time.Minute) })
		decide(t, build(time.Now(), person("pat").Approves("")), late)
		slices.Sort(log[:3])
		require.Equal(t, []string{"kim 0s", "lee 0s", "ping 0s", "pat 30m0s"}, log)

		// Nobody to wait for: the next is asked at once; failures do not hold up.
		began = time.Now()
		d = decide(t, hitl.Escalate(person("no script"), hitl.Then(time.Hour, passes), hitl.Then(2*time.Hour, person("pat").Approves(""))), duvotooltest.Approval("x"))
		require.Equal(t, "pat", d.By)
		require.Zero(t, time.Since(began))
		_, err := hitl.Escalate(person("nobody"), hitl.Then(time.Hour, passes)).Decide(t.Context(), duvotooltest.Approval("x"))
		require.ErrorContains(t, err, "no script")
	})
}

func TestQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		says := func(by string, after time.Duration, d hitl.Decision) hitl.Policy {
			return person(by).Says("", after, d)
		}
		yes := func(by string, after time.Duration) hitl.Policy {
			return says(by, after, hitl.Approve(by, "ok"))
		}
		machine := hitl.AutoApprove(hitl.For(duvotooltest.AssignmentID))
		for name, c := range map[string]struct {
			p    hitl.Policy
			want hitl.Verdict
			by   string
		}{
			"two people":      {hitl.Quorum(2, yes("kim", time.Hour), yes("lee", time.Minute)), hitl.Approved, "lee, kim"},
			"one twice":       {hitl.Quorum(2, yes("kim", 0), yes(" KIM ", time.Minute)), hitl.Denied, "policy Quorum(2)"},
			"a machine":       {hitl.Quorum(2, yes("kim", 0), machine), hitl.Denied, "policy Quorum(2)"},
			"a denial":        {hitl.Quorum(1, says("kim", 0, hitl.Deny("kim", "no")), yes("lee", time.Minute)), hitl.Denied, "kim"},
			"enough of three": {hitl.Quorum(2, yes("kim", 0), silent, yes("lee", 0)), hitl.Approved, ""},
			"one passes":      {hitl.Quorum(2, yes("kim", 0), passes, yes("lee", time.Hour)), hitl.Approved, "kim, lee"},
			"too few":         {hitl.Quorum(2, passes, passes, silent), hitl.Denied, "policy Quorum(2)"},
		} {
			d := decide(t, c.p, duvotooltest.Approval("x"))
			require.Equal(t, c.want, d.Verdict, name)
			if c.by != "" {
				require.Equal(t, c.by, d.By, name)
			}
		}
		_, err := hitl.Quorum(2, yes("kim", 0), person("lee")).Decide(t.Context(), duvotooltest.Approval("x"))
		require.ErrorContains(t, err, "not reached")
		require.Equal(t, hitl.Passed, decide(t, hitl.Quorum(1, yes("kim", 0)), duvotooltest.Question([]duvo.QuestionItem{{Question: "q"}})).Verdict)
	})
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hitl.Budget(3, time.Hour, hitl.AutoApprove(hitl.For("A").TitleIs("x"), hitl.For("B").TitleIs("x")), person("kim").Denies("", "used up"))
		req := func(id, title string) hitl.Request {
			return duvotooltest.Approval(title, func(r *hitl.Request) { r.Assignment.ID = id })
		}
		var mu sync.Mutex
		approved := 0
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if d, err := p.Decide(t.Context(), req("A", "x")); err == nil && d.Verdict == hitl.Approved {
					mu.Lock()
					approved++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		require.Equal(t, 3, approved)
		d := decide(t, p, req("a", "x"))
		require.Equal(t, hitl.Denied, d.Verdict, "the case of an ID changes nothing")
		require.Equal(t, "Budget(used up) > Operator(kim)", d.Path)
		require.Equal(t, hitl.Passed, decide(t, p, req("A", "other")).Verdict, "what was not approved goes nowhere else")
		require.Equal(t, hitl.Approved, decide(t, p, req("B", "x")).Verdict, "each Assignment has its own")
		time.Sleep(time.Hour)
		require.Equal(t, hitl.Approved, decide(t, p, req("A", "x")).Verdict)
	})
}

func TestRouteAndAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := hitl.Route(
			hitl.When(hitl.AssignmentIs("ID-1"), person("by ID").Approves("")),
			hitl.When(hitl.NameIs("Refunds"), person("by name").Approves("")),
			hitl.When(hitl.FolderIs("Support/"), person("by folder").Approves("")))
		for want, change := range map[string]func(*hitl.Request){
			"by ID":     func(r *hitl.Request) { r.Assignment.ID = "id-1" },
			"by name":   func(r *hitl.Request) { r.Assignment.Name = "Refunds" },
			"by folder": func(r *hitl.Request) { r.Assignment.Name, r.Folder = "x", "Support/Money" },
			"":          func(r *hitl.Request) { r.Assignment.Name, r.Folder = "refunds", "Supporters" },
		} {
			require.Equal(t, want, decide(t, p, duvotooltest.Approval("x", change)).By)
		}
		faq := hitl.Answers("the FAQ", map[string]string{"Which?": "a"})
		q := duvo.QuestionItem{Question: "Which?", Options: []duvo.Choice{{Label: "a"}}}
		d := decide(t, faq, duvotooltest.Question([]duvo.QuestionItem{q}))
		require.Equal(t, map[string]string{"Which?": "a"}, d.Answers)
		require.Equal(t, hitl.SourcePolicy, d.Source)
		other := q
		other.Options = []duvo.Choice{{Label: "b"}}
		for _, r := range []hitl.Request{duvotooltest.Question([]duvo.QuestionItem{q, {Question: "Else?"}}), duvotooltest.Question([]duvo.QuestionItem{other}), duvotooltest.Approval("Which?")} {
			require.Equal(t, hitl.Passed, decide(t, faq, r).Verdict)
		}
	})
}

func TestGrants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := hitl.NewGrants()
		seen := duvotooltest.Approval("Refund 20 EUR", func(r *hitl.Request) { r.Description = "for a broken cup" })
		id, err := g.Exactly("kim", seen, hitl.Terms{})
		require.NoError(t, err)
		again := seen
		again.JobID, again.ID, again.FirstSeen = "another", "another", time.Now()
		d := decide(t, g, again)
		require.Equal(t, hitl.Approved, d.Verdict)
		require.Equal(t, "kim", d.By)
		for name, change := range map[string]func(*hitl.Request){
			"one character": func(r *hitl.Request) { r.Title = "Refund 20 EUR " },
			"description":   func(r *hitl.Request) { r.Description = "for a broken cup." },
			"invisible":     func(r *hitl.Request) { r.Title += "\u200b" },
			"input":         func(r *hitl.Request) { r.Input += "!" },
			"Build":         func(r *hitl.Request) { r.BuildID = "next" },
			"Assignment":    func(r *hitl.Request) { r.Assignment.ID = "other" },
		} {
			r := seen
			change(&r)
			require.Equal(t, hitl.Passed, decide(t, g, r).Verdict, name)
		}
		small := func(r hitl.Request) bool { return len(r.Title) < 20 }
		_, err = g.Where("lee", duvotooltest.AssignmentID, "short titles", small, hitl.Terms{Uses: 2, Until: time.Now().Add(time.Hour)})
		require.NoError(t, err)
		other := duvotooltest.Approval("Refund 30 EUR")
		require.Equal(t, "lee", decide(t, g, other).By)
		require.Equal(t, 1, g.List()[1].Uses)
		require.Equal(t, "lee", decide(t, g, other).By)
		require.Equal(t, hitl.Passed, decide(t, g, other).Verdict, "used up")
		require.Len(t, g.List(), 1)
		_, err = g.Where("lee", duvotooltest.AssignmentID, "short titles", small, hitl.Terms{Until: time.Now().Add(time.Hour)})
		require.NoError(t, err)
		time.Sleep(time.Hour)
		require.Equal(t, hitl.Passed, decide(t, g, other).Verdict, "over")

		no, err := g.Where("pat", duvotooltest.AssignmentID, "cups", func(hitl.Request) bool { return true }, hitl.Terms{Denies: true})
		require.NoError(t, err)
		require.Equal(t, hitl.Denied, decide(t, g, again).Verdict, "a denial beats a grant")
		require.True(t, g.Revoke(no))
		require.False(t, g.Revoke(no))
		require.Equal(t, hitl.Approved, decide(t, g, again).Verdict)
		require.True(t, g.Revoke(id))
		require.Equal(t, hitl.Passed, decide(t, g, again).Verdict)

		for _, f := range []func() (string, error){
			func() (string, error) { return g.Exactly("", seen, hitl.Terms{}) },
			func() (string, error) { return g.Exactly("kim", duvotooltest.Question(nil), hitl.Terms{}) },
			func() (string, error) { return g.Exactly("kim", hitl.Request{Kind: duvo.Approval}, hitl.Terms{}) },
			func() (string, error) { return g.Exactly("kim", seen, hitl.Terms{Until: time.Now()}) },
			func() (string, error) { return g.Exactly("kim", seen, hitl.Terms{Uses: -1}) },
			func() (string, error) { return g.Where("kim", "x", "", small, hitl.Terms{}) },
			func() (string, error) { return g.Where("kim", "x", "what", nil, hitl.Terms{}) },
			func() (string, error) { return g.Where("kim", "x", "what", small, hitl.Terms{Denies: true, Uses: 1}) },
		} {
			_, err := f()
			require.Error(t, err)
		}
	})
}

// What cannot work is refused when the registry is made, and decides nothing
// if it is asked all the same.
func TestNonsenseIsRefused(t *testing.T) {
	kim := person("kim").Approves("")
	for name, p := range map[string]hitl.Policy{
		"Timeout of nothing":    hitl.Timeout(0, kim, kim),
		"Timeout nil":           hitl.Timeout(1, nil, kim),
		"Timeout nil fallback":  hitl.Timeout(1, kim, nil),
		"Escalate nil":          hitl.Escalate(nil),
		"Escalate backwards":    hitl.Escalate(kim, hitl.Then(2, kim), hitl.Then(1, kim)),
		"Escalate to nobody":    hitl.Escalate(kim, hitl.Then(1, nil)),
		"Escalate, no reminder": hitl.Escalate(kim, hitl.Remind(1, nil)),
		"Quorum of none":        hitl.Quorum(0, kim),
		"Quorum too large":      hitl.Quorum(2, kim),
		"Quorum nil":            hitl.Quorum(1, kim, nil),
		"Budget of none":        hitl.Budget(0, time.Hour, kim, kim),
		"Budget without time":   hitl.Budget(1, 0, kim, kim),
		"Budget nil":            hitl.Budget(1, time.Hour, kim, nil),
		"Route nowhere":         hitl.Route(),
		"Route nil":             hitl.Route(hitl.When(hitl.Match(nil), kim)),
		"Route to nobody":       hitl.Route(hitl.When(hitl.NameIs("x"), nil)),
		"Answers by nobody":     hitl.Answers(" ", map[string]string{"a": "b"}),
		"no Answers":            hitl.Answers("faq", nil),
		"deep":                  hitl.Timeout(1, hitl.Route(hitl.When(hitl.NameIs("x"), hitl.Quorum(2, kim))), kim),
	} {
		v, ok := p.(interface{ Validate() error })
		require.True(t, ok, name)
		require.Error(t, v.Validate(), name)
		_, err := p.Decide(t.Context(), duvotooltest.Approval("x"))
		require.Error(t, err, name)
	}
}

func TestPanicsAreErrors(t *testing.T) {
	boom := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { panic("boom") })
	synctest.Test(t, func(t *testing.T) {
		for _, p := range []hitl.Policy{hitl.Timeout(time.Hour, boom, hitl.AlwaysDeny()), hitl.Quorum(1, boom), hitl.Escalate(boom)} {
			_, err := p.Decide(t.Context(), duvotooltest.Approval("x"))
			require.ErrorIs(t, err, hitl.ErrPolicyPanic)
			require.False(t, errors.Is(err, context.Canceled))
		}
	})
}
