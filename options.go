package duvotool

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/catalog"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/internal/toolname"
	"github.com/duvotool/duvotool/internal/typed"
	"github.com/duvotool/duvotool/internal/webhook"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/tmc/langchaingo/callbacks"
)

// An Option configures a [Registry]. The package's doc lists them all by what they are
// for.
type Option interface{ apply(*config) error }

// A ToolOption configures the tools: all of them as an [Option] of [Discover],
// some of them through [Configure].
type ToolOption interface {
	Option
	applyTool(*catalog.Settings) error
}

type optionFunc func(*config) error

func (f optionFunc) apply(c *config) error { return f(c) }

type toolOptionFunc func(*catalog.Settings) error

func (f toolOptionFunc) apply(c *config) error               { return f(&c.rules.Tool) }
func (f toolOptionFunc) applyTool(t *catalog.Settings) error { return f(t) }

type config struct {
	engine.Config

	rules catalog.Rules

	logger    *slog.Logger
	observer  func(outcome.Event)
	callbacks callbacks.Handler
	refresh   time.Duration // zero: only when asked to
	later     bool          // discover in the background what cannot be discovered at first

	drain time.Duration // zero: Close detaches at once

	webhook webhook.Keys
	host    func(*engine.Engine) (engine.Host, error) // nil: operations live in this process
}

func defaultConfig() config {
	return config{
		rules: catalog.Rules{Max: 100_000, Tool: catalog.Settings{Settings: engine.Settings{
			Policy: hitl.AlwaysDeny(), MaxInput: 256 << 10, MaxObservation: outcome.DefaultMaxShown,
			MaxMessages: 100_000, MaxOutput: 64 << 20,
		}}},
		logger: slog.New(slog.DiscardHandler),
		Config: engine.Config{PostTimeout: 45 * time.Second, Settle: 30 * time.Second, Retention: 24 * time.Hour, Lease: 15 * time.Second},
	}
}

// WithPolicy sets how waiting Jobs are answered. The default is [hitl.AlwaysDeny].
// A nil policy is refused.
func WithPolicy(p hitl.Policy) ToolOption {
	return toolOptionFunc(func(t *catalog.Settings) error {
		if err := hitl.Validate(p); err != nil {
			return fmt.Errorf("WithPolicy: %w", err)
		}
		t.Policy = p
		return nil
	})
}

// WithJobTimeout bounds a Job's own time. Time in which it waits for a person
// is not counted. When it is over the call returns with [outcome.OutcomeExpired]; the
// Job goes on unless [StopOn] says otherwise. The default, zero, is no bound
// but the context's.
func WithJobTimeout(d time.Duration) ToolOption {
	return toolOptionFunc(func(t *catalog.Settings) error {
		if d < 0 {
			return fmt.Errorf("WithJobTimeout: %v is negative", d)
		}
		t.JobTimeout = d
		return nil
	})
}

// StopOn chooses when a Job is stopped. Duvo may not be able to stop a Job that
// waits for a person; the [outcome.Result] tells what became of it.
func StopOn(causes ...outcome.StopCause) ToolOption {
	return toolOptionFunc(func(t *catalog.Settings) error {
		if t.StopOn == nil {
			t.StopOn = map[outcome.StopCause]bool{}
		}
		for _, c := range causes {
			switch c {
			case outcome.Cancelled, outcome.TimedOut, outcome.PolicyFailed, outcome.QuestionDenied, outcome.NobodyToAsk:
				t.StopOn[c] = true
			default:
				return fmt.Errorf("StopOn: unknown cause %q", c)
			}
		}
		return nil
	})
}

