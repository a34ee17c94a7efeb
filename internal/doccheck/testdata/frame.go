// Package p is what every snippet of the documentation may use without saying where it
// comes from.
package p

import (
	"context"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/tmc/langchaingo/llms"
)

var (
	ctx            context.Context
	client         *duvo.Client
	reg            *duvotool.Registry
	tool           *duvotool.Tool
	operator       hitl.Policy
	model          llms.Model
	refunds        string // the ID of an Assignment
	complaint      string
	conversationID string
)

// Small is the policy of docs/policies.md, which its test tests.
func Small(refunds string, limit int, ask hitl.PolicyFunc) hitl.Policy { return nil }
