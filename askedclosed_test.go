package duvotool_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// TestWhatSomebodyAsksForEndsWithClose: what a person has the registry read, to find
// what became of an operation, is cut short by Close, and not begun after it.
func TestWhatSomebodyAsksForEndsWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.ResetAfter}, duvotest.Fault{Op: "startRun", Kind: duvotest.StatusBefore, Status: 403})
		reg := open(t, d.Client(), journal.NewMemory(), approveAfter(time.Second, nil))
		_, err := reg.All()[0].Run(duvotool.WithOperationScope(t.Context(), "conversation"), "1 EUR")
		require.NoError(t, err)
		require.Len(t, reg.Jobs(), 1)
		unknown, job := reg.Jobs()[0], d.Jobs()[0].ID
		ask := map[string]func() error{
			"candidates": func() error { _, err := reg.Candidates(t.Context(), unknown); return err },
			"reconcile":  func() error { return reg.Reconcile(t.Context(), unknown, job, "kim") },
		}
		d.Inject(duvotest.Fault{Op: "listRuns", Kind: duvotest.Hang, Times: -1}, duvotest.Fault{Op: "getRun", Kind: duvotest.Hang, Times: -1})
		cut := make(chan error, len(ask))
		for _, f := range ask {
			go func() { cut <- f() }()
		}
		time.Sleep(time.Second)
		began := time.Now()
		shut(t, reg)
		require.Zero(t, time.Since(began))
		for range ask {
			require.ErrorIs(t, <-cut, outcome.ErrClosed)
		}
		reads := d.Count("listRuns") + d.Count("getRun")
		for name, f := range ask {
			require.ErrorIs(t, f(), outcome.ErrClosed, name)
		}
		require.Equal(t, reads, d.Count("listRuns")+d.Count("getRun"), "nothing is asked after Close")
	})
}
