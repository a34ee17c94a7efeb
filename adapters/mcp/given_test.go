package mcp

import (
	"context"
	"testing"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// What was asked and answered is not kept with a thread once a policy has it: a
// server keeps thousands of threads. What no policy has yet is kept for the next ask.
func TestGivenAnswersAreNotKept(t *testing.T) {
	s, err := newServer(nil)
	require.NoError(t, err)
	kept := func(th *thread) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return th.given != nil
	}
	for _, taken := range []bool{true, false} {
		th := newThread()
		ctx, end := context.WithCancel(t.Context())
		a := &ask{ctx: ctx, req: hitl.Request{Input: "order 4711"}, reply: make(chan formAnswer, 1)}
		s.mu.Lock()
		s.give(th, a, formAnswer{})
		s.mu.Unlock()
		<-a.reply
		require.True(t, kept(th))
		a.taken.Store(taken)
		end()
		if taken {
			require.Eventually(t, func() bool { return !kept(th) }, time.Minute, time.Millisecond)
			continue
		}
		again := &ask{ctx: t.Context(), req: a.req, reply: make(chan formAnswer, 1)}
		require.True(t, s.giveAgain(th, again))
		s.dropForms(th) // its Job has ended
		require.False(t, kept(th))
	}
}