// OncePerScope allows one Job of the Assignment in each operation scope,
// whatever the input and whatever operation key a call is given: a second call,
// reworded perhaps, is told the outcome of the first, and that its own input was
// not used. Use it for refunds and the like. A call without a scope is refused
// with [outcome.ErrNoScope].
//
// The operation has a key made of the scope, which its [outcome.Result] and [outcome.JobError]
// tell. A key of [WithOperationKey] that began it stands for it too: in another
// scope it begins no second Job. Without a scope both keys lead to the operation
// that is there, and to [outcome.ErrNoScope] where there is none.
func OncePerScope() ToolOption {
	return toolOptionFunc(func(t *catalog.Settings) error { t.OncePerScope = true; return nil })
}

// TellReason posts the reasons of denials to the Job as a message, once it has
// completed or been interrupted. That resumes the Job, so the call goes on
// waiting; it is done once. It needs a backend that is a [JobMessenger]. A Job
// that waits is never sent a message: it would walk past the request.
func TellReason() ToolOption {
	return toolOptionFunc(func(t *catalog.Settings) error { t.TellReason = true; return nil })
}

// WithMaxInput bounds the input of a call, in bytes. A longer one is an
// observation for the model and starts no Job. The default is 256 KiB.
func WithMaxInput(bytes int) ToolOption {
	return toolOptionFunc(func(t *catalog.Settings) error {
		if bytes < 1 {
			return fmt.Errorf("WithMaxInput: %d bytes hold no input", bytes)
		}
		t.MaxInput = bytes
		return nil
	})
}

// WithMaxObservation bounds how many characters of a Job's output the model
// reads. [outcome.Result.Output] holds all of it. The default is 16,384.
func WithMaxObservation(chars int) ToolOption {
	return toolOptionFunc(func(t *catalog.Settings) error {
		if chars < 1 {
			return fmt.Errorf("WithMaxObservation: %d characters hold no output", chars)
		}
		t.MaxObservation = chars
		return nil
	})
}

// Keep offers only Assignments that one of the selectors matches. Given more
// than once, the selectors add up. The default is all. One that matches nothing
// is refused by [Discover], unless it is [Selector.Optional].
func Keep(s ...Selector) Option {
	return optionFunc(func(c *config) error {
		if len(s) == 0 {
			return errors.New("Keep: no selectors")
		}
		for _, sel := range s {
			if err := sel.picks.Valid(); err != nil {
				return fmt.Errorf("Keep: %w", err)
			}
			c.rules.Keep = append(c.rules.Keep, sel.picks)
		}
		return nil
	})
}

// Configure sets options for the Assignments that the selector matches. Where
// several match, the later one wins; all win over what is given to [Discover]
// itself.
//
// One that matches nothing is refused by [Discover], unless it is
// [Selector.Optional]. What it has matched once it is for as long as the registry
// lives, by ID: an Assignment that is renamed or moved keeps its options, and another
// one that takes its name or place has them too. The next registry goes by what it
// finds. So use [ByID] for a guard of money, and names for convenience.
func Configure(s Selector, opts ...ToolOption) Option {
	opts = slices.Clone(opts)
	return optionFunc(func(c *config) error {
		if err := s.picks.Valid(); err != nil {
			return fmt.Errorf("Configure: %w", err)
		}
		set := func(t *catalog.Settings) error {
			for _, o := range opts {
				if o == nil {
					return errors.New("a nil option")
				}
				if err := o.applyTool(t); err != nil {
					return err
				}
			}
			return nil
		}
		scratch := defaultConfig().rules.Tool
		if err := set(&scratch); err != nil {
			return fmt.Errorf("Configure: %w", err)
		}
		c.rules.Configure = append(c.rules.Configure, catalog.Configured{Selector: s.picks, Set: set})
		return nil
	})
}

// WithObserver sets a function that is told of every change of every Job. It is
// called from one goroutine, in order, and never holds up a Job. Called by it,
// [Registry.Close] waits for nothing and returns an error. What waits for a slow one
// holds up to 64 MiB of what Jobs have said; beyond that live messages are not told,
// and the Results of events come without text and with a Note, until it has caught up.
func WithObserver(f func(outcome.Event)) Option {
	return optionFunc(func(c *config) error {
		if f == nil {
			return errors.New("WithObserver: the function is nil")
		}
		c.observer = f
		return nil
	})
}

