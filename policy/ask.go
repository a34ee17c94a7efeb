package policy

import (
	"context"
	"errors"
	"fmt"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/internal/track"
)

// An answer is what a policy said, and which one.
type answer struct {
	from int
	d    duvotool.Decision
	err  error
}

// ask asks a policy in a goroutine of its own. A panic is its error.
func ask(ctx context.Context, from int, p duvotool.Policy, req duvotool.Request, to chan<- answer) {
	track.Go(ctx, "policy "+name(p), func() {
		a := answer{from: from}
		func() {
			defer func() {
				if v := recover(); v != nil {
					a.err = fmt.Errorf("%w: %s", duvotool.ErrPolicyPanic, duvotool.SafeLine(fmt.Sprint(v), 500))
				}
			}()
			a.d, a.err = p.Decide(ctx, req)
		}()
		if a.err == nil {
			a.err = a.d.Check(req)
		}
		if a.err == nil && a.d.Path == "" {
			a.d.Path = name(p)
		}
		to <- a // buffered for all that are ever asked
	})
}

func name(p duvotool.Policy) string {
	if s, ok := p.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", p)
}

// validate checks what a policy is made of.
func validate(what string, policies ...duvotool.Policy) error {
	var errs []error
	for i, p := range policies {
		if p == nil {
			errs = append(errs, fmt.Errorf("%s: policy %d is nil", what, i+1))
			continue
		}
		if v, ok := p.(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", what, err))
			}
		}
	}
	return errors.Join(errs...)
}

// decide asks one policy in this goroutine and adds to the decision's path.
func decide(ctx context.Context, via string, p duvotool.Policy, req duvotool.Request) (duvotool.Decision, error) {
	d, err := p.Decide(ctx, req)
	if d.Path == "" {
		d.Path = name(p)
	}
	return d.Via(via), err
}

// vetoed asks the policies for a denial that stands, before anybody is asked.
func vetoed(ctx context.Context, via string, req duvotool.Request, among ...duvotool.Policy) (d duvotool.Decision, is bool, err error) {
	i, d, err := duvotool.Veto(ctx, req, among...)
	if i < 0 {
		return duvotool.Decision{}, false, nil
	}
	return d.Via(via), true, err
}

// errUnusable is what a policy returns that was not made by its constructor,
// or with what Validate refuses.
var errUnusable = errors.New("policy: it is not usable; see its Validate")
