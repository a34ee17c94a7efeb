package catalog

import (
	"errors"
	"testing"

	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// A question of what may have been meant is a sentence, and what is to be done another.
func TestUnmatchedReadsAsSentences(t *testing.T) {
	near := &hitl.NoMatchError{Kind: hitl.KindName, Name: "Refnds", Near: []string{`"Refunds"`}}
	far := &hitl.NoMatchError{Kind: hitl.KindName, Name: "Payroll"}
	for want, missing := range map[string][]error{
		`duvotool: no Assignment has the name "Refnds"; is it "Refunds"? Correct it, or where it may be missing say so with Optional`:                                       {near},
		`duvotool: no Assignment has the name "Payroll"; correct it, or where it may be missing say so with Optional`:                                                       {far},
		`duvotool: no Assignment has the name "Refnds"; is it "Refunds"? no Assignment has the name "Payroll"; correct it, or where it may be missing say so with Optional`: {near, far},
		`duvotool: no Assignment has the name "Payroll"; no Assignment has the name "Refnds"; is it "Refunds"? Correct it, or where it may be missing say so with Optional`: {far, near},
	} {
		err := Unmatched(missing)
		require.EqualError(t, err, want)
		var found *hitl.NoMatchError
		require.True(t, errors.As(err, &found))
	}
}
