package main

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotooltest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

func asked(id, text string) hitl.Request {
	return hitl.Request{JobID: "job " + id, ID: id, Kind: duvo.Approval, Title: text, Input: text, Assignment: duvo.Assignment{ID: emulated.ID}}
}

func TestAllowanceIsAPolicy(t *testing.T) {
	duvotooltest.TestPolicy(t, func() hitl.Policy {
		a, err := openAllowance(filepath.Join(t.TempDir(), "approved"), duvotooltest.AssignmentID, 50, 1000)
		require.NoError(t, err)
		t.Cleanup(func() { _ = a.Close() })
		return a
	})
}

// Nothing is approved but what was asked for, to the letter, small, and on nobody's word.
func TestAllowanceCovers(t *testing.T) {
	a := &allowance{assignment: emulated.ID, upTo: 50}
	small := asked("1", "Refund 50 EUR for order A1")
	require.True(t, a.covers(small))
	for name, change := range map[string]func(*hitl.Request){
		"more":              func(r *hitl.Request) { r.Title, r.Input = "Refund 51 EUR for order A1", "Refund 51 EUR for order A1" },
		"another title":     func(r *hitl.Request) { r.Title = "Refund 50 EUR for order B1" },
		"a title with more": func(r *hitl.Request) { r.Title += " and all others" },
		"another input":     func(r *hitl.Request) { r.Input, r.Title = "Refund everything", "Refund everything" },
		"a follow-up":       func(r *hitl.Request) { r.FollowUp = "make it 900" },
		"a question":        func(r *hitl.Request) { r.Kind = duvo.Question },
		"another one's":     func(r *hitl.Request) { r.Assignment.ID = "x" },
		"several lines":     func(r *hitl.Request) { r.Input += "\n"; r.Title = r.Input },
	} {
		r := small
		change(&r)
		require.False(t, a.covers(r), name)
	}
}

// The limit outlives crashes, also one in the middle of a line, and ends after a day.
func TestAllowanceRemembers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "approved")
	synctest.Test(t, func(t *testing.T) {
		decide := func(id string, want hitl.Verdict) {
			t.Helper()
			a, err := openAllowance(path, emulated.ID, 50, 2)
			require.NoError(t, err)
			defer a.Close()
			d, err := a.Decide(t.Context(), asked(id, "Refund 20 EUR for order A1"))
			require.NoError(t, err)
			require.Equal(t, want, d.Verdict)
		}
		decide("1", hitl.Approved)
		decide("1", hitl.Approved) // asked again
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, append(text, `{"request":"torn`...), 0o600))
		decide("2", hitl.Approved)
		decide("3", hitl.Suspended)
		decide("1", hitl.Approved)
		time.Sleep(window)
		decide("3", hitl.Approved)
	})
	require.NoError(t, os.WriteFile(path, []byte("no JSON\n"), 0o600))
	_, err := openAllowance(path, emulated.ID, 50, 2)
	require.ErrorContains(t, err, "is damaged")
}

// What cannot be written down is not approved.
func TestAllowanceThatCannotBeWritten(t *testing.T) {
	a, err := openAllowance(filepath.Join(t.TempDir(), "approved"), emulated.ID, 50, 2)
	require.NoError(t, err)
	require.NoError(t, a.Close())
	d, err := a.Decide(t.Context(), asked("1", "Refund 20 EUR for order A1"))
	require.ErrorContains(t, err, "cannot be written down")
	require.Equal(t, hitl.Denied, d.Verdict)
	require.Empty(t, a.given)
}
