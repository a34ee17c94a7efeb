package duvotool_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/invopop/jsonschema"
	"github.com/stretchr/testify/require"
	"github.com/tmc/langchaingo/callbacks"
)

// words are what a String does harm with.
type words func()

func (w words) String() string { w(); return "" }

// harms are what a user's code may do that no error tells of.
var harms = map[string]func(){
	"panic":                     func() { panic("boom") },
	"Goexit":                    runtime.Goexit, // as testify's require does
	"panic with words that do":  func() { panic(words(func() { panic("again") })) },
	"panic with words that end": func() { panic(words(runtime.Goexit)) },
}

// A hook is a place where a user's code is called.
type hook struct {
	opts    func(harm func()) []duvotool.Option
	backend func(f *fake, harm func()) duvotool.Backend
	input   string
	err     error // what the call returns; nil: the Job is as if nothing had been
	waits   bool  // what waits stays pending until its caller has enough
}

type namedPolicy struct{ harm func() }

func (namedPolicy) Decide(context.Context, hitl.Request) (hitl.Decision, error) {
	return hitl.Approve("kim", ""), nil
}
func (n namedPolicy) String() string { n.harm(); return "" }

type vetoing struct{ namedPolicy }

func (v vetoing) Vetoes(hitl.Request) bool { v.harm(); return false }

// badError is an error of a policy that does harm when it is read.
type badError struct{ harm func() }

func (b badError) Error() string { b.harm(); return "" }

type harmfulAudit struct{ harm func() }

func (h harmfulAudit) Record(context.Context, audit.Record) error { h.harm(); return nil }

type harmfulJournal struct {
	journal.Journal
	harm func()
}

func (h harmfulJournal) Put(context.Context, journal.Record) (uint64, error) {
	h.harm()
	return 0, nil
}

type harmfulLog struct{ harm func() }

func (h harmfulLog) Enabled(context.Context, slog.Level) bool  { return true }
func (h harmfulLog) Handle(context.Context, slog.Record) error { h.harm(); return nil }
func (h harmfulLog) WithAttrs([]slog.Attr) slog.Handler        { return h }
func (h harmfulLog) WithGroup(string) slog.Handler             { return h }

// harmfulHandler does harm wherever langchaingo's handler is called.
type harmfulHandler struct {
	callbacks.SimpleHandler
	harm func()
}

func (h harmfulHandler) HandleText(context.Context, string)      { h.harm() }
func (h harmfulHandler) HandleToolStart(context.Context, string) { h.harm() }
func (h harmfulHandler) HandleToolEnd(context.Context, string)   { h.harm() }
func (h harmfulHandler) HandleToolError(context.Context, error)  { h.harm() }

type harmfulMessages struct {
	*fake
	harm func()
}

func (h harmfulMessages) Messages(context.Context, string) iter.Seq2[duvo.Message, error] {
	return func(func(duvo.Message, error) bool) { h.harm() }
}

// asked makes a policy that does harm when it is asked.
func asked(harm func()) hitl.Policy {
	return hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
		harm()
		return hitl.Decision{}, nil
	})
}

func kims() hitl.Policy { return hitl.Forward(decisionOf(hitl.Approve("kim", ""))) }

func absent() hitl.Policy {
	return hitl.PolicyFunc(func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
		<-ctx.Done()
		return hitl.Decision{}, context.Cause(ctx)
	})
}

