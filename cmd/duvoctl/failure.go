package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
)

// The exit codes: Duvo's own command line's, and one more.
const (
	exitOK        = 0
	exitError     = 1
	exitAuth      = 2
	exitNotFound  = 3
	exitElsewhere = 4 // nothing was sent: it was decided by somebody else, or waits no more
)

// A failure is an error with what to do about it.
type failure struct {
	kind string // as in JSON; see schema.json
	text string
	do   string // empty: nothing is known to help
	err  error  // it came from; may be nil
	told bool   // the result that was printed says it all
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.err }

var exitOf = map[string]int{"auth": exitAuth, "not_found": exitNotFound, "elsewhere": exitElsewhere}

// failureOf tells what kind of failure an error is, and what to do.
func failureOf(err error) *failure {
	var f *failure
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, duvo.ErrUnauthorized):
		return &failure{kind: "auth", text: err.Error(), do: "set " + duvo.EnvAPIKey + " to a key that is valid; 'duvoctl doctor' checks it"}
	case errors.Is(err, duvo.ErrForbidden):
		return &failure{kind: "auth", text: err.Error(), do: "use a key that may do this, of the right team: see " + duvo.EnvTeamID}
	case errors.Is(err, duvo.ErrNotFound):
		return &failure{kind: "not_found", text: err.Error(), do: "'duvoctl jobs', 'duvoctl assignments' and 'duvoctl pending' list what there is"}
	case errors.Is(err, duvo.ErrRateLimited):
		return &failure{kind: "error", text: err.Error(), do: "wait a minute; the limit counts for all that use the key"}
	case errors.Is(err, context.Canceled):
		return &failure{kind: "interrupted", text: "interrupted"}
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{kind: "error", text: err.Error(), do: "allow more time with --timeout; 'duvoctl doctor' tells what can be reached"}
	}
	if strings.HasPrefix(err.Error(), "unknown command") { // cobra has no type for it
		return &failure{kind: "usage", text: err.Error(), do: "'duvoctl -h' lists the verbs"}
	}
	return &failure{kind: "error", text: err.Error()}
}

// told prints an error and returns the exit code.
func (a *app) told(err error) int {
	if err == nil {
		return exitOK
	}
	f := failureOf(err)
	code := exitError
	if c, ok := exitOf[f.kind]; ok {
		code = c
	}
	if f.told {
		return code
	}
	text, do := hitl.SafeText(f.text, 2000), hitl.SafeText(f.do, 500)
	if a.json {
		raw, _ := json.Marshal(map[string]any{"error": struct {
			Kind string `json:"kind"`
			Text string `json:"text"`
			Do   string `json:"do,omitempty"`
			Exit int    `json:"exit"`
		}{f.kind, text, do, code}})
		_, _ = fmt.Fprintf(a.errs, "%s\n", raw)
		return code
	}
	_, _ = fmt.Fprintf(a.errs, "duvoctl: %s\n", text)
	if do != "" {
		_, _ = fmt.Fprintf(a.errs, "What to do: %s\n", do)
	}
	return code
}

func usage(text, do string) error { return &failure{kind: "usage", text: text, do: do} }

// quoted shows what somebody has typed.
func quoted(s string) string { return strconv.Quote(hitl.SafeLine(s, 80)) }

// note tells something that is no result.
func (a *app) note(format string, args ...any) {
	_, _ = fmt.Fprintf(a.errs, format+"\n", args...)
}
