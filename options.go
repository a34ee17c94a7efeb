package duvotool

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/tmc/langchaingo/callbacks"
)

// An Option configures a [Registry].
type Option interface{ apply(*config) error }

// A ToolOption configures the tools: all of them as an [Option] of [Discover],
// some of them through [Configure].
type ToolOption interface {
	Option
	applyTool(*toolConfig) error
}

type optionFunc func(*config) error

func (f optionFunc) apply(c *config) error { return f(c) }

type toolOptionFunc func(*toolConfig) error

func (f toolOptionFunc) apply(c *config) error         { return f(&c.tool) }
func (f toolOptionFunc) applyTool(t *toolConfig) error { return f(t) }

type config struct {
	engine.Config

	tool      toolConfig // what holds where Configure says nothing
	configure []configured
	keep      []Selector

	logger     *slog.Logger
	observer   func(outcome.Event)
	callbacks  callbacks.Handler
	refresh    time.Duration // zero: only when asked to
	later      bool          // discover in the background what cannot be discovered at first
	maxCatalog int
	accept     func(outcome.Change) bool // nil: everything is offered
	reserve    map[string]bool           // names that no Assignment gets
	dialects   []Dialect                 // empty: Neutral
	maxName    int                       // zero: maxToolName

	drain time.Duration // zero: Close detaches at once

	webhookKeys   [][]byte
	webhookHeader string
}

type configured struct {
	selector Selector
	options  []ToolOption
}

type toolConfig struct {
	engine.Settings
	input *inputSpec // nil: plain text
}

func (t toolConfig) clone() toolConfig {
	stopOn := map[outcome.StopCause]bool{}
	for c := range t.StopOn {
		stopOn[c] = true
	}
	t.StopOn = stopOn
	return t
}

func defaultConfig() config {
	return config{
		tool: toolConfig{Settings: engine.Settings{
			Policy: hitl.AlwaysDeny(), MaxInput: 256 << 10, MaxObservation: outcome.DefaultMaxShown,
			MaxMessages: 100_000, MaxOutput: 64 << 20,
		}},
		logger:     slog.New(slog.DiscardHandler),
		Config:     engine.Config{PostTimeout: 45 * time.Second, Settle: 30 * time.Second, Retention: 24 * time.Hour},
		maxCatalog: 100_000,
	}
}

