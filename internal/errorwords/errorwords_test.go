package errorwords

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// Each sentinel of the module has words of its own, in which nothing stands
// that the error was wrapped with.
func TestReasonsOfAllSentinels(t *testing.T) {
	var files []string
	for _, folder := range []string{"", "hitl/", "outcome/", "journal/", "audit/", "duvo/"} {
		found, err := filepath.Glob("../../" + folder + "*.go")
		require.NoError(t, err)
		files = append(files, found...)
	}
	declared := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, s := range g.Specs {
				for _, id := range s.(*ast.ValueSpec).Names {
					if strings.HasPrefix(id.Name, "Err") {
						declared++
					}
				}
			}
		}
	}
	seen := map[error]bool{}
	for _, r := range reasons {
		seen[r.err] = true
		got := Text(&outcome.JobError{Key: "key-of-kim", JobID: "job-77", Err: fmt.Errorf("secret dk_live_1, job-77: %w", r.err)})
		require.Contains(t, got, r.words)
		for _, not := range []string{"dk_live", "key-of-kim", "duvotool", "duvo:"} {
			require.NotContains(t, got, not)
		}
	}
	for _, err := range []error{duvo.ErrUnavailable, duvo.ErrRateLimited, context.Canceled, context.DeadlineExceeded} {
		seen[err] = true // of which the phase may tell more
		require.NotContains(t, Text(fmt.Errorf("secret: %w", err)), "a failure in the program")
	}
	require.Equal(t, declared+2, len(seen), "a sentinel has no words")
}

// What an error says itself is told to no model, unless it was written for one.
func TestText(t *testing.T) {
	secret := errors.New("dial postgres://admin:hunter2@10.0.0.7/approvals")
	for want, err := range map[string]error{
		"": nil,
		"The tool failed. The reason: a failure in the program, which its operators can see.":                                secret,
		"Job j-2 completed, and its answer is not what the program asked for. Do not repeat the call: what it did was done.": &outcome.OutputError{JobID: "j-2", Problem: "hunter2"},
		"The outcome of Job j-3 is stopped.": (&outcome.Result{Outcome: outcome.OutcomeStopped, JobID: "j-3", Note: "hunter2"}).Err(),
		"No Job was started: say more.":      &outcome.InputError{Tool: "refunds", Problem: "say more"},
		"No Job was started. The reason: a failure in the program, which its operators can see.":                                                                                                      &outcome.JobError{Phase: outcome.PhaseNew, Err: secret},
		"It is not known whether a Job was started. Do not repeat the call; a person must look. The reason: the program's journal failed.":                                                            &outcome.JobError{Phase: outcome.PhaseStarting, Err: fmt.Errorf("%w: %w", journal.ErrFailed, secret)},
		"The call did not come to its end, and how Job j-1 ends is not known here. Do not repeat it; a person must look. The reason: the program's approval policy failed, and nothing was answered.": &outcome.JobError{Phase: outcome.PhaseDeciding, JobID: "j-1", Key: "key", Err: secret},
	} {
		require.Equal(t, want, Text(err))
	}
}