// policyHooks are the places in policies, and in what they are made of.
func policyHooks() map[string]hook {
	out := map[string]hook{}
	add := func(name string, err error, p func(harm func()) hitl.Policy) {
		out[name] = hook{err: err, opts: func(harm func()) []duvotool.Option { return []duvotool.Option{duvotool.WithPolicy(p(harm))} }}
	}
	failed := hitl.ErrPolicyPanic
	add("policy", failed, asked)
	add("policy, forwarded", failed, func(harm func()) hitl.Policy { return hitl.Forward(asked(harm).(hitl.PolicyFunc)) })
	add("policy, first of", failed, func(harm func()) hitl.Policy { return hitl.FirstOf(asked(harm), kims()) })
	add("policy in time", failed, func(harm func()) hitl.Policy { return hitl.Timeout(time.Hour, asked(harm), kims()) })
	add("fallback", failed, func(harm func()) hitl.Policy { return hitl.Timeout(time.Hour, absent(), asked(harm)) })
	add("approver", failed, func(harm func()) hitl.Policy { return hitl.Quorum(2, kims(), asked(harm)) })
	add("approver, one too many", nil, func(harm func()) hitl.Policy { return hitl.Quorum(1, kims(), asked(harm)) })
	add("escalated", nil, func(harm func()) hitl.Policy {
		return hitl.Escalate(asked(harm), hitl.Then(time.Hour, kims()))
	})
	add("reminder", nil, func(harm func()) hitl.Policy {
		late := hitl.PolicyFunc(func(ctx context.Context, r hitl.Request) (hitl.Decision, error) {
			time.Sleep(time.Hour)
			return hitl.Approve("kim", ""), nil
		})
		return hitl.Escalate(late, hitl.Remind(time.Minute, func(context.Context, hitl.Request) { harm() }))
	})
	add("budgeted", failed, func(harm func()) hitl.Policy { return hitl.Budget(1, time.Hour, asked(harm), kims()) })
	add("predicate", failed, func(harm func()) hitl.Policy {
		return hitl.AutoApprove(hitl.For(fakeID).When(func(hitl.Request) bool { harm(); return true }))
	})
	add("predicate of a veto", failed, func(harm func()) hitl.Policy {
		return hitl.FirstOf(kims(), hitl.AutoApprove(hitl.For(fakeID).When(func(hitl.Request) bool { harm(); return true }).Denies()))
	})
	add("match", failed, func(harm func()) hitl.Policy {
		return hitl.Route(hitl.When(func(hitl.Request) bool { harm(); return true }, kims()))
	})
	add("grant", failed, func(harm func()) hitl.Policy {
		g := hitl.NewGrants()
		_, _ = g.Where("kim", fakeID, "all", func(hitl.Request) bool { harm(); return true }, hitl.Terms{})
		return g
	})
	add("veto", failed, func(harm func()) hitl.Policy { return vetoing{namedPolicy{harm}} })
	add("name", failed, func(harm func()) hitl.Policy { return namedPolicy{harm} })
	add("name within", failed, func(harm func()) hitl.Policy { return hitl.FirstOf(namedPolicy{harm}) })
	add("name in time", failed, func(harm func()) hitl.Policy { return hitl.Timeout(time.Hour, namedPolicy{harm}, kims()) })
	add("typed nil", failed, func(func()) hitl.Policy { var p *pointed; return p })
	add("typed nil within", failed, func(func()) hitl.Policy { var p *pointed; return hitl.Quorum(1, p) })
	// What reads the error words it in place, so no panic of its own comes through.
	add("error", errAny, func(harm func()) hitl.Policy {
		return hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
			return hitl.Decision{}, badError{harm}
		})
	})
	return out
}

type plainOrder struct {
	ID string `json:"id"`
}

var errAny = io.ErrUnexpectedEOF // any error will do

func otherHooks() map[string]hook {
	approve := decide(hitl.Approve("kim", ""), nil)
	with := func(o func(harm func()) duvotool.Option) func(func()) []duvotool.Option {
		return func(harm func()) []duvotool.Option { return []duvotool.Option{approve, o(harm)} }
	}
	job := func(f *fake, harm func()) duvotool.Backend {
		f.job = func(int) (duvo.Job, error) { harm(); return duvo.Job{}, nil }
		return f
	}
	return map[string]hook{
		"observer":          {opts: with(func(harm func()) duvotool.Option { return duvotool.WithObserver(func(outcome.Event) { harm() }) })},
		"callbacks handler": {opts: with(func(harm func()) duvotool.Option { return duvotool.WithCallbacks(harmfulHandler{harm: harm}) })},
		"observer beside a handler": {opts: func(harm func()) []duvotool.Option {
			return []duvotool.Option{approve, duvotool.WithObserver(func(outcome.Event) { harm() }), duvotool.WithCallbacks(harmfulHandler{harm: harm})}
		}},
		"audit log": {waits: true, opts: with(func(harm func()) duvotool.Option { return duvotool.WithAudit(harmfulAudit{harm}) })},
		"journal": {err: journal.ErrFailed, opts: with(func(harm func()) duvotool.Option {
			return duvotool.WithJournal(harmfulJournal{journal.NewMemory(), harm})
		})},
		"logger": {err: hitl.ErrInvalidDecision, opts: func(harm func()) []duvotool.Option {
			return []duvotool.Option{decide(hitl.Answer("kim", nil), nil), duvotool.WithLogger(slog.New(harmfulLog{harm}))}
		}},
		"render": {err: errAny, input: `{"id":"4711"}`, opts: with(func(harm func()) duvotool.Option {
			return duvotool.RenderInput(func(plainOrder) (string, error) { harm(); return "", nil })
		})},
		"read": {err: errAny, opts: with(func(func()) duvotool.Option { return approve }), backend: job},
		"start": {err: errAny, opts: with(func(func()) duvotool.Option { return approve }), backend: func(f *fake, harm func()) duvotool.Backend {
			f.start = func(int, duvo.StartJob) (duvo.Job, error) { harm(); return duvo.Job{}, nil }
			return f
		}},
		"response": {err: errAny, opts: with(func(func()) duvotool.Option { return approve }), backend: func(f *fake, harm func()) duvotool.Backend {
			f.respond = func(int, duvo.Response) error { harm(); return nil }
			return f
		}},
		"messages": {err: errAny, opts: with(func(func()) duvotool.Option { return approve }), backend: func(f *fake, harm func()) duvotool.Backend {
			return harmfulMessages{f, harm}
		}},
	}
}

