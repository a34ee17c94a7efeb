package duvotool

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// What a policy says because its last caller left is nothing to somebody who calls at
// that very moment: the policy is asked again.
func TestACallThatComesAsTheLastOneLeaves(t *testing.T) {
	for range map[bool]int{true: 10, false: 50}[testing.Short()] {
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{Name: "Refunds", Script: func(j *duvotest.Job) {
				if j.AskApproval("Refund", "") {
					j.Complete("Refunded.")
				}
			}}))
			defer d.Close()
			var asked atomic.Int32
			reg, err := Discover(t.Context(), d.Client(), WithPolicy(hitl.PolicyFunc(func(ctx context.Context, _ Request) (Decision, error) {
				if asked.Add(1) > 1 {
					return Approve("kim@example.com", ""), nil
				}
				select {
				case <-ctx.Done():
					return Decision{}, context.Cause(ctx)
				case <-time.After(time.Hour): // nobody had left before the other came
					return Approve("kim@example.com", ""), nil
				}
			})))
			require.NoError(t, err)
			tool, err := reg.Tool("refunds")
			require.NoError(t, err)
			ctx, leave := context.WithCancel(WithOperationKey(t.Context(), "k"))
			left := make(chan struct{})
			go func() {
				defer close(left)
				_, _ = tool.Run(ctx, "order 4711")
			}()
			for asked.Load() == 0 {
				time.Sleep(time.Second)
			}
			leave()
			res, err := tool.Run(WithOperationKey(t.Context(), "k"), "order 4711")
			require.NoError(t, err)
			require.Equal(t, "Refunded.", res.Output)
			require.Len(t, d.Jobs(), 1)
			require.Equal(t, 1, d.Count("respondToHumanRequest"))
			<-left
			require.NoError(t, reg.Close(context.Background()))
		})
	}
}

// A policy is told what ended the last call, also where another call comes at that very
// moment.
func TestAPolicyIsToldWhyItsLastCallerLeft(t *testing.T) {
	why := errors.New("the host has closed its window")
	for range map[bool]int{true: 10, false: 100}[testing.Short()] {
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{Name: "Refunds", Script: func(j *duvotest.Job) {
				j.AskApproval("Refund", "")
				j.Complete("Refunded.")
			}}))
			defer d.Close()
			var asked atomic.Int32
			told := make(chan error, 1)
			leaving := make(chan struct{})
			ctx, leave := context.WithCancelCause(WithOperationKey(t.Context(), "k"))
			reg, err := Discover(t.Context(), d.Client(), WithPolicy(hitl.PolicyFunc(func(ctx context.Context, _ Request) (Decision, error) {
				if asked.Add(1) > 1 {
					return Approve("kim@example.com", ""), nil
				}
				close(leaving)
				select {
				case <-ctx.Done():
					told <- context.Cause(ctx)
					return Decision{}, context.Cause(ctx)
				case <-time.After(time.Hour): // the other came before
					told <- why
					return Approve("kim@example.com", ""), nil
				}
			})))
			require.NoError(t, err)
			tool, err := reg.Tool("refunds")
			require.NoError(t, err)
			go func() { _, _ = tool.Run(ctx, "order 4711") }()
			<-leaving
			go leave(why)
			res, err := tool.Run(WithOperationKey(t.Context(), "k"), "order 4711")
			require.NoError(t, err)
			require.Equal(t, "Refunded.", res.Output)
			require.ErrorIs(t, <-told, why)
			require.NoError(t, reg.Close(context.Background()))
		})
	}
}