// WithCallbacks sets langchaingo's handler for tool calls. Executors pass none
// to their tools, so a handler given to an agent does not see them.
//
// HandleToolStart, HandleToolEnd and HandleToolError are called by the call
// itself. Each [outcome.Event] in between is told as a line to HandleText, in order and
// from one goroutine, like an observer's; the last lines of a call may come
// after its end. A call that returns for want of a decision or past its wait
// budget has lines after its end, too.
func WithCallbacks(h callbacks.Handler) Option {
	return optionFunc(func(c *config) error {
		if h == nil {
			return errors.New("WithCallbacks: the handler is nil")
		}
		c.callbacks = h
		return nil
	})
}

// WithLogger sets where the registry logs. Neither keys nor texts of requests
// are logged. The default discards.
func WithLogger(l *slog.Logger) Option {
	return optionFunc(func(c *config) error {
		if l == nil {
			return errors.New("WithLogger: the logger is nil")
		}
		c.logger = l
		return nil
	})
}

// WithAudit keeps a record of every human request and what became of it. If a
// record cannot be written before a response, the response waits until it can be;
// meanwhile no Job is started. See [audit.Log].
func WithAudit(a audit.Log) Option {
	return optionFunc(func(c *config) error {
		if a == nil {
			return errors.New("WithAudit: the audit log is nil")
		}
		c.Audit = a
		return nil
	})
}

// WithAuditTexts keeps with the audit record of each decision all that was decided
// about: the title, the description, the questions and the input, which may be personal.
// Without it the record has the title, and the digests of all of it. It needs
// [WithAudit].
func WithAuditTexts() Option {
	return optionFunc(func(c *config) error { c.AuditTexts = true; return nil })
}

// WithPollInterval reads each Job in flight once every d, give or take a tenth.
// The default goes by the Job's age, as Duvo advises: 5 s at first, 30 s after
// 2 minutes, 90 s after 15. Use a fraction of a second on an emulator only.
func WithPollInterval(d time.Duration) Option {
	return optionFunc(func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("WithPollInterval: %v is not positive", d)
		}
		c.PollEvery = d
		return nil
	})
}

// WithPostTimeout bounds one request that changes something. A caller's
// cancellation does not cut such a request short. The default is 45 s.
func WithPostTimeout(d time.Duration) Option {
	return optionFunc(func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("WithPostTimeout: %v is not positive", d)
		}
		c.PostTimeout = d
		return nil
	})
}

// WithSettleTime sets how long after a response with an unclear fate the same
// response may be sent again, if its request still waits: time for an effect
// that lands late. Where no answer came at all, the time of [WithPostTimeout]
// is added. Meanwhile the Job is read at the pace that Duvo advises, however fast
// [WithPollInterval] is. The default is 30 s; see also [TrustKeys].
func WithSettleTime(d time.Duration) Option {
	return optionFunc(func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("WithSettleTime: %v is not positive", d)
		}
		c.Settle = d
		return nil
	})
}

// TrustKeys declares two things of the server: that it honours idempotency keys, so
// that what is sent again under its key takes effect once, however late the first
// attempt lands; and that it checks a response against the request it names, so
// that one which is not pending any more is refused. Duvo documents the first and
// not for how long, and does not document the second. Then what was sent with an
// unclear fate is sent again after about 2 s, in place of the time of
// [WithSettleTime]; all else holds as before: the same bytes under the same key,
// after a read that shows the same request, within 15 minutes, and as far as
// today's rules allow. Declared of a server that is not so, a response may reach
// the Job's next request, and a start or message take effect twice. By default
// neither is believed.
func TrustKeys() Option {
	return optionFunc(func(c *config) error { c.TrustKeys = true; return nil })
}

