package hitl

import (
	"context"
	"errors"
	"fmt"

	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/track"
)

// An answer is what a policy said, and which one.
type answer struct {
	from int
	d    Decision
	err  error
}

// ask asks a policy in a goroutine of its own. A panic is its error, and so is the
// end of the goroutine.
func ask(ctx context.Context, from int, p Policy, req Request, to chan<- answer) {
	track.Go(ctx, "policy "+name(p), func() {
		a := answer{from: from}
		guard.Then(ErrPolicyPanic, func() (err error) {
			a.d, err = p.Decide(ctx, req.Clone())
			if err == nil {
				err = a.d.Check(req)
			}
			if err == nil && a.d.Path == "" {
				a.d.Path = name(p)
			}
			return err
		}, func(err error) {
			a.err = err
			to <- a // buffered for all that are ever asked
		})
	})
}

func name(p Policy) string {
	if s, ok := p.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", p)
}

// validate checks what a policy is made of.
func validate(what string, policies ...Policy) error {
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
func decide(ctx context.Context, via string, p Policy, req Request) (Decision, error) {
	d, err := p.Decide(ctx, req.Clone())
	if d.Path == "" {
		d.Path = name(p)
	}
	return d.Via(via), err
}

// vetoed asks the policies for a denial that stands, before anybody is asked.
func vetoed(ctx context.Context, via string, req Request, among ...Policy) (d Decision, is bool, err error) {
	i, d, err := Veto(ctx, req, among...)
	if i < 0 {
		return Decision{}, false, nil
	}
	return d.Via(via), true, err
}

// errUnusable is what a policy returns that was not made by its constructor,
// or with what Validate refuses.
var errUnusable = errors.New("duvotool: it is not usable; see its Validate")
