package hitl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// A Match tells which requests a [Case] is for. It must be safe for concurrent
// use.
type Match func(Request) bool

// A Matcher is what [When] takes: a function of your own, or a [NameMatch].
type Matcher interface {
	func(Request) bool | Match | NameMatch
}

// A NameMatch matches requests by what their Assignments are called. Make it with
// [AssignmentIs], [NameIs] or [FolderIs]. What it names must be there when the
// registry is made, or duvotool.Discover fails.
type NameMatch struct {
	words    []string
	is       func(r Request, word string) bool
	have     func(n Names, words ...string) error
	optional bool
}

// Optional allows that nothing has the names.
func (m NameMatch) Optional() NameMatch {
	m.optional = true
	return m
}

// Matches reports whether one of the names is the request's. The zero NameMatch
// matches nothing.
func (m NameMatch) Matches(r Request) bool {
	return slices.ContainsFunc(m.words, func(w string) bool { return w != "" && m.is(r, w) })
}

// CheckNames refuses what nothing has.
func (m NameMatch) CheckNames(n Names) error {
	switch {
	case m.optional || m.have == nil:
		return nil
	case len(m.words) == 0:
		return errMatchesNothing
	}
	return m.have(n, m.words...)
}

// errMatchesNothing is a match of no names, as an empty configuration makes it.
var errMatchesNothing = errors.New("the match names nothing; a guard made of it would guard nothing")

// AssignmentIs matches requests of the Assignments with these IDs. Use it where
// money is concerned: names and folders can be changed by whoever edits
// Assignments in Duvo.
func AssignmentIs(ids ...string) NameMatch {
	return NameMatch{words: slices.Clone(ids), have: Names.HaveIDs,
		is: func(r Request, id string) bool { return strings.EqualFold(id, r.Assignment.ID) }}
}

// NameIs matches requests of Assignments with exactly these names.
func NameIs(names ...string) NameMatch {
	return NameMatch{words: slices.Clone(names), have: Names.HaveNames,
		is: func(r Request, name string) bool { return name == r.Assignment.Name }}
}

// FolderIs matches requests of Assignments in these folders and those below,
// by their paths, such as "Support/Refunds".
func FolderIs(paths ...string) NameMatch {
	return NameMatch{words: slices.Clone(paths), have: Names.HaveFolders,
		is: func(r Request, p string) bool {
			p = strings.Trim(p, "/")
			return p != "" && (r.Folder == p || strings.HasPrefix(r.Folder, p+"/"))
		}}
}

// A Case is one way of [Route]. Make it with [When].
type Case struct {
	match Match
	p     Policy
	named NameMatch // what match was made of; the zero value: a function
}

// When sends what matches to p: by [AssignmentIs], [NameIs] or [FolderIs], or by a
// function of your own.
func When[M Matcher](m M, p Policy) Case {
	switch m := any(m).(type) {
	case NameMatch:
		return Case{match: m.Matches, p: p, named: m}
	case Match:
		return Case{match: m, p: p}
	case func(Request) bool:
		return Case{match: m, p: p}
	}
	return Case{p: p}
}

// Route sends each request to the policy of the first case that matches, and
// stays with it: one that has no opinion there has none at all. About a request
// that no case matches Route has no opinion.
func Route(cases ...Case) Policy { return route(slices.Clone(cases)) }

type route []Case

func (r route) Decide(ctx context.Context, req Request) (Decision, error) {
	if r.Validate() != nil {
		return Decision{}, errUnusable
	}
	for i, c := range r {
		if c.match(req) {
			return decide(ctx, fmt.Sprintf("Route[%d]", i+1), c.p, req)
		}
	}
	return Pass().Via("Route"), nil
}

// Vetoes asks the policy that the request goes to.
func (r route) Vetoes(req Request) bool {
	for _, c := range r {
		if c.match != nil && c.match(req) {
			return Vetoes(c.p, req)
		}
	}
	return false
}

// Foresee knows what the policy does for certain that the request goes to.
func (r route) Foresee(req Request, at time.Time) (Verdict, bool) {
	for _, c := range r {
		if c.match != nil && c.match(req) {
			return Foresee(c.p, req, at)
		}
	}
	return Passed, true
}

func (r route) Validate() error {
	if len(r) == 0 {
		return errors.New("Route: no cases")
	}
	var errs []error
	for i, c := range r {
		if c.match == nil {
			errs = append(errs, fmt.Errorf("Route: case %d matches nothing", i+1))
		}
		errs = append(errs, validate("Route", c.p))
	}
	return errors.Join(errs...)
}

func (route) String() string { return "Route" }

// Answers answers questions that are known, by their exact text, on behalf of
// by. A request with a question that is not known, or whose options do not hold
// the known answer, or that no answer fits without a doubt (see
// [Request.CheckAnswers]), is left to others, and so are approvals, and all that a Job
// asks to which a model has said something since its start (its FollowUp).
func Answers(by string, known map[string]string) Policy {
	return fixedAnswers{by, maps.Clone(known)}
}

type fixedAnswers struct {
	by    string
	known map[string]string
}

func (f fixedAnswers) Decide(_ context.Context, req Request) (Decision, error) {
	if f.Validate() != nil {
		return Decision{}, errUnusable
	}
	if req.Kind != duvo.Question || len(req.Questions) == 0 || req.FollowUp != "" {
		return Pass().Via("Answers"), nil
	}
	answers := map[string]string{}
	for _, q := range req.Questions {
		a, ok := f.known[q.Question]
		if !ok {
			return Pass().Via("Answers"), nil
		}
		answers[q.Question] = a
	}
	if err := req.CheckAnswers(answers); err != nil {
		d := Pass().Via("Answers")
		d.Reason = SafeLine(err.Error(), 500)
		return d, nil
	}
	d := Answer(f.by, answers)
	d.Source = SourcePolicy
	return d.Via("Answers"), nil
}

// Foresee knows: it is the request alone that decides.
func (f fixedAnswers) Foresee(req Request, _ time.Time) (Verdict, bool) {
	d, err := f.Decide(context.Background(), req)
	return d.Verdict, err == nil
}

func (f fixedAnswers) Validate() error {
	switch {
	case PersonKey(f.by) == "":
		return errors.New("Answers: it is not said on whose behalf")
	case len(f.known) == 0:
		return errors.New("Answers: no answers")
	}
	return nil
}

func (fixedAnswers) String() string { return "Answers" }