// DrainOnClose lets [Registry.Close] wait up to d for the Jobs that were started by
// then, while nothing new is started. People are not waited for: the call of a Job
// ends at once where its request was put off or is left to others, or where nothing
// here can answer it, and once its policy has taken 10 s. Such Jobs wait in Duvo,
// and a registry with the same journal takes them up. The default, zero, detaches all
// at once: the calls return errors, and their Jobs go on in Duvo until somebody
// takes them up.
func DrainOnClose(d time.Duration) Option {
	return optionFunc(func(c *config) error {
		if d < 0 {
			return fmt.Errorf("DrainOnClose: %v is negative", d)
		}
		c.drain = d
		return nil
	})
}

// WithRetention sets how long a finished operation's key is remembered. After that
// the same key starts a new Job, once Duvo has forgotten the start's Idempotency-Key
// too. The default is 24 hours.
//
// What has not finished, or whose outcome is unknown, is never forgotten, also where a
// call ended as [outcome.OutcomePending] or [outcome.OutcomeExpired]: a later call with
// the key, however late, reads that Job again and goes on with it. So whoever gives
// keys calls again until the Job has ended, or the operation is kept for ever. One that
// has no key of a caller's or a scope's is forgotten after this time in any case,
// unless a [outcome.JobError] or [Tool.Start] told its key, or somebody called with it.
// So is a call for which nothing was started, as its input was refused, whoever has
// its key.
//
// Without a journal what finished operations were told and said is kept up to 64 MiB,
// all together: beyond that the oldest keep their keys, outcomes and Job IDs, with a
// Note, and [Registry.Continue] does not go on from such a Result.
//
// Processes that share a journal need the same retention: a record that one of them
// misses too early has vanished for it, which is [journal.ErrFailed].
func WithRetention(d time.Duration) Option {
	return optionFunc(func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("WithRetention: %v is not positive", d)
		}
		c.Retention = d
		return nil
	})
}

// WithLease sets how long the lease of a replica lasts, where the journal of
// [WithJournal] has [journal.Leases], as that of adapters/postgres has. Of the replicas
// that share it each operation has one owner, which reads its Job, asks its policy and
// answers; all of them list, decide, stop and wait for all. What the owner was at when it
// ends without Close, hangs or cannot reach the journal is taken over by others once the
// lease has run out. Shorter leases are replaced sooner and renewed more often: three
// times while one lasts, by one statement however much the replica owns. The least is
// 100 ms; the default is 15 s.
func WithLease(lasts time.Duration) Option {
	return optionFunc(func(c *config) error {
		if lasts < 100*time.Millisecond {
			return fmt.Errorf("WithLease: %v is less than 100ms", lasts)
		}
		c.Lease = lasts
		return nil
	})
}

// TrustLists lets a row of the list of completed Jobs, as Duvo has filtered it and with
// the time of completion, end a Job without reading that Job once more: its messages
// are read at once. It saves a request of about three a Job where some hundreds or more
// are in flight. By default every Job is read that a list shows as ended, since lists
// leave out or rename some statuses.
func TrustLists() Option {
	return optionFunc(func(c *config) error { c.TrustLists = true; return nil })
}

// WithWaitBudget bounds how long a call waits for its Job. Past it the call returns
// [outcome.OutcomePending] with a [outcome.Result.Handle] and a nil error; the Job, its
// policy and whatever else belongs to it go on. However short it is, the call waits
// until the operation is recorded; [Tool.Start] waits for no more than that. The tool
// check_job, which [Registry.Tools] then also holds, tells the model later how it
// ended.
//
// The default, zero, waits until the Job ends or the context does.
func WithWaitBudget(d time.Duration) ToolOption {
	return toolOptionFunc(func(t *catalog.Settings) error {
		if d < 0 {
			return fmt.Errorf("WithWaitBudget: %v is negative", d)
		}
		t.WaitBudget = d
		return nil
	})
}

