package duvotest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// An Option sets up a [Duvo].
type Option func(*config) error

type config struct {
	key           string
	teamID        string
	teamName      string
	teams         int
	assignments   []Assignment
	rate          int // requests a minute; zero: no limit
	profile       Profile
	quirks        Quirks
	forbidden     []string
	pace          time.Duration
	webhookSecret string
	webhookHeader WebhookHeaders
	webhookClient *http.Client
	log           *slog.Logger
	sandboxLife   time.Duration
	sandboxBytes  int64
	history       int // how many requests and deliveries are kept at least; zero: all
}

func defaults() config {
	return config{
		key: "dv_duvotest_0123456789abcdef", teamID: stableUUID("team"), teamName: "Emulated team", teams: 1,
		webhookSecret: "whsec_ZHV2b3Rlc3Qtd2ViaG9vay1zZWNyZXQ=",
		webhookHeader: WebhookHeaders{ID: "webhook-id", Timestamp: "webhook-timestamp", Signature: "webhook-signature"},
		webhookClient: webhookClient(&http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}}),
		log:           slog.New(slog.DiscardHandler),
		sandboxLife:   24 * time.Hour, sandboxBytes: 256 << 20,
	}
}

// WithAssignment adds an Assignment.
func WithAssignment(a Assignment) Option { return WithAssignments(a) }

// WithAssignments adds Assignments.
func WithAssignments(a ...Assignment) Option {
	return func(c *config) error { c.assignments = append(c.assignments, a...); return nil }
}

// WithKey sets the API key that is accepted.
func WithKey(key string) Option {
	return func(c *config) error {
		if strings.TrimSpace(key) == "" {
			return errors.New("the key is empty")
		}
		if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return errors.New("the key has a character that no key can have")
		}
		c.key = key
		return nil
	}
}

// WithTeam sets the team's ID, a UUID, and its name.
func WithTeam(id, name string) Option {
	return func(c *config) error {
		if !isUUID(id) {
			return fmt.Errorf("the team ID %q is no UUID", id)
		}
		c.teamID, c.teamName = id, name
		return nil
	}
}

// WithTeams sets how many teams the key can act on: one by default, as for a
// key of Duvo's, none, or several, as for an OAuth caller. The first one holds
// the Assignments.
func WithTeams(n int) Option {
	return func(c *config) error {
		if n < 0 {
			return fmt.Errorf("%d teams make no sense", n)
		}
		c.teams = n
		return nil
	}
}

// WithRateLimit allows so many requests a minute, counted in windows that begin
// with a first request. Every answer then carries x-ratelimit-limit,
// -remaining and -reset, and requests over the limit get 429 with retry-after.
// Requests without the right key do not count. Zero, the default, is no limit
// and no headers.
func WithRateLimit(perMinute int) Option {
	return func(c *config) error {
		if perMinute < 0 {
			return fmt.Errorf("a limit of %d requests makes no sense", perMinute)
		}
		c.rate = perMinute
		return nil
	}
}

// WithProfile chooses among what the published description leaves open.
func WithProfile(p Profile) Option { return func(c *config) error { c.profile = p; return nil } }

// WithQuirks switches on what servers do beyond the published description.
func WithQuirks(q Quirks) Option { return func(c *config) error { c.quirks = q; return nil } }

// WithForbidden lets the key not do these operations, by operationId: they get
// 403.
func WithForbidden(operations ...string) Option {
	return func(c *config) error {
		for _, op := range operations {
			if !known(op) {
				return fmt.Errorf("there is no operation %q", op)
			}
		}
		c.forbidden = append(c.forbidden, operations...)
		return nil
	}
}

// WithPace sets how long a Job stays in each of the states pending and
// starting, and in running before its script begins. The default, zero, passes
// through them at once.
func WithPace(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return fmt.Errorf("a pace of %v makes no sense", d)
		}
		c.pace = d
		return nil
	}
}

// WithWebhookSecret sets the workspace's secret that signs webhooks. In the
// form "whsec_<base64>" the decoded bytes are the key; else its own bytes are, and of
// base64 of 16 bytes or more the decoded ones too, by a second signature.
func WithWebhookSecret(secret string) Option {
	return func(c *config) error {
		if strings.TrimSpace(secret) == "" {
			return errors.New("the webhook secret is empty")
		}
		if strings.TrimSpace(secret) != secret {
			return errors.New("the webhook secret has white space around it")
		}
		if coded, ok := strings.CutPrefix(secret, "whsec_"); ok {
			if _, err := base64.StdEncoding.DecodeString(coded); err != nil || coded == "" {
				return errors.New("the webhook secret begins with whsec_ and is not base64")
			}
		}
		c.webhookSecret = secret
		return nil
	}
}

