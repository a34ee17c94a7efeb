package hitl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/wording"
)

// AutoApprove approves what one of the rules allows, and has no opinion on
// everything else; questions are never allowed. A rule that denies, see
// [Rule.Denies], wins over all that allow. Combine it with [FirstOf]:
//
//	FirstOf(
//		AutoApprove(For(refunds).TitleIs("Send the receipt")),
//		Forward(askOperator),
//	)
//
// Alone it denies what no rule allows.
func AutoApprove(rules ...Rule) Policy { return autoApprove(slices.Clone(rules)) }

type autoApprove []Rule

func (a autoApprove) Decide(_ context.Context, req Request) (Decision, error) {
	decide := func(v Verdict, i int) (Decision, error) {
		d := Decision{Verdict: v, Source: SourcePolicy, Path: "AutoApprove", By: "policy auto-approve", Reason: fmt.Sprintf("rule %d: %s", i+1, a[i])}
		if a[i].name != "" {
			d.Reason = fmt.Sprintf("rule %q: %s", a[i].name, a[i])
			d.Path += " > " + a[i].name
		}
		return d, nil
	}
	for i, r := range a {
		if r.denies && r.holds(req) {
			return decide(Denied, i)
		}
	}
	if req.Kind != duvo.Approval {
		return Pass(), nil
	}
	for i, r := range a {
		if !r.denies && r.holds(req) && r.use() {
			return decide(Approved, i)
		}
	}
	return Pass(), nil
}

func (a autoApprove) Vetoes(req Request) bool {
	return slices.ContainsFunc(a, func(r Rule) bool { return r.denies && r.holds(req) })
}

func (a autoApprove) Validate() error {
	if len(a) == 0 {
		return errors.New("AutoApprove: no rules")
	}
	var errs []error
	for i, r := range a {
		if err := r.validate(); err != nil {
			errs = append(errs, fmt.Errorf("AutoApprove: rule %d: %w", i+1, err))
		}
		if r.name != "" && slices.ContainsFunc(a[:i], func(other Rule) bool { return other.name == r.name }) {
			errs = append(errs, fmt.Errorf("AutoApprove: rule %d: another one is named %q too", i+1, r.name))
		}
	}
	return errors.Join(errs...)
}

// CheckNames refuses a rule for an ID that no Assignment has: one that allows
// could never match, and one that denies would guard nothing.
func (a autoApprove) CheckNames(n Names) error {
	var errs []error
	for i, r := range a {
		if r.optional {
			continue
		}
		if err := n.HaveIDs(r.assignment); err != nil {
			errs = append(errs, fmt.Errorf("AutoApprove: rule %d: %w", i+1, err))
		}
	}
	return errors.Join(errs...)
}

func (autoApprove) String() string { return "AutoApprove" }

// A Rule allows approvals of one Assignment. Make it with [For]; the methods
// return a narrower copy, and all that was asked for must hold.
//
// Titles and descriptions are written by a remote agent, which a stranger's
// text may have steered. A title tells what the agent says it is about to do,
// not what it will do; so a rule always names its Assignment, by ID, and is
// best kept to what would do no harm if the title lied.
//
// A rule that allows holds for what a Job asks about the input it was started
// with. It does not hold for a request with a [Request.FollowUp], in which a
// model may have said anything since; see [Rule.AfterFollowUps]. One that denies
// always holds.
type Rule struct {
	assignment string
	name       string
	conditions []condition
	denies     bool
	followUps  bool          // also where a message has added something to the Job
	optional   bool          // the Assignment may be missing
	uses       *atomic.Int64 // left; shared by the copies of a rule; nil: no limit
	err        error
}

type condition struct {
	text  string
	hold  func(Request) bool
	moves bool // it may hold of a request now and not later, or the other way round
}

// For starts a rule for the Assignment with this ID. With nothing added it
// allows every approval of that Assignment.
func For(assignmentID string) Rule { return Rule{assignment: assignmentID} }

func (r Rule) with(text string, hold func(Request) bool) Rule {
	r.conditions = append(r.conditions[:len(r.conditions):len(r.conditions)], condition{text: text, hold: hold})
	return r
}

// withMoving is with for what does not follow from the request alone.
func (r Rule) withMoving(text string, hold func(Request) bool) Rule {
	r = r.with(text, hold)
	r.conditions[len(r.conditions)-1].moves = true
	return r
}

// Named gives the rule a name, which decisions by it and their records tell in their
// reason, and in their path behind the policy's. Without one they tell its number,
// which moves when rules before it come and go.
func (r Rule) Named(name string) Rule {
	if r.name = SafeLine(name, 80); strings.TrimSpace(name) == "" {
		r.err = errors.Join(r.err, errors.New("Named: the name is empty"))
	}
	return r
}