// WithLiveMessages tells the observer of a Job's messages while it runs, by
// [outcome.EventMessage]. It takes a request more whenever the Job has changed, and
// lists of many Jobs at once do not serve such a Job: it is read by its age.
func WithLiveMessages() ToolOption {
	return toolOptionFunc(func(t *catalog.Settings) error { t.LiveMessages = true; return nil })
}

// WithMarkedStarts starts every Job with a sandbox of its own, be it empty, by which
// the Job of a start whose answer was lost can be told from all others. It is looked
// for before the start is sent again, which then is right also on a server that does
// not honour the Idempotency-Key. It costs a request a Job, and needs a backend that is
// a [SandboxMaker] and a [JobLister].
//
// A Job that is called [WithFiles] has such a sandbox in any case, and with
// [WithWebhook] a delivery that comes tells the Job as well.
func WithMarkedStarts() ToolOption {
	return toolOptionFunc(func(t *catalog.Settings) error { t.Marked = true; return nil })
}

// WithFollowUps lets the model go on with a Job that has completed or was
// interrupted: what a call tells of such a Job then holds a handle, and
// [Registry.Tools] also holds the tool continue_job, which posts a message to it
// and waits for its answer. It needs a backend that is a [JobMessenger].
func WithFollowUps() ToolOption {
	return toolOptionFunc(func(t *catalog.Settings) error { t.FollowUps = true; return nil })
}

// WithJournal keeps in j what the registry must remember of its operations.
// Without it they are remembered by the registry alone and end with it.
//
// [Discover] takes up every Job that the journal holds unfinished, see
// [Registry.Resumed] and [WithoutResume], and an operation key that the journal
// knows gets the [outcome.Result] of then. Close the journal after the registry.
func WithJournal(j journal.Journal) Option {
	return optionFunc(func(c *config) error {
		if j == nil {
			return errors.New("WithJournal: the journal is nil")
		}
		c.Journal = j
		return nil
	})
}

// WithJournalKey encrypts what goes into the journal, by AES-256-GCM with a key of 32
// random bytes; the journal then shows no text, no ID and no name. Given more than
// once, the first key encrypts and the others are only read with, so that a key can be
// replaced: what was written with an old one is written anew whenever it changes.
//
// A record opens in its journal, under its key, at its revision and with the time of
// its put alone: what was changed, exchanged or put back is refused with [journal.ErrFailed]. Within a process
// a record that goes back or vanishes before it is done is refused without a key, too.
// Not noticed is what was put back between two processes together with its revisions,
// such as the whole journal; adapters/bolt notices some of that. Records that earlier
// releases encrypted are bound to less, to their keys alone or to no time, until they
// are written anew.
func WithJournalKey(key []byte) Option {
	return optionFunc(func(c *config) error {
		k, err := engine.NewJournalKey(key)
		if err != nil {
			return fmt.Errorf("WithJournalKey: %w", err)
		}
		c.JournalKeys = append(c.JournalKeys, k)
		return nil
	})
}

// WithoutResume leaves the unfinished Jobs of the journal as they are until a
// call with their operation key or [Registry.Resume] takes them up. It is for
// registries that share a journal with others which are at work.
func WithoutResume() Option {
	return optionFunc(func(c *config) error { c.NoResume = true; return nil })
}

// WithJobLimit bounds how many Jobs of the registry are in flight at once, so
// that a burst of calls does not become a burst of Jobs. Calls beyond it wait
// for their turn, first come, first served; the observer is told by
// [outcome.EventQueued]. A Job counts until its outcome is known or its last caller has
// left, also while it waits for a person. The default, zero, is no limit.
func WithJobLimit(n int) Option {
	return optionFunc(func(c *config) error {
		if n < 0 {
			return fmt.Errorf("WithJobLimit: %d is negative", n)
		}
		c.JobLimit = n
		return nil
	})
}