// TestHarm: whatever a user's code does, wherever it is called, is one Job's error,
// or an event's or a line's loss: never the process's end, and never a hang of the
// call or of Close.
func TestHarm(t *testing.T) {
	all := policyHooks()
	for name, h := range otherHooks() {
		all[name] = h
	}
	for name, h := range all {
		for what, harm := range harms {
			t.Run(name+"/"+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { suffer(t, h, harm) })
			})
		}
	}
}

func suffer(t *testing.T, h hook, harm func()) {
	f := &fake{}
	f.asks(approval)
	var b duvotool.Backend = f
	if h.backend != nil {
		b = h.backend(f, harm)
	}
	log := &logLines{}
	opts := append([]duvotool.Option{duvotool.WithLogger(slog.New(slog.NewTextHandler(log, nil)))}, h.opts(harm)...)
	reg := discover(t, b, opts...)
	input := h.input
	if input == "" {
		input = "4711"
	}
	var out string
	var err error
	returned := make(chan struct{})
	go func() { // the caller's goroutine must return, and not end
		defer close(returned)
		out, err = "the goroutine ended", errAny
		ctx, cancel := context.WithTimeout(context.Background(), 24*time.Hour)
		defer cancel()
		out, err = reg.All()[0].Call(ctx, input)
	}()
	<-returned
	require.NotEqual(t, "the goroutine ended", out)
	require.Equal(t, h.waits, errors.Is(err, context.DeadlineExceeded), "it hung: %v", err)
	switch {
	case h.waits:
		require.Empty(t, f.sent)
	case h.err == nil:
		require.NoError(t, err)
		require.Contains(t, out, "the end")
		require.True(t, *f.sent[0].Approved)
		require.Len(t, f.sent, 1)
	case h.err == errAny:
		var je *outcome.JobError
		require.ErrorAs(t, err, &je)
	default:
		require.ErrorIs(t, err, h.err)
		require.Empty(t, f.sent)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, reg.Close(ctx))
}

// logLines keep what is logged.
type logLines struct {
	mu  sync.Mutex
	all []string
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(p))
	return len(p), nil
}

// TestLostEventsAreLogged, and those after them are told.
func TestLostEventsAreLogged(t *testing.T) {
	for name, harm := range harms {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{}
			f.asks(approval)
			log := &logLines{}
			var told []outcome.EventKind
			reg := discover(t, f, decide(hitl.Approve("kim", ""), nil), duvotool.WithLogger(slog.New(slog.NewTextHandler(log, nil))),
				duvotool.WithObserver(func(e outcome.Event) {
					if told = append(told, e.Kind); e.Kind == outcome.EventRequested {
						harm()
					}
				}))
			_, err := reg.All()[0].Run(t.Context(), "4711")
			require.NoError(t, err)
			require.NoError(t, reg.Close(t.Context()))
			require.Equal(t, outcome.EventFinished, told[len(told)-1], name)
			require.True(t, slices.ContainsFunc(log.all, func(l string) bool {
				return strings.Contains(l, "an event is lost") && strings.Contains(l, "requested")
			}), name)
		})
	}
}

