package duvotool_test

import (
	"fmt"
	"os"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

var reader = duvotest.Assignment{ID: refundsID, Name: "Reader", Description: "Reads files.", Script: func(j *duvotest.Job) {
	j.Sleep(time.Second)
	j.Complete(fmt.Sprint(len(j.Files())) + " files")
}}

func TestWithFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(reader))
		defer d.Close()
		reg := open(t, d.Client(), journal.NewMemory())
		defer shut(t, reg)
		files := fstest.MapFS{"orders.csv": {Data: []byte("1,2")}, "sub/more.txt": {Data: []byte("x")}}
		ctx := duvotool.WithFiles(duvotool.WithOperationKey(t.Context(), "k"), files)
		d.Inject(duvotest.Fault{Op: "createSandbox", Kind: duvotest.ResetAfter}, duvotest.Fault{Op: "uploadSandboxFile", Kind: duvotest.StatusBefore})
		for range 2 {
			res, err := reg.All()[0].Run(ctx, "read")
			require.NoError(t, err)
			require.Equal(t, "2 files", res.Output)
		}
		require.Len(t, d.Jobs(), 1)
		require.NotEmpty(t, d.Jobs()[0].SandboxID)

		bad := duvotool.WithFiles(t.Context(), fstest.MapFS{"link": {Mode: os.ModeSymlink}})
		_, err := reg.All()[0].Run(bad, "read")
		require.ErrorContains(t, err, "link")
		require.Len(t, d.Jobs(), 1)

		f := &fake{job: ended(duvo.StatusCompleted)}
		other := discover(t, f)
		_, err = other.All()[0].Run(ctx, "read")
		require.ErrorContains(t, err, "cannot stage files")
		require.Zero(t, f.starts)
		_, err = duvotool.Discover(t.Context(), f, duvotool.WithMarkedStarts())
		require.ErrorContains(t, err, "WithMarkedStarts")
	})
}

// TestMarkedStarts: on a server that does not honour keys, a start whose answer
// was lost is found by its sandbox, and its twin is not mistaken for it.
func TestMarkedStarts(t *testing.T) {
	for _, kind := range []duvotest.FaultKind{duvotest.ResetBefore, duvotest.ResetAfter, duvotest.StatusAfter, duvotest.Truncate} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(reader), duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}))
				defer d.Close()
				reg := open(t, d.Client(), journal.NewMemory(), duvotool.WithMarkedStarts())
				defer shut(t, reg)
				_, err := d.StartElsewhere(refundsID, "read")
				require.NoError(t, err)
				d.Inject(duvotest.Fault{Op: "startRun", Kind: kind}, duvotest.Fault{Op: "listRuns", Kind: duvotest.StatusBefore})
				res, err := reg.All()[0].Run(t.Context(), "read")
				require.NoError(t, err)
				require.Equal(t, "0 files", res.Output)
				require.Len(t, d.Jobs(), 2)
				require.Equal(t, res.JobID, d.Jobs()[1].ID)
			})
		})
	}
}

// TestMarkedStartThatCannotBeLookedFor is unknown, and not sent again.
func TestMarkedStartThatCannotBeLookedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(reader), duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}), duvotest.WithForbidden("listRuns"))
		defer d.Close()
		reg := open(t, d.Client(), journal.NewMemory(), duvotool.WithMarkedStarts())
		defer shut(t, reg)
		d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.ResetAfter})
		res, err := reg.All()[0].Run(t.Context(), "read")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeUnknown, res.Outcome)
		require.Len(t, d.Jobs(), 1)
	})
}

// TestDeathWhileKeysAreIgnored kills the process at every step of a start.
func TestDeathWhileKeysAreIgnored(t *testing.T) {
	for _, at := range []string{"before put 1", "after put 1", "before start", "after start", "before put 2", "after put 2"} {
		t.Run(at, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignment(slowRefunds), duvotest.WithProfile(duvotest.Profile{Idempotency: duvotest.KeysIgnored}))
				defer d.Close()
				journal := journal.NewMemory()
				res, end, err := callIn(t, newProcess(journal, d.Client(), at), "k", "1 EUR", duvotool.WithMarkedStarts())
				require.True(t, err != nil || res.Outcome == outcome.OutcomeUnknown)
				end()
				res, end, err = callIn(t, newProcess(journal, d.Client(), ""), "k", "1 EUR", duvotool.WithMarkedStarts())
				defer end()
				require.NoError(t, err)
				require.Equal(t, "refunded 1 EUR", res.Output)
				require.Len(t, d.Jobs(), 1)
			})
		})
	}
}