// WithAssignmentLimit bounds how many Jobs of one Assignment are in flight at
// once; see [WithJobLimit]. Calls of other Assignments do not wait behind those
// that wait for this limit.
func WithAssignmentLimit(n int) ToolOption {
	return toolOptionFunc(func(t *catalog.Settings) error {
		if n < 0 {
			return fmt.Errorf("WithAssignmentLimit: %d is negative", n)
		}
		t.Limit = n
		return nil
	})
}

// WithRefreshEvery refreshes the registry in the background, about every d, until
// it is closed: as [Registry.Refresh] does, at low priority, with d give or take
// a tenth, so that many programs do not come at once. An error is logged, and the
// registry stays as it was until the next time. Changes are told to the observer
// by [outcome.EventRefreshed]. The default is to refresh only when asked to.
func WithRefreshEvery(d time.Duration) Option {
	return optionFunc(func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("WithRefreshEvery: %v is not positive", d)
		}
		c.refresh = d
		return nil
	})
}

// WithAcceptance holds back what nobody has looked at: accept is asked about each
// kept Assignment that is new, with a zero Before, and about each that reads
// differently than when it was last accepted: by another name, folder, Build or
// description. One that is not accepted is not offered, [outcome.Changes.Held] lists
// it, a tool that was handed out for it answers the model that it is gone, and it is
// asked about again at each refresh.
//
// Others may write descriptions, and the model reads them. What was accepted is
// known to the registry alone: a program that keeps a list of Build IDs, say,
// decides the same after a restart. accept must return soon; a panic refuses.
func WithAcceptance(accept func(outcome.Change) bool) Option {
	return optionFunc(func(c *config) error {
		if accept == nil {
			return errors.New("WithAcceptance: the function is nil")
		}
		c.rules.Accept = accept
		return nil
	})
}

// InputOf lets a tool take arguments of the Go type T, a struct, instead of
// plain text. The schema that a model is offered is T's: names from json tags,
// descriptions, enums and bounds from jsonschema tags, as
// github.com/invopop/jsonschema reads them; a field is required unless its json
// tag says omitempty or omitzero, or an embedded pointer leads to it. What
// encoding/json writes of a T fits: a pointer may be null, and of a nil slice or map
// that [Typed.Run] is given nothing is there. A time.Duration is a number of
// nanoseconds, and its description says so.
//
//	type Refund struct {
//		Order  int64  `json:"order" jsonschema:"minimum=1"`
//		Reason string `json:"reason" jsonschema:"enum=broken,enum=late,description=What went wrong"`
//		Note   string `json:"note,omitempty"`
//	}
//
// Arguments that do not fit start no Job: they are an [*outcome.InputError], whose text
// tells the model which field is wrong and what is expected there. Those that
// fit are sent to the Job as JSON, written in one way, so that the same
// arguments are the same operation; see [RenderInput] for another form. A null
// for an optional field is taken as its absence.
//
// Where the schema allows names that T does not have, one that differs from a
// field's in the case of its letters alone is refused.
//
// The option is refused for a type that has no schema of an object: one that
// holds itself, that decodes or encodes itself and does not tell its schema, or that
// has what no schema could tell, such as bounds of a number that is written as text.
func InputOf[T any]() ToolOption { return inputOption[T]("InputOf", nil) }

// RenderInput is [InputOf] with a message of your own to the Job: render is
// given the decoded arguments. An error refuses them, and its text goes to the
// model, as that of an InputError.
//
// The message is what makes two calls one operation, so render should depend on
// nothing but its argument. It may be called concurrently.
func RenderInput[T any](render func(T) (string, error)) ToolOption {
	if render == nil {
		return toolOptionFunc(func(*catalog.Settings) error { return errors.New("RenderInput: the function is nil") })
	}
	return inputOption("RenderInput", render)
}

func inputOption[T any](name string, render func(T) (string, error)) ToolOption {
	spec, err := typed.InputOf(render)
	if err != nil {
		err = fmt.Errorf("%s[%s]: %w", name, reflect.TypeFor[T](), err)
	}
	return toolOptionFunc(func(t *catalog.Settings) error {
		if err == nil {
			t.Input = spec
		}
		return err
	})
}

