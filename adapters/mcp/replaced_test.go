package mcp

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// An answer to a call that was replaced goes to the one that asks the same, once: not to
// another text, not twice, not later than it is good for, and never where the call that
// asked has it.
func TestAnAnswerOfACallThatWasReplaced(t *testing.T) {
	yes := formAnswer{content: map[string]any{"approve": true}}
	asked := hitl.Request{JobID: "j", ID: "r", Kind: duvo.Approval, Title: "Refund 120 EUR"}
	changed := asked
	changed.Title = "Refund 900 EUR"
	another := asked
	another.JobID = "k"
	for name, c := range map[string]struct {
		answer  formAnswer
		taken   bool // by the call that asked
		stays   bool // that call has not left
		later   time.Duration
		request hitl.Request
		given   bool
	}{
		"the same":                    {answer: yes, request: asked, given: true},
		"a no":                        {answer: formAnswer{why: declined, declined: true}, request: asked, given: true},
		"another text":                {answer: yes, request: changed},
		"another Job":                 {answer: yes, request: another},
		"the call has it":             {answer: yes, request: asked, taken: true},
		"the call is there":           {answer: yes, request: asked, stays: true},
		"just in time":                {answer: yes, request: asked, later: keptAnswer - time.Second, given: true},
		"too late":                    {answer: yes, request: asked, later: keptAnswer},
		"the host that could not ask": {answer: formAnswer{why: askingFailed}, request: asked},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, th := &Server{log: slog.New(slog.DiscardHandler)}, newThread()
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				first := &ask{ctx: ctx, req: asked, reply: make(chan formAnswer, 1), form: formOf(asked, true)}
				s.give(th, first, c.answer, time.Now())
				if c.taken {
					require.True(t, first.take())
				}
				if !c.stays {
					leave()
				}
				time.Sleep(c.later)
				left, cancel := context.WithCancel(t.Context())
				second := &ask{ctx: left, req: c.request, reply: make(chan formAnswer, 1)}
				require.Equal(t, c.given, s.giveAgain(th, second))
				if !c.given {
					cancel()
					require.Empty(t, second.reply)
					return
				}
				require.Equal(t, c.answer, <-second.reply)
				require.Same(t, first.form, second.form)
				require.False(t, first.take(), "it is the second's now")
				third := &ask{ctx: t.Context(), req: c.request, reply: make(chan formAnswer, 1)}
				require.False(t, s.giveAgain(th, third), "the second has it")
				cancel() // and leaves before its policy took it
				require.Equal(t, c.later == 0, func() bool { time.Sleep(time.Minute); return s.giveAgain(th, third) }(), "its time goes on from when it was given")
				require.Equal(t, c.later > 0, second.take())
			})
		})
	}
}

// Of a call that takes its answer as it leaves, and the next one, exactly one has it.
func TestOneOfTwoHasTheAnswer(t *testing.T) {
	req := hitl.Request{JobID: "j", ID: "r", Kind: duvo.Approval, Title: "Refund 120 EUR"}
	for range 2000 {
		s, th := &Server{log: slog.New(slog.DiscardHandler)}, newThread()
		ctx, leave := context.WithCancel(t.Context())
		leave()
		first := &ask{ctx: ctx, req: req, reply: make(chan formAnswer, 1)}
		s.give(th, first, formAnswer{content: map[string]any{"approve": true}}, time.Now())
		var had atomic.Int32
		var both sync.WaitGroup
		both.Go(func() {
			if first.take() {
				had.Add(1)
			}
		})
		for range 2 {
			both.Go(func() {
				if s.giveAgain(th, &ask{ctx: t.Context(), req: req, reply: make(chan formAnswer, 1)}) {
					had.Add(1)
				}
			})
		}
		both.Wait()
		require.Equal(t, int32(1), had.Load())
	}
}
