package duvotool_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

// A story keeps the lines of a log from a level on, without their times.
type story struct {
	mu    sync.Mutex
	lines []string
}

func (s *story) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, strings.TrimSuffix(string(line), "\n"))
	return len(line), nil
}

func (s *story) told() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}

func (s *story) logger(from slog.Level) duvotool.Option {
	return duvotool.WithLogger(slog.New(slog.NewTextHandler(s, &slog.HandlerOptions{Level: from, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})))
}

// TestStoryOfOneJob: from the log, at level info, the story of a Job can be told, each
// line with the same keys and nothing besides, and without what anybody has said.
func TestStoryOfOneJob(t *testing.T) {
	for name, c := range map[string]struct {
		d    hitl.Decision
		then []string
	}{
		"approved": {hitl.Approve("kim@example.com", "the customer is right"), []string{"asked kind=approval", "decided verdict=approved source=policy", "delivery=accepted"}},
		"denied":   {hitl.Deny("kim@example.com", "the customer is wrong"), []string{"asked kind=approval", "decided verdict=denied source=policy", "delivery=accepted"}},
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				var info, all story
				reg := discover(t, d.Client(), decide(c.d, nil), info.logger(slog.LevelInfo), duvotool.WithJournal(journal.NewMemory()), duvotool.WithAudit(new(auditLog)))
				_, err := mustTool(reg, "refunds").Run(duvotool.WithOperationKey(t.Context(), "order 4711"), "for jo@example.com")
				require.NoError(t, err)
				job := d.Jobs()[0]
				about := fmt.Sprintf(`job=%s key="order 4711" assignment_id=%s assignment=Refunds`, job.ID, refundsID)
				request := about + " request=" + job.Requests[0].ID
				require.Equal(t, []string{
					`level=INFO msg="duvotool: Job started" ` + about,
					`level=INFO msg="duvotool: asked" ` + request + ` kind=approval`,
					`level=INFO msg="duvotool: decided" ` + request + ` verdict=` + c.d.Verdict.String() + ` source=policy`,
					`level=INFO msg="duvotool: delivered" ` + request + ` delivery=accepted`,
					`level=INFO msg="duvotool: finished" ` + about + ` outcome=completed status=completed`,
				}, info.told())

				reg = discover(t, d.Client(), decide(c.d, nil), all.logger(slog.LevelDebug))
				_, err = mustTool(reg, "refunds").Run(t.Context(), "for jo@example.com")
				require.NoError(t, err)
				require.NotEmpty(t, all.told())
				for _, said := range []string{"jo@example.com", "kim@example.com", "the customer", "120 EUR", "damaged", "refunded"} {
					require.NotContains(t, strings.Join(all.told(), "\n"), said)
				}
			}, duvotest.WithAssignment(refunds))
		})
	}
}

// TestStoryOfOneGivenUp: also the end without an outcome is one line, and what a person
// decides later goes on with the story.
func TestStoryOfOneGivenUp(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		var info story
		reg := discover(t, d.Client(), decide(hitl.Suspend(), nil), info.logger(slog.LevelInfo))
		asking := duvotool.WithOperationKey(t.Context(), "put off")
		_, err := mustTool(reg, "refunds").Run(asking, "4711")
		require.NoError(t, err)
		require.Len(t, info.told(), 2, "started and asked: what was put off waits")
		require.NoError(t, reg.Decide(t.Context(), reg.Pending()[0], hitl.Approve("kim", "")))
		_, err = mustTool(reg, "refunds").Run(asking, "4711")
		require.NoError(t, err)
		require.Len(t, info.told(), 5)
		require.Contains(t, info.told()[2], "verdict=approved source=person")

		patience, leave := context.WithTimeout(duvotool.WithOperationKey(t.Context(), "left"), time.Minute)
		defer leave()
		reg = discover(t, d.Client(), policy(func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
			<-ctx.Done()
			return hitl.Decision{}, ctx.Err()
		}), info.logger(slog.LevelInfo))
		_, err = mustTool(reg, "refunds").Run(patience, "4712")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		synctest.Wait()
		jobs := d.Jobs()
		last := info.told()[len(info.told())-1]
		require.Contains(t, last, `level=INFO msg="duvotool: given up" job=`+jobs[len(jobs)-1].ID+` key=left assignment_id=`+refundsID)
		require.Contains(t, last, "phase=deciding reason=left")
	}, duvotest.WithAssignment(refunds))
}

// logKeys are the keys that lines of the log may have. What a line is about: the first
// ones, which are the same everywhere. A new key is put here once it is clear that none
// of these says it.
var logKeys = []string{
	"job", "assignment_id", "assignment", "request", "key",
	"error", "reason", "status", "outcome", "verdict", "source", "delivery", "phase", "kind", "event", "policy",
	"other_job", "count", "since", "for", "after", "tries", "attempt", "wait",
	"api", "tool", "name", "offered_as", "selector", "selectors", "changes", "refused", "events",
	"person", "user", "by", "on", "page", "stage",
}

// TestLogKeys: every call of a logger in the library, its adapters and commands writes keys of the list alone, as
// literals, and what is about a request tells its Job too.
func TestLogKeys(t *testing.T) {
	calls := 0
	for _, dir := range []string{".", "adapters", "audit", "cmd", "duvo", "hitl", "internal", "journal", "outcome"} {
		err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case e.IsDir() && (dir == "." && name != "." || e.Name() == "testdata" || e.Name() == "tools"):
				return filepath.SkipDir
			case e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
				return nil
			}
			calls += checkLogCalls(t, name)
			return nil
		})
		require.NoError(t, err)
	}
	require.Greater(t, calls, 80)
}

// logMethods are those of a logger, with the number of arguments before the keys.
var logMethods = map[string]int{"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "DebugContext": 2, "InfoContext": 2, "WarnContext": 2, "ErrorContext": 2, "Log": 3, "With": 0}

func checkLogCalls(t *testing.T, name string) (calls int) {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		on, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !isLogger(on.X) {
			return true
		}
		skip, ok := logMethods[on.Sel.Name]
		if !ok {
			return true
		}
		calls++
		var keys []string
		for i := skip; i < len(call.Args); i += 2 {
			if call.Ellipsis.IsValid() && i == len(call.Args)-1 {
				break // made elsewhere
			}
			lit, ok := call.Args[i].(*ast.BasicLit)
			require.True(t, ok, "%s: a key of a line of the log is no literal", name)
			key, err := strconv.Unquote(lit.Value)
			require.NoError(t, err)
			require.Contains(t, logKeys, key, "%s: a line of the log has a key that others do not have: see logKeys", name)
			keys = append(keys, key)
		}
		if slices.Contains(keys, "request") && !strings.HasPrefix(filepath.ToSlash(name), "internal/engine/") {
			require.Contains(t, keys, "job", "%s: a line about a request does not tell its Job", name)
		}
		return true
	})
	return calls
}

// isLogger tells a logger by its name, as they are all called here.
func isLogger(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return slices.Contains([]string{"log", "logger", "slog"}, x.Name)
	case *ast.SelectorExpr:
		return slices.Contains([]string{"log", "Log", "logger"}, x.Sel.Name)
	case *ast.CallExpr: // op.logger(job), and what With returns
		f, ok := x.Fun.(*ast.SelectorExpr)
		return ok && (slices.Contains([]string{"logger", "requestLogger"}, f.Sel.Name) || f.Sel.Name == "With" && isLogger(f.X))
	}
	return false
}