// InputSchema lets a tool take arguments that fit a JSON Schema of an object,
// given as JSON; see [InputOf]. It is of draft 2020-12 unless its $schema names
// another one from draft 4 on, and is then written in the words of 2020-12. What its
// references refer to is put in their place, because models' providers take none; so a
// reference must be to a place in the schema itself, and a recursive schema is
// refused. Parts of allOf are merged, and an object that nothing fits is refused.
// Patterns are in the syntax of package regexp.
func InputSchema(raw json.RawMessage) ToolOption {
	spec, err := typed.InputSchema(raw)
	return toolOptionFunc(func(t *catalog.Settings) error {
		if err != nil {
			return fmt.Errorf("InputSchema: %w", err)
		}
		t.Input = spec
		return nil
	})
}

// OutputOf says what a completed Job is to answer: JSON that decodes into T, as
// the whole of its last words, in a code fence, or as the last object in them.
// What was found is in [outcome.Result.Data]; where nothing fits, [outcome.Result.Note] tells
// the model and you what is wrong. The outcome stays that of the Job.
//
// The Assignment must know what it is to answer. Say so in its SOP, or use
// [CorrectOnce], which tells it.
func OutputOf[T any]() ToolOption {
	spec, err := typed.OutputOf[T]()
	return toolOptionFunc(func(t *catalog.Settings) error {
		if err != nil {
			return fmt.Errorf("OutputOf[%s]: %w", reflect.TypeFor[T](), err)
		}
		t.Output = spec
		return nil
	})
}

// CorrectOnce sends a Job that has completed, and whose answer is not what
// [OutputOf] asks for, a message that tells what is expected, once. That resumes
// the Job, so the call goes on waiting. It needs a backend that is a
// [JobMessenger], and does nothing without OutputOf or the Out of [As]. A message
// of [Registry.Continue] is not followed by one.
func CorrectOnce() ToolOption {
	return toolOptionFunc(func(t *catalog.Settings) error { t.Correct = true; return nil })
}

// OfferTo names the dialects in which the tools are going to be offered: [Discover]
// refuses a tool whose arguments one of them cannot hold, by the tool's name and the
// field. The default is [Neutral] alone. Given more than once, they add up.
func OfferTo(dialects ...Dialect) Option {
	return optionFunc(func(c *config) error {
		if len(dialects) == 0 {
			return errors.New("OfferTo: no dialects")
		}
		for _, d := range dialects {
			if _, ok := offer.Of(offer.Dialect(d)); !ok {
				return fmt.Errorf("OfferTo: there is no dialect %.40q", string(d))
			}
			c.rules.Dialects = append(c.rules.Dialects, offer.Dialect(d))
		}
		return nil
	})
}

// ShortNames bounds the names of tools, in characters: 24 to 63, which is the default.
// It is for hosts that put a server's name before a tool's and bound both together:
// Cursor takes 60 with the server's name and a colon, Claude Code 64 with "mcp__", the
// server's name and "__" before it. A name that is cut ends in the end of its
// Assignment's ID, so that it stays the same when another one like it appears.
func ShortNames(max int) Option {
	return optionFunc(func(c *config) error {
		if max < toolname.Least || max > toolname.Max {
			return fmt.Errorf("ShortNames: %d is not between %d and %d", max, toolname.Least, toolname.Max)
		}
		c.rules.MaxName = max
		return nil
	})
}

