package duvotool_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// readable checks a text for what makes messages hard to read.
func readable(t *testing.T, text string) {
	t.Helper()
	for _, p := range []string{"duvotool: ", "duvo: "} {
		require.LessOrEqual(t, strings.Count(text, p), 1, text)
	}
	require.NotContains(t, text, "<nil>")
	require.NotRegexp(t, `\b1 (Assignments|Jobs|others|names|characters|uses|approvals|records)\b`, text)
	require.NotRegexp(t, `: $|: :|%!`, text)
}

// Every error that can be wrapped, in everything that wraps, has each package's
// prefix once and tells no nil.
func TestErrorsAreReadable(t *testing.T) {
	errs := []error{outcome.ErrClosed, outcome.ErrKeyReused, outcome.ErrNoScope, hitl.ErrInvalidDecision, hitl.ErrPolicyPanic, hitl.ErrAnsweredElsewhere,
		hitl.ErrRequestChanged, audit.ErrWrite, journal.ErrFailed, journal.ErrConflict, journal.ErrNoRecord, outcome.ErrUnknownJob, outcome.ErrNotPending,
		duvo.ErrUnauthorized, duvo.ErrForbidden, duvo.ErrNotFound, duvo.ErrConflict, duvo.ErrInvalid, duvo.ErrRateLimited, duvo.ErrUnavailable,
		&duvo.APIError{}, &duvo.APIError{Operation: "getRun", Status: 401}, &duvo.TransportError{}, &duvo.TransportError{Operation: "getRun", Err: duvo.ErrUnavailable},
		&outcome.InputError{Tool: "t", Problem: "p"}, &outcome.OutputError{JobID: "j", Problem: "p"}, &outcome.OutcomeError{Outcome: outcome.OutcomeFailed},
		&outcome.DecidedError{}, &hitl.NoMatchError{Kind: "ID", Name: "x"}, &outcome.JobError{}, &outcome.JobError{Phase: outcome.PhaseNew}, context.Canceled}
	wraps := []func(error) error{
		func(err error) error { return &outcome.JobError{Phase: outcome.PhaseWatching, Err: err} },
		func(err error) error { return &outcome.JobError{Err: fmt.Errorf("the response: %w", err)} },
		func(err error) error { return &outcome.InputError{Tool: "t", Problem: "it is not: " + err.Error()} },
		func(err error) error { return &outcome.OutputError{JobID: "j", Problem: err.Error()} },
		func(err error) error { return &duvo.TransportError{Operation: "getRun", Err: err} },
		func(err error) error { return &outcome.JobError{Err: &outcome.JobError{Err: err}} },
	}
	for _, err := range errs {
		readable(t, err.Error())
		for _, wrap := range wraps {
			readable(t, wrap(err).Error())
			if _, ok := wrap(err).(*outcome.JobError); ok {
				require.ErrorIs(t, wrap(err), err)
			}
		}
	}
}

// The same of what really happens: a server that refuses or cannot be reached,
// stores that fail, options that make no sense.
func TestFailuresAreReadable(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	for name, c := range map[string]struct {
		fault duvotest.Fault
		opts  []duvotool.Option
		input string
		says  string
	}{
		"unauthorized": {duvotest.Fault{Op: "listAgents", Kind: duvotest.StatusBefore, Status: 401}, nil, "", "check DUVO_API_KEY"},
		"team":         {duvotest.Fault{Op: "listAgents", Kind: duvotest.StatusBefore, Status: 404}, nil, "", "check DUVO_TEAM_ID"},
		"no team":      {duvotest.Fault{Op: "listMyTeams", Kind: duvotest.StatusBefore, Status: 401}, nil, "", "check DUVO_API_KEY"},
		"folders":      {duvotest.Fault{Op: "listAgentFolders", Kind: duvotest.StatusBefore, Status: 403}, []duvotool.Option{duvotool.Keep(duvotool.InFolder("x"))}, "", "check DUVO_TEAM_ID"},
		"start":        {duvotest.Fault{Op: "startRun", Kind: duvotest.StatusBefore, Status: 401}, nil, "4711", "check DUVO_API_KEY"},
		"policy":       {duvotest.Fault{}, []duvotool.Option{decide(hitl.Decision{}, hitl.ErrPolicyPanic)}, "4711", "panicked"},
		"decision":     {duvotest.Fault{}, []duvotool.Option{decide(hitl.Answer("kim", nil), nil)}, "4711", "does not fit"},
		"option":       {duvotest.Fault{}, []duvotool.Option{duvotool.WithPolicy(hitl.FirstOf())}, "", "no policies"},
		"name":         {duvotest.Fault{}, []duvotool.Option{duvotool.Keep(duvotool.ByName("Refundz"))}, "", "Refunds"},
	} {
		t.Run(name, func(t *testing.T) {
			c.fault.Times = 1
			inject := func() {
				if c.fault.Op != "" {
					d.Inject(c.fault)
				}
			}
			var err error
			if c.input == "" {
				inject()
				_, err = duvotool.Discover(t.Context(), client(t, d), c.opts...)
			} else {
				reg := discover(t, client(t, d), append(c.opts, duvotool.WithPollInterval(time.Millisecond))...)
				inject()
				_, err = mustTool(reg, "refunds").Run(t.Context(), c.input)
			}
			require.ErrorContains(t, err, c.says)
			readable(t, err.Error())
		})
	}
	_, err := duvo.New(duvo.WithAPIKey(" "))
	readable(t, err.Error())
	_, err = duvo.New(duvo.WithAPIKey("k"), duvo.WithBaseURL("x"))
	readable(t, err.Error())
	gone, err := duvo.New(duvo.WithAPIKey("k"), duvo.WithBaseURL("http://127.0.0.1:1"), duvo.WithRetries(1, 0))
	require.NoError(t, err)
	_, err = duvotool.Discover(t.Context(), gone)
	require.ErrorIs(t, err, duvo.ErrUnavailable)
	readable(t, err.Error())
}

