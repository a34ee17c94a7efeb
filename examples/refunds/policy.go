package refunds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// policy is who decides: a rule up to UpTo, and a person about all else.
func (c Config) policy() hitl.Policy {
	return hitl.FirstOf(
		hitl.AutoApprove(hitl.For(c.Assignment).When(c.small).Named("small refunds")),
		c.person(),
	)
}

// small reports whether what is asked for is exactly what Refund was called with, and no
// more than UpTo. The input is ours; the title is what the worker says it will do.
func (c Config) small(r hitl.Request) bool {
	var o order
	return json.Unmarshal([]byte(r.Input), &o) == nil && r.Title == title(o) && o.Cents > 0 && o.Cents <= c.UpTo
}

// title is how the Assignment asks before it pays.
func title(o order) string {
	return fmt.Sprintf("Refund %d.%02d EUR for order %s", o.Cents/100, o.Cents%100, o.Order)
}

func (c Config) person() hitl.Policy {
	if c.Ask == nil {
		return hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })
	}
	return hitl.Forward(func(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
		by, yes, err := c.Ask(ctx, r.String())
		switch {
		case err != nil:
			return hitl.Decision{}, err
		case yes:
			return hitl.Approve(by, ""), nil
		}
		return hitl.Deny(by, ""), nil
	})
}

// failed turns an error into one of this package's.
func failed(ctx context.Context, err error) error {
	var input *outcome.InputError
	switch {
	case errors.Is(err, outcome.ErrKeyReused):
		return ErrOther
	case errors.As(err, &input):
		return fmt.Errorf("%w: %s", ErrInvalid, hitl.SafeLine(input.Problem, 300))
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ErrUnfinished, context.Cause(ctx))
	}
	return fmt.Errorf("%w: %s", ErrUnfinished, hitl.SafeLine(err.Error(), 300))
}

// why tells who denied it, or else what the shop says.
func why(res *outcome.Result, p paid) string {
	for _, d := range res.Decisions {
		if d.Verdict == hitl.Denied {
			return "denied by " + hitl.SafeLine(d.By, 100)
		}
	}
	return hitl.SafeLine(p.Why, 200)
}
