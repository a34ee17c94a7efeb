package hitl

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/safetext"
)

// Grants is a policy of standing decisions that a person made: what they
// approved once may be approved again, or must never be. It has no opinion
// about anything else. A grant that denies wins over all that allow.
//
// A grant is for the exact content of a request ([Grants.Exactly]), of which one
// changed character asks a person again, or for whatever a function accepts
// ([Grants.Where]). One that allows is for the requests of one tenant, so that
// nobody approves what another tenant's Job asks. The grants are kept in this
// process.
type Grants struct {
	mu    sync.Mutex
	all   []*grant
	names []Names // of the registries that use it
}

// NewGrants returns a policy without any grant.
func NewGrants() *Grants { return &Grants{} }

// A Grant is a standing decision.
type Grant struct {
	ID           string    `json:"id"`
	By           string    `json:"by"` // the person who gave it
	Denies       bool      `json:"denies,omitempty"`
	Tenant       string    `json:"tenant,omitempty"` // whose requests it is for; see [Terms]
	AnyTenant    bool      `json:"any_tenant,omitempty"`
	AssignmentID string    `json:"assignment_id"`
	Digest       string    `json:"digest,omitempty"` // of [Grants.Exactly]: the content digest
	What         string    `json:"what"`             // in words
	Created      time.Time `json:"created"`
	Until        time.Time `json:"until,omitzero"`       // zero: no end
	Uses         int       `json:"uses,omitempty"`       // left; zero: no limit
	FollowUps    bool      `json:"follow_ups,omitempty"` // it holds also for requests with a FollowUp
}

type grant struct {
	Grant
	limited  bool
	optional bool
	where    func(Request) bool
}

// Terms bound a grant. The zero Terms allow without an end and a limit, what
// callers without a tenant ask for.
type Terms struct {
	// Tenant is the Caller's tenant of the requests that the grant is for. Exactly
	// takes it from its request, and refuses another one here. Empty: an allowing
	// grant is for callers without a tenant alone, and one that denies for all.
	Tenant    string `json:"tenant,omitempty"`
	AnyTenant bool   `json:"any_tenant,omitempty"` // it is for all tenants: of a person who may approve for all of them

	Until  time.Time `json:"until,omitzero"`   // zero: no end
	Uses   int       `json:"uses,omitempty"`   // how many approvals; zero: no limit
	Denies bool      `json:"denies,omitempty"` // it denies instead

	// FollowUps lets a grant of Where hold also for requests with a FollowUp, in
	// which a model may have said anything to the Job since its start. One that
	// denies, or is for exactly one content, need not say so.
	FollowUps bool `json:"follow_ups,omitempty"`

	// Optional allows Where an ID that no Assignment has.
	Optional bool `json:"optional,omitempty"`
}

// Exactly grants what req says, to the last character: the same Assignment and
// Build, started with the same input, told the same since, asking with the same
// text. by is the person who decided so; the grant is for the tenant of the
// request's caller. It returns the grant's ID.
func (g *Grants) Exactly(by string, req Request, t Terms) (string, error) {
	if req.Kind != duvo.Approval && !t.Denies {
		return "", errors.New("duvotool: only approvals can be granted; questions need answers")
	}
	if tenant := req.Caller.Tenant; !t.AnyTenant {
		if t.Tenant != "" && t.Tenant != tenant {
			return "", fmt.Errorf("duvotool: the terms are for the tenant %q, and the request is of %q", SafeLine(t.Tenant, 80), SafeLine(tenant, 80))
		}
		t.Tenant = tenant
	}
	d := req.ContentDigest()
	return g.add(by, req.Assignment.ID, t, &grant{Grant: Grant{Digest: d, What: "exactly " + SafeLine(req.Title, 200), FollowUps: true},
		where: func(r Request) bool { return r.ContentDigest() == d }})
}

// Where grants requests of one Assignment, by its ID, and of the tenant in the
// terms, for which accept returns true; what tells in words which these are.
// Requests with a FollowUp are not among them unless the terms say so. accept
// must be safe for concurrent use.
//
// An ID that no Assignment has is refused, unless the Terms say that it is
// optional: where the grants are in use already, at once, and else when the
// registry is made.
func (g *Grants) Where(by, assignmentID, what string, accept func(Request) bool, t Terms) (string, error) {
	if accept == nil || strings.TrimSpace(what) == "" {
		return "", errors.New("duvotool: a grant needs a function, and words that say what it grants")
	}
	return g.add(by, assignmentID, t, &grant{Grant: Grant{What: what}, where: accept, optional: t.Optional})
}