// The same of an audit that cannot be written, which lets nothing be started.
func TestAuditFailuresAreReadable(t *testing.T) {
	for says, cause := range map[string]error{"file already closed": fmt.Errorf("duvotool: the file: %w", os.ErrClosed), "audit": audit.ErrWrite} {
		emulated(t, func(t *testing.T, d *duvotest.Duvo) {
			reg := discover(t, d.Client(), duvotool.WithAudit(auditFunc(func() error { return cause })))
			go func() { _, _ = mustTool(reg, "refunds").Run(t.Context(), "4711") }()
			time.Sleep(time.Hour)
			_, err := mustTool(reg, "refunds").Run(t.Context(), "4712")
			require.ErrorIs(t, err, audit.ErrWrite)
			require.ErrorContains(t, err, says)
			readable(t, err.Error())
			require.Equal(t, 1, d.Count("startRun"))
		}, duvotest.WithAssignment(refunds))
	}
}

type auditFunc func() error

func (f auditFunc) Record(context.Context, audit.Record) error { return f() }

// client makes a client that asks for the team, as one from the environment does.
func client(t *testing.T, d *duvotest.Duvo) *duvo.Client {
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	c, err := duvo.New(duvo.WithAPIKey(d.Key()), duvo.WithBaseURL(server.URL), duvo.WithRetries(1, 0))
	require.NoError(t, err)
	return c
}

// An error that begins with a package's prefix and wraps another is made with
// errtext.Errorf, so that the prefix is not repeated.
func TestWrappingErrorsKeepOnePrefix(t *testing.T) {
	wraps := regexp.MustCompile(`fmt\.Errorf\("(duvotool|duvo): [^"]*%w|fmt\.Errorf\("%w[^"]*%w", Err`)
	for _, dir := range []string{".", "duvo"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") || f == "auditfile.go" { // that one wraps the system's errors alone
				continue
			}
			text, err := os.ReadFile(f)
			require.NoError(t, err)
			require.Empty(t, wraps.FindAllString(string(text), -1), f)
		}
	}
}

// One of a thing is told in the singular.
func TestOneIsSingular(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	require.Contains(t, discover(t, d.Client()).SearchTool().Description(), "1 Duvo Assignment that")
	require.Contains(t, outcome.Event{Kind: outcome.EventQueued, Before: 1}.String(), "behind 1 other")
	require.NotContains(t, outcome.Event{Kind: outcome.EventQueued, Before: 1}.String(), "others")
	require.Contains(t, outcome.Changes{Collided: []string{"x"}, Unmatched: []string{"y"}}.String(), "1 name collides, 1 name matches nothing")
	res := outcome.Result{Outcome: outcome.OutcomeCompleted}
	for range 21 {
		res.Decisions = append(res.Decisions, hitl.DecisionEntry{})
	}
	require.Contains(t, res.Observation(), "[1 more denial]")
	r := hitl.Request{Kind: duvo.Question, Questions: make([]duvo.QuestionItem, 51)}
	r.Questions[0].Options = make([]duvo.Choice, 51)
	require.Contains(t, r.String(), "1 more question]")
	require.Contains(t, r.String(), "1 more option]")
}