// TitleIs narrows the rule to requests with exactly this title.
func (r Rule) TitleIs(title string) Rule {
	return r.with(fmt.Sprintf("title is %q", title), func(q Request) bool { return q.Title == title })
}

// DescriptionIs narrows the rule to requests with exactly this description.
func (r Rule) DescriptionIs(text string) Rule {
	return r.with(fmt.Sprintf("description is %q", text), func(q Request) bool { return q.Description == text })
}

// OnBuild narrows the rule to Jobs of this Build: when somebody changes the
// Assignment, the rule holds no longer.
func (r Rule) OnBuild(buildID string) Rule {
	if strings.TrimSpace(buildID) == "" {
		r.err = errors.New("OnBuild: the Build ID is empty")
		return r
	}
	return r.with("Build "+buildID, func(q Request) bool { return strings.EqualFold(q.BuildID, buildID) })
}

// Until lets the rule hold before t only.
func (r Rule) Until(t time.Time) Rule {
	return r.withMoving("until "+t.Format(time.RFC3339), func(Request) bool { return time.Now().Before(t) })
}

// AtMost lets the rule approve n times and no more, in this process. Copies of
// the rule share the count.
func (r Rule) AtMost(n int) Rule {
	if n < 1 {
		r.err = fmt.Errorf("AtMost: %d uses make no rule", n)
		return r
	}
	r.uses = new(atomic.Int64)
	r.uses.Store(int64(n))
	return r
}

// Denies turns the rule round: what it matches is denied, approvals and
// questions alike, and no other rule can allow it.
func (r Rule) Denies() Rule {
	r.denies = true
	return r
}

// AfterFollowUps lets the rule hold also for requests with a [Request.FollowUp].
// Add a [Rule.When] that looks at that text, unless whatever the Job may have
// been told since its start does no harm.
func (r Rule) AfterFollowUps() Rule {
	r.followUps = true
	return r
}

// Optional allows that no Assignment has the rule's ID, as where several teams
// share a policy. Without it duvotool.Discover refuses such a rule.
func (r Rule) Optional() Rule {
	r.optional = true
	return r
}

// use takes one of the rule's uses; false if none is left.
func (r Rule) use() bool {
	if r.uses == nil {
		return true
	}
	for {
		n := r.uses.Load()
		if n <= 0 {
			return false
		}
		if r.uses.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// TitleMatches narrows the rule to requests whose whole title matches the
// regular expression, in the syntax of package regexp.
func (r Rule) TitleMatches(pattern string) Rule {
	return r.matching("title", pattern, func(q Request) string { return q.Title })
}

// DescriptionMatches narrows the rule to requests whose whole description
// matches the regular expression, in the syntax of package regexp.
func (r Rule) DescriptionMatches(pattern string) Rule {
	return r.matching("description", pattern, func(q Request) string { return q.Description })
}

// When narrows the rule to requests for which pred returns true. It must be
// safe for concurrent use.
func (r Rule) When(pred func(Request) bool) Rule {
	if pred == nil {
		r.err = errors.New("When: the predicate is nil")
		return r
	}
	return r.withMoving("predicate holds", pred)
}

func (r Rule) matching(what, pattern string, text func(Request) string) Rule {
	re, err := wording.WholePattern(pattern)
	if err != nil {
		r.err = fmt.Errorf("the %s pattern: %w", what, err)
		return r
	}
	return r.with(fmt.Sprintf("%s matches %q", what, pattern), func(q Request) bool { return re.MatchString(text(q)) })
}

func (r Rule) holds(req Request) bool {
	return r.mayHold(req) && !slices.ContainsFunc(r.conditions, func(c condition) bool { return c.moves && !c.hold(req) })
}

// mayHold reports whether the rule holds of the request as far as that alone
// tells.
func (r Rule) mayHold(req Request) bool {
	if r.validate() != nil || !strings.EqualFold(req.Assignment.ID, r.assignment) {
		return false
	}
	if req.FollowUp != "" && !r.denies && !r.followUps {
		return false
	}
	return !slices.ContainsFunc(r.conditions, func(c condition) bool { return !c.moves && !c.hold(req) })
}

func (r Rule) validate() error {
	if r.err != nil {
		return r.err
	}
	if strings.TrimSpace(r.assignment) == "" {
		return errors.New("it names no Assignment; start it with For(id)")
	}
	if r.denies && r.uses != nil {
		return errors.New("a rule that denies cannot be used up")
	}
	return nil
}

// String tells what the rule allows.
func (r Rule) String() string {
	parts := []string{"Assignment " + r.assignment}
	if r.denies {
		parts[0] = "never " + parts[0]
	}
	for _, c := range r.conditions {
		parts = append(parts, c.text)
	}
	if r.followUps {
		parts = append(parts, "also after follow-ups")
	}
	return strings.Join(parts, ", ")
}