// ReserveNames keeps names from Assignments, for tools of the program's own that
// are offered beside the registry's: an Assignment of such a name gets the end of
// its ID as a suffix, the same from run to run, and [outcome.Changes.Collided] tells it.
// Case does not matter. Given more than once, the names add up.
func ReserveNames(names ...string) Option {
	return optionFunc(func(c *config) error {
		if len(names) == 0 {
			return errors.New("ReserveNames: no names")
		}
		reserve := maps.Clone(c.rules.Reserve)
		if reserve == nil {
			reserve = map[string]bool{}
		}
		for _, n := range names {
			if strings.TrimSpace(n) == "" {
				return errors.New("ReserveNames: an empty name")
			}
			reserve[strings.ToLower(n)] = true
			if s, lossy := toolname.Slug(n); !lossy { // as adapters write it
				reserve[s] = true
			}
		}
		c.rules.Reserve = reserve
		return nil
	})
}

// DiscoverLater lets [Discover] return a registry also while Duvo cannot be
// reached, is overloaded or refuses the key, or where the context's deadline comes
// first: a service then does not restart again and again, and what its journal
// holds is taken up, with the options that fit each Assignment as it was recorded.
// There are no tools until the Assignments were listed; that is tried in the
// background, after a second and then less and less often, up to once a minute, and
// by [Registry.Refresh]. [Registry.Discovered] tells whether it was done, and the
// observer is told by an [outcome.EventRefreshed].
//
// What options and policies name must be there then, as it must for Discover:
// otherwise no tool is offered, and an error is logged each time it was tried.
// Until then no policy is asked either, since a name that nothing has may be that of
// a guard: requests of Jobs that were taken up wait, but for those that had been
// suspended, which [Registry.Decide] answers. What was decided before is sent.
func DiscoverLater() Option {
	return optionFunc(func(c *config) error { c.later = true; return nil })
}

// OnHost lets operations live elsewhere than in this process. It is for adapters of
// this module, such as adapters/temporal, whose functions use it: a host is made of
// types that nobody else can name.
func OnHost(h func(*engine.Engine) (engine.Host, error)) Option {
	return optionFunc(func(c *config) error {
		if h == nil {
			return errors.New("OnHost: the host is nil")
		}
		c.host = h
		return nil
	})
}

// WithWebhook lets Duvo tell the registry at once when a Job changes. publicURL
// is where Duvo reaches [Registry.Webhook], https unless it is a loopback
// address; deliveries must be signed with one of the secrets, of which there
// may be several while one is replaced.
//
// A secret of the form "whsec_<base64>" is decoded, other text is used as it is;
// text that may as well be base64 whose "whsec_" was left out is tried both ways.
// White space around a secret, and "v1," before "whsec_", are left out. A secret
// that is empty, shorter than 8 bytes, in quotation marks, of several lines or
// else a signature is refused, since with it no delivery would be taken.
//
// A delivery only makes a read come sooner: with every delivery lost, all Jobs
// still finish.
func WithWebhook(publicURL string, secrets ...string) Option {
	return optionFunc(func(c *config) error {
		u, err := url.Parse(publicURL)
		if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
			return errors.New("WithWebhook: the URL must be an https URL, or http on a loopback address, without user and fragment")
		}
		if len(secrets) == 0 {
			return errors.New("WithWebhook: no secret; unsigned deliveries are not taken")
		}
		for _, s := range secrets {
			keys, err := webhook.KeysOf(s)
			if err != nil {
				return fmt.Errorf("WithWebhook: %w", err)
			}
			c.webhook.Secrets = append(c.webhook.Secrets, keys...)
		}
		c.WebhookURL, c.WebhookKey = u, c.webhook.Secrets[0]
		return nil
	})
}

// WithWebhookSignature accepts, beside the form of Standard Webhooks, a header
// of this name that holds the hexadecimal HMAC-SHA256 of the raw body, with or
// without "sha256=" before it. Duvo does not publish the form of its
// signatures. Such a delivery has no timestamp, so an old one cannot be told
// from a new one; it wakes a Job, and no more.
func WithWebhookSignature(header string) Option {
	return optionFunc(func(c *config) error {
		if header = strings.TrimSpace(header); !webhook.IsHeaderName(header) {
			return errors.New("WithWebhookSignature: no header can have this name")
		}
		c.webhook.Header = header
		return nil
	})
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
