package hitl

import (
	"errors"
	"fmt"
	"slices"
)

// checkNames asks the policies that another one is made of what they name and
// nothing has.
func checkNames(n Names, what string, policies ...Policy) error {
	var errs []error
	for _, p := range policies {
		if err := CheckNames(p, n); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	return errors.Join(errs...)
}

// CheckNames asks the cases: what they match by, and their policies.
func (r route) CheckNames(n Names) error {
	var errs []error
	for i, c := range r {
		what := fmt.Sprintf("Route: case %d", i+1)
		if err := c.named.CheckNames(n); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
		errs = append(errs, checkNames(n, what, c.p))
	}
	return errors.Join(errs...)
}

// CheckNames asks both.
func (t timeout) CheckNames(n Names) error {
	return checkNames(n, "Timeout", t.p, t.fallback)
}

// CheckNames asks both.
func (b *budget) CheckNames(n Names) error { return checkNames(n, "Budget", b.p, b.then) }

// CheckNames asks all.
func (q quorum) CheckNames(n Names) error { return checkNames(n, "Quorum", q.approvers...) }

// CheckNames asks all.
func (e escalate) CheckNames(n Names) error {
	all := []Policy{e.first}
	for _, s := range e.steps {
		all = append(all, s.ask)
	}
	return checkNames(n, "Escalate", all...)
}

// CheckNames refuses grants of [Grants.Where] for an ID that no Assignment has, in
// none of the registries that use the grants, and has later ones checked too.
func (g *Grants) CheckNames(n Names) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expire()
	if !slices.Contains(g.names, n) {
		g.names = append(g.names, n)
	}
	var errs []error
	for _, gr := range g.all {
		if gr.Digest != "" || gr.optional { // one for a request that was there names nothing by hand
			continue
		}
		if err := g.known(gr.AssignmentID); err != nil {
			errs = append(errs, fmt.Errorf("Grants: %q: %w", SafeLine(gr.What, 80), err))
		}
	}
	return errors.Join(errs...)
}

// known returns an error for an ID that none of the open registries knows which
// use the grants. Called with mu held.
func (g *Grants) known(id string) error {
	g.names = slices.DeleteFunc(g.names, Names.Closed)
	var err error
	for _, n := range g.names {
		if err = n.HaveIDs(id); err == nil {
			return nil
		}
	}
	return err
}
