package langchaingo

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

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