// TestHarmInAcceptance holds the Assignment back.
func TestHarmInAcceptance(t *testing.T) {
	for name, harm := range harms {
		reg := discover(t, &fake{}, duvotool.WithAcceptance(func(outcome.Change) bool { harm(); return true }))
		require.Empty(t, reg.All(), name)
	}
}

// A pointed policy cannot be used where it is nil.
type pointed struct{ d hitl.Decision }

func (p *pointed) Decide(context.Context, hitl.Request) (hitl.Decision, error) {
	return p.d, nil
}
func (p *pointed) String() string { return p.d.By }

// TestHarmAtDiscovery: a policy that cannot even be looked at is refused.
func TestHarmAtDiscovery(t *testing.T) {
	var none *hitl.Grants
	for what, p := range map[string]hitl.Policy{"alone": none, "within": hitl.Quorum(1, none), "validate": unlooked{}} {
		t.Run(what, func(t *testing.T) {
			_, err := duvotool.Discover(t.Context(), &fake{}, duvotool.WithPolicy(p))
			require.ErrorIs(t, err, hitl.ErrPolicyPanic)
		})
	}
}

type unlooked struct{ hitl.Policy }

func (unlooked) Validate() error { runtime.Goexit(); return nil }

// A harmfulCatalog does harm when Assignments are listed.
type harmfulCatalog struct {
	*fake
	harm func()
}

func (h harmfulCatalog) Assignments(context.Context) iter.Seq2[duvo.Assignment, error] {
	return func(func(duvo.Assignment, error) bool) { h.harm() }
}

// survives reports whether f returns, rather than panics or ends its goroutine.
func survives(f func()) (fine bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		f()
		fine = true
	}()
	<-done
	return fine
}

// The words of an error that a render function returns are a user's code too: a
// nil pointer as an error, say, panics when it is read.
func TestHarmInTheWordsOfARenderersError(t *testing.T) {
	for what, harm := range harms {
		t.Run(what, func(t *testing.T) {
			reg := discover(t, &fake{}, duvotool.RenderInput(func(plainOrder) (string, error) { return "", badError{harm} }))
			defer reg.Close(context.Background())
			require.True(t, survives(func() { _, _ = reg.All()[0].Call(context.Background(), `{"id":"1"}`) }), "the caller's goroutine ended")
		})
	}
}

func TestHarmInACatalog(t *testing.T) {
	for what, harm := range harms {
		t.Run("Discover/"+what, func(t *testing.T) {
			require.True(t, survives(func() { _, _ = duvotool.Discover(context.Background(), harmfulCatalog{&fake{}, harm}) }), "the caller's goroutine ended")
		})
		t.Run("Refresh/"+what, func(t *testing.T) {
			c := &laterHarmful{fake: &fake{}}
			reg := discover(t, c)
			defer reg.Close(context.Background())
			c.harm = harm
			require.True(t, survives(func() { _, _ = reg.Refresh(context.Background()) }), "the caller's goroutine ended")
		})
	}
}

type laterHarmful struct {
	*fake
	harm func()
}

func (l *laterHarmful) Assignments(ctx context.Context) iter.Seq2[duvo.Assignment, error] {
	if l.harm != nil {
		l.harm()
	}
	return l.fake.Assignments(ctx)
}

// An unwritable input does harm when it is written as JSON.
type unwritable struct {
	ID   string `json:"id"`
	Harm func() `json:"-"`
}

func (u unwritable) JSONSchema() *jsonschema.Schema { return &jsonschema.Schema{Type: "object"} }

func (u unwritable) MarshalJSON() ([]byte, error) { u.Harm(); return nil, nil }

func TestHarmInTheWritingOfATypedInput(t *testing.T) {
	for what, harm := range harms {
		t.Run(what, func(t *testing.T) {
			reg := discover(t, &fake{})
			defer reg.Close(context.Background())
			typed, err := duvotool.As[unwritable, string](reg.All()[0])
			require.NoError(t, err)
			require.True(t, survives(func() { _, _, _ = typed.Run(context.Background(), unwritable{"1", harm}) }), "the caller's goroutine ended")
		})
	}
}
