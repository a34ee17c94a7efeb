package langchaingo

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// Each sentinel of the root package has words of its own, in which nothing stands
// that the error was wrapped with.
func TestReasonsOfAllSentinels(t *testing.T) {
	var files []string
	for _, folder := range []string{"", "hitl/", "outcome/", "journal/", "audit/"} {
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
		if strings.HasPrefix(r.err.Error(), "duvotool: ") {
			seen[r.err] = true
		}
		got := reason(&outcome.JobError{Key: "key-of-kim", JobID: "job-77", Err: fmt.Errorf("secret dk_live_1, job-77: %w", r.err)})
		require.Equal(t, r.words, got)
		for _, not := range []string{"dk_live", "job-77", "key-of-kim", "duvotool"} {
			require.NotContains(t, got, not)
		}
	}
	require.Equal(t, declared, len(seen), "a sentinel has no words")
}

type ending struct{}

func (ending) Name() string        { return "ending" }
func (ending) Description() string { return "ends its goroutine" }

func (ending) Call(context.Context, string) (string, error) {
	runtime.Goexit()
	return "", nil
}

// A tool that ends its goroutine is told, and takes nothing from its caller.
func TestToolThatEndsItsGoroutine(t *testing.T) {
	for name, call := range map[string]func() (string, error){
		"marked": func() (string, error) { return invoke(t.Context(), ending{}, `{"input":"x"}`) },
		"bare":   func() (string, error) { return (&boundTool{Tool: ending{}}).Call(t.Context(), "x") },
	} {
		done := make(chan string, 1)
		go func() {
			defer close(done)
			out, err := call()
			done <- fmt.Sprint(out, err)
		}()
		require.Contains(t, <-done, "ended its goroutine", name)
	}
}
