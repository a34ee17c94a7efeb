package engine

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// An observer that stands still holds a bounded number of bytes of what Jobs say.
// Every event but live messages is told all the same, and whole again once it has
// caught up.
func TestAnObserverThatStandsStill(t *testing.T) {
	var log bytes.Buffer
	stand, tells := make(chan struct{}), make(chan outcome.Event)
	q := newEventQueue(func(e outcome.Event) {
		<-stand
		tells <- e
	}, slog.New(slog.NewTextHandler(&log, nil)), lifetime.NewLifetime())
	text := strings.Repeat("x", 1<<20)
	finished := func(i int) outcome.Event {
		return outcome.Event{Kind: outcome.EventFinished, Key: fmt.Sprint(i), Result: &outcome.Result{Outcome: outcome.OutcomeCompleted, Output: text,
			Messages: []duvo.Message{{Text: text}}}}
	}
	const n = 100
	for i := range n {
		q.send(outcome.Event{Kind: outcome.EventMessage, Key: fmt.Sprint(i), Message: &duvo.Message{Text: text}})
		q.send(finished(i))
	}
	q.mu.Lock()
	kept := int64(0)
	for _, e := range q.waiting {
		kept += saidIn(&e.Event)
	}
	require.Equal(t, kept, q.bytes)
	require.LessOrEqual(t, kept, int64(maxWaiting))
	require.Greater(t, kept, int64(maxWaiting/2))
	q.mu.Unlock()
	require.Equal(t, 1, strings.Count(log.String(), "far behind"))

	close(stand)
	ends := map[string]bool{}
	for len(ends) < n {
		e := <-tells
		if e.Kind != outcome.EventFinished {
			continue
		}
		require.Equal(t, outcome.OutcomeCompleted, e.Result.Outcome)
		require.Equal(t, e.Result.Output == "", strings.Contains(e.Result.Note, "left out"))
		ends[e.Key] = true
	}
	require.NoError(t, q.close(t.Context()))
	require.Zero(t, q.bytes)
	q.send(finished(n))
	require.Equal(t, text, (<-tells).Result.Output)
	require.NoError(t, q.close(t.Context()))
}