// WithPolicy sets how waiting Jobs are answered. The default is [hitl.AlwaysDeny].
// A nil policy is refused.
func WithPolicy(p hitl.Policy) ToolOption {
	return toolOptionFunc(func(t *toolConfig) error {
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
	return toolOptionFunc(func(t *toolConfig) error {
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
	return toolOptionFunc(func(t *toolConfig) error {
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
	return toolOptionFunc(func(t *toolConfig) error { t.OncePerScope = true; return nil })
}

// TellReason posts the reasons of denials to the Job as a message, once it has
// completed or been interrupted. That resumes the Job, so the call goes on
// waiting; it is done once. It needs a backend that is a [JobMessenger]. A Job
// that waits is never sent a message: it would walk past the request.
func TellReason() ToolOption {
	return toolOptionFunc(func(t *toolConfig) error { t.TellReason = true; return nil })
}

// WithMaxInput bounds the input of a call, in bytes. A longer one is an
// observation for the model and starts no Job. The default is 256 KiB.
func WithMaxInput(bytes int) ToolOption {
	return toolOptionFunc(func(t *toolConfig) error {
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
	return toolOptionFunc(func(t *toolConfig) error {
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
			if err := sel.valid(); err != nil {
				return fmt.Errorf("Keep: %w", err)
			}
		}
		c.keep = append(c.keep, s...)
		return nil
	})
}

// Configure sets options for the Assignments that the selector matches. Where
// several match, the later one wins; all win over what is given to [Discover]
// itself.
//
// One that matches nothing is refused by [Discover], unless it is
// [Selector.Optional]. What it has matched once it is for as long as the registry
// lives, by ID: an Assignment that is renamed or moved keeps its options, and
// another one that takes its name or place has them too. The next registry knows
// nothing of that: it goes by what it finds. So use [ByID] for a guard of money,
// and names for convenience.
func Configure(s Selector, opts ...ToolOption) Option {
	return optionFunc(func(c *config) error {
		if err := s.valid(); err != nil {
			return fmt.Errorf("Configure: %w", err)
		}
		scratch := defaultConfig().tool
		for _, o := range opts {
			if o == nil {
				return errors.New("Configure: a nil option")
			}
			if err := o.applyTool(&scratch); err != nil {
				return fmt.Errorf("Configure: %w", err)
			}
		}
		c.configure = append(c.configure, configured{s, slices.Clone(opts)})
		return nil
	})
}

// WithObserver sets a function that is told of every change of every Job. It is
// called from one goroutine, in order, and never holds up a Job. It must not
// call [Registry.Close]. What waits for a slow one holds up to 64 MiB of what Jobs
// have said; beyond that live messages are not told, and the Results of events come
// without text and with a Note, until it has caught up.
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
// is added. The default is 30 s.
func WithSettleTime(d time.Duration) Option {
	return optionFunc(func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("WithSettleTime: %v is not positive", d)
		}
		c.Settle = d
		return nil
	})
}

// DrainOnClose lets [Registry.Close] wait up to d for the Jobs that are under way,
// while new calls are refused. The default, zero, detaches at once: the calls
// return errors, and their Jobs go on in Duvo until somebody takes them up.
func DrainOnClose(d time.Duration) Option {
	return optionFunc(func(c *config) error {
		if d < 0 {
			return fmt.Errorf("DrainOnClose: %v is negative", d)
		}
		c.drain = d
		return nil
	})
}

// WithRetention sets how long a finished operation's key is remembered. After
// that the same key starts anew: a new Job, once Duvo has forgotten the start's
// Idempotency-Key too, and the first one again before. The default is 24 hours. What has not
// finished, or whose outcome is unknown, is never forgotten: also not where a call
// ended as [outcome.OutcomePending] or [outcome.OutcomeExpired], since the Job
// waits or runs on. A later call with the key, however late, reads that Job again
// and goes on with it; so whoever gives keys calls again until the Job has ended,
// or memory or the journal keeps the operation for ever. One that has no key of a
// caller's or a scope's is forgotten after this time in any case, the Key of its
// Result being for logs only, unless a [outcome.JobError] or [Tool.Start] told the
// key, or somebody called with it. Processes that share a journal need the same
// retention: a record that one of them misses too early has vanished for it, which
// is [journal.ErrFailed].
func WithRetention(d time.Duration) Option {
	return optionFunc(func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("WithRetention: %v is not positive", d)
		}
		c.Retention = d
		return nil
	})
}

// TrustLists lets a row of the list of completed Jobs end a Job without reading
// that Job once more: its messages are read at once. It saves a request of about
// three a Job where some hundreds or more are in flight, so that lists by status
// are looked through, and counts only for rows of such a list, as Duvo has
// filtered it, that tell when the Job completed. By default
// every Job is read that a list shows as ended, since lists leave out or rename
// some statuses.
func TrustLists() Option {
	return optionFunc(func(c *config) error { c.TrustLists = true; return nil })
}

// WithWaitBudget bounds how long a call waits for its Job. Past it the call
// returns with [outcome.OutcomePending] and a [outcome.Result.Handle], and a nil error; the Job
// goes on, and so do its policy and whatever else belongs to it. However short
// it is, the call waits until the operation is recorded, so that it is not lost
// with the process. See [Tool.Start] for a call that waits for no more than that. The tool
// check_job, which [Registry.Tools] then also holds, tells the model later how
// it ended.
//
// The default, zero, waits until the Job ends or the context does.
func WithWaitBudget(d time.Duration) ToolOption {
	return toolOptionFunc(func(t *toolConfig) error {
		if d < 0 {
			return fmt.Errorf("WithWaitBudget: %v is negative", d)
		}
		t.WaitBudget = d
		return nil
	})
}

// offersCheckTool reports whether some tool has a wait budget.
func (c config) offersCheckTool() bool {
	return c.someTool(func(t toolConfig) bool { return t.WaitBudget > 0 })
}

// offersContinue reports whether some tool allows follow-ups.
func (c config) offersContinue() bool {
	return c.someTool(func(t toolConfig) bool { return t.FollowUps })
}

// someTool reports whether what holds for all tools, or is configured for some,
// is so.
func (c config) someTool(is func(toolConfig) bool) bool {
	return is(c.tool) || slices.ContainsFunc(c.configure, func(conf configured) bool {
		var t toolConfig
		for _, o := range conf.options {
			_ = o.applyTool(&t) // checked by Configure
		}
		return is(t)
	})
}

// WithLiveMessages tells the observer of a Job's messages while it runs, by
// [outcome.EventMessage]. It takes a request more whenever the Job has changed, and
// lists of many Jobs at once do not serve such a Job: it is read by its age.
func WithLiveMessages() ToolOption {
	return toolOptionFunc(func(t *toolConfig) error { t.LiveMessages = true; return nil })
}

// WithMarkedStarts starts every Job with a sandbox of its own, be it empty. So
// the Job of a start whose answer was lost can be told from all others, and is
// looked for before the start is sent again, which then is right also on a
// server that does not honour the Idempotency-Key. It costs a request a Job, and
// needs a backend that is a [SandboxMaker] and a [JobLister].
//
// A Job that is called [WithFiles] has such a sandbox in any case, and with
// [WithWebhook] a delivery that comes tells the Job as well.
func WithMarkedStarts() ToolOption {
	return toolOptionFunc(func(t *toolConfig) error { t.Marked = true; return nil })
}

// WithFollowUps lets the model go on with a Job that has completed or was
// interrupted: what a call tells of such a Job then holds a handle, and
// [Registry.Tools] also holds the tool continue_job, which posts a message to it
// and waits for its answer. It needs a backend that is a [JobMessenger].
func WithFollowUps() ToolOption {
	return toolOptionFunc(func(t *toolConfig) error { t.FollowUps = true; return nil })
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

// WithJournalKey encrypts what goes into the journal, by AES-256-GCM, with a key
// of 32 random bytes; the journal then shows no text, no ID and no name. Given more
// than once, the first key encrypts and the others are only read with, so that a
// key can be replaced: what was written with the old one is written anew
// whenever it changes.
//
// A record opens in the journal, under the key and at the revision that it was
// put as, and nowhere else: what was changed, exchanged with another record or
// put back to its older self is refused with [journal.ErrFailed]. Within a process a
// record that goes back to an earlier revision, or vanishes before it is done, is
// refused too, with a key or without. What cannot be noticed from the records
// alone is that, between two processes, records were put back together with
// their revisions: the whole journal, or one that does not protect its revisions
// against who can write to it. adapters/bolt notices some of that. Records that
// releases before this one encrypted are bound to their keys alone, until they
// are written anew; once no key of that time is given any more, none opens.
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
	return toolOptionFunc(func(t *toolConfig) error {
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
// description. One that is not accepted is not offered; a tool that was handed
// out for it answers the model that it is gone. It is asked about again at each
// refresh. [outcome.Changes.Held] lists what is held back.
//
// Others may write descriptions, and the model reads them. What was accepted is
// known to the registry alone: a program that keeps a list of Build IDs, say,
// decides the same after a restart. accept must return soon; a panic refuses.
func WithAcceptance(accept func(outcome.Change) bool) Option {
	return optionFunc(func(c *config) error {
		if accept == nil {
			return errors.New("WithAcceptance: the function is nil")
		}
		c.accept = accept
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
			keys, err := webhookKeysOf(s)
			if err != nil {
				return fmt.Errorf("WithWebhook: %w", err)
			}
			c.webhookKeys = append(c.webhookKeys, keys...)
		}
		c.WebhookURL, c.WebhookKey = u, c.webhookKeys[0]
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
		if header = strings.TrimSpace(header); !isHeaderName(header) {
			return errors.New("WithWebhookSignature: no header can have this name")
		}
		c.webhookHeader = header
		return nil
	})
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