// WebhookHeaders names the headers of a webhook delivery.
type WebhookHeaders struct{ ID, Timestamp, Signature string }

// WithWebhookHeaders renames the headers of webhook deliveries. The default is
// that of Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature.
func WithWebhookHeaders(h WebhookHeaders) Option {
	return func(c *config) error {
		if h.ID == "" || h.Timestamp == "" || h.Signature == "" {
			return errors.New("a webhook header has no name")
		}
		c.webhookHeader = h
		return nil
	}
}

// WithWebhookClient sets the client that delivers webhooks, an in-memory one
// for example. The default one uses the network. The client is copied; the
// copy follows no redirects. Close closes its idle connections.
func WithWebhookClient(h *http.Client) Option {
	return func(c *config) error {
		if h == nil {
			return errors.New("the webhook client is nil")
		}
		c.webhookClient = webhookClient(h)
		return nil
	}
}

func webhookClient(h *http.Client) *http.Client {
	own := *h
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// WithHistory keeps about the last n requests and webhook deliveries only, for
// a Duvo that serves for days. Zero, the default, keeps them all.
// [Duvo.Count] counts them all in any case.
func WithHistory(n int) Option {
	return func(c *config) error {
		if n < 0 {
			return fmt.Errorf("a history of %d makes no sense", n)
		}
		c.history = n
		return nil
	}
}

// WithSandboxes sets how long a sandbox lives that no Job was started with, and
// how many bytes all sandboxes hold together; an upload beyond is refused with
// 413. The defaults are 24 hours and 256 MiB.
func WithSandboxes(lifetime time.Duration, bytes int64) Option {
	return func(c *config) error {
		if lifetime <= 0 || bytes <= 0 {
			return fmt.Errorf("sandboxes that live %v and hold %d bytes make no sense", lifetime, bytes)
		}
		c.sandboxLife, c.sandboxBytes = lifetime, bytes
		return nil
	}
}

// WithLog logs each request, without secrets and bodies.
func WithLog(l *slog.Logger) Option {
	return func(c *config) error {
		if l == nil {
			return errors.New("the logger is nil")
		}
		c.log = l
		return nil
	}
}

// A Profile chooses among behaviours that the published description allows.
// Its zero value is the first of each.
type Profile struct {
	Idempotency Idempotency
	Respond     RespondCheck
	Stop        StopEffect
	Since       SinceBound
}

// Idempotency tells what an Idempotency-Key does.
type Idempotency int

// What an Idempotency-Key does.
const (
	KeysHonoured Idempotency = iota // a second request with the key gets the first one's answer
	KeysIgnored                     // the header means nothing
)

// RespondCheck tells what a response to a human request is checked against.
type RespondCheck int

// What a response is checked against.
const (
	CheckRequest RespondCheck = iota // the request that the Job waits for
	CheckWaiting                     // any request of the Job, past ones too, while it waits: the response goes to what it waits for
	ApplyToAny                       // nothing: the response goes to whatever the Job waits for
)

// SinceBound tells which time of a Job the parameter since of listRuns bounds.
type SinceBound int

// What the parameter since bounds. The published description does not say; newer
// documents mean SinceCompleted.
const (
	SinceCreated   SinceBound = iota // when the Job was created
	SinceCompleted                   // when it completed: one that runs is left out
)

// StopEffect tells what stopping a waiting Job does.
type StopEffect int

// What stopping a waiting Job does.
const (
	StopsWaiting       StopEffect = iota // it stops
	WaitingUnstoppable                   // success is told, and it waits on
)

// Quirks are what servers have been seen or documented to do beyond the
// published description. A script adds one more by [Job.AskUntyped].
type Quirks struct {
	NestedPending   bool // the pending request stands within the run, as in Duvo's guide
	ToolMessageLast bool // a tool message without text follows the last answer
	UnknownStatus   bool // a running Job tells a status that is not documented
	UnknownFields   bool // every object has a field that is not documented, but not those that tools were given and gave
	FilterIgnored   bool // listRuns heeds no filter by status
	FilterMisses    bool // listRuns, filtered by status, leaves out every second Job
	ExtraMessages   int  // so many messages stand before the Job's own
	OtherMessages   bool // thinking, system texts and human requests in the assistant's role, and events of Duvo's, stand among the messages, some after the last answer
}