func (g *Grants) add(by, assignmentID string, t Terms, gr *grant) (string, error) {
	switch {
	case PersonKey(by) == "":
		return "", errors.New("duvotool: a grant needs the person who gives it")
	case t.AnyTenant && t.Tenant != "":
		return "", errors.New("duvotool: a grant is for one tenant or for all of them")
	case strings.TrimSpace(assignmentID) == "":
		return "", errors.New("duvotool: a grant needs the ID of an Assignment")
	case t.Uses < 0 || t.Denies && t.Uses > 0:
		return "", fmt.Errorf("duvotool: a grant for %s cannot be", safetext.Count(t.Uses, "use", "uses"))
	case !t.Until.IsZero() && !time.Now().Before(t.Until):
		return "", errors.New("duvotool: the grant has ended before it began")
	}
	gr.ID, gr.By, gr.AssignmentID, gr.Created = rand.Text(), by, assignmentID, time.Now()
	gr.FollowUps = gr.FollowUps || t.FollowUps || t.Denies
	gr.Until, gr.Uses, gr.Denies, gr.limited = t.Until, t.Uses, t.Denies, t.Uses > 0
	gr.Tenant, gr.AnyTenant = t.Tenant, t.AnyTenant || t.Denies && t.Tenant == ""
	g.mu.Lock()
	defer g.mu.Unlock()
	if gr.Digest == "" && !gr.optional {
		if err := g.known(assignmentID); err != nil {
			return "", fmt.Errorf("duvotool: the grant: %w; correct it, or say so by Terms.Optional", err)
		}
	}
	g.all = append(g.all, gr)
	return gr.ID, nil
}

// List returns the grants that hold, oldest first.
func (g *Grants) List() []Grant {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expire()
	out := []Grant{} // [] in JSON, not null
	for _, gr := range g.all {
		out = append(out, gr.Grant)
	}
	return out
}

// Revoke takes a grant back; false if there is none with this ID. An approval
// that was already decided by it is not taken back.
func (g *Grants) Revoke(id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := len(g.all)
	g.all = slices.DeleteFunc(g.all, func(gr *grant) bool { return gr.ID == id })
	return len(g.all) < before
}

// expire drops what has ended or is used up. Called with mu held.
func (g *Grants) expire() {
	now := time.Now()
	g.all = slices.DeleteFunc(g.all, func(gr *grant) bool {
		return !gr.Until.IsZero() && !now.Before(gr.Until) || gr.limited && gr.Uses == 0
	})
}

// Decide approves or denies what a grant is for.
func (g *Grants) Decide(_ context.Context, req Request) (Decision, error) {
	// The functions are the host's: they are not called with the lock held.
	g.mu.Lock()
	g.expire()
	all := slices.Clone(g.all)
	g.mu.Unlock()
	var allowing []*grant
	for _, gr := range all {
		if !gr.isFor(req) {
			continue
		}
		if gr.Denies {
			return gr.decision(Denied), nil
		}
		allowing = append(allowing, gr)
	}
	if req.Kind == duvo.Approval {
		for _, gr := range allowing {
			if g.use(gr) {
				return gr.decision(Approved), nil
			}
		}
	}
	return Pass().Via("Grants"), nil
}

// Vetoes reports whether a grant that denies is for the request.
func (g *Grants) Vetoes(req Request) bool {
	g.mu.Lock()
	g.expire()
	all := slices.Clone(g.all)
	g.mu.Unlock()
	return slices.ContainsFunc(all, func(gr *grant) bool {
		return gr.Denies && gr.isFor(req)
	})
}

// isFor reports whether the grant is for the request.
func (gr *grant) isFor(req Request) bool {
	return (gr.AnyTenant || gr.Tenant == req.Caller.Tenant) && strings.EqualFold(gr.AssignmentID, req.Assignment.ID) &&
		(req.FollowUp == "" || gr.FollowUps) && gr.where(req)
}

// use takes one of the grant's uses; false if it holds no longer.
func (g *Grants) use(gr *grant) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expire()
	if !slices.Contains(g.all, gr) {
		return false
	}
	if gr.limited {
		gr.Uses--
	}
	return true
}

func (gr *grant) decision(v Verdict) Decision {
	return Decision{Verdict: v, By: gr.By, Source: SourcePolicy, Path: "Grants",
		Reason: fmt.Sprintf("standing grant %s of %s: %s", gr.ID, gr.Created.Format(time.RFC3339), gr.What)}
}

// String names the policy.
func (g *Grants) String() string { return "Grants" }
