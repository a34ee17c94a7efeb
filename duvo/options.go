package duvo

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/version"
	"golang.org/x/oauth2"
)

// DefaultBaseURL is where Duvo's Public API lives.
const DefaultBaseURL = "https://api.duvo.ai"

// The environment variables that Duvo's own command line uses, read by
// [FromEnv].
const (
	EnvAPIKey  = "DUVO_API_KEY"
	EnvTeamID  = "DUVO_TEAM_ID"
	EnvBaseURL = "DUVO_API_BASE_URL"
)

// An Option configures a [Client].
type Option func(*config) error

type config struct {
	apiKey      func() string // nil for none; a func, because printing one shows nothing
	tokens      oauth2.TokenSource
	baseURL     string
	teamID      string
	http        *http.Client
	wrap        func(http.RoundTripper) http.RoundTripper
	timeout     time.Duration
	attempts    int
	maxWait     time.Duration
	maxBody     int64
	plainHTTP   bool
	raw         bool
	userAgent   string
	logger      *slog.Logger
	maxListRows int
	share       float64
}

func defaults() config {
	return config{
		baseURL: DefaultBaseURL, timeout: 30 * time.Second, attempts: 5, maxWait: time.Minute,
		maxBody: 16 << 20, userAgent: "duvotool/" + version.Of("") + " (+https://github.com/duvotool/duvotool)",
		logger: slog.New(slog.DiscardHandler), maxListRows: 1_000_000, share: 0.8,
	}
}

// WithAPIKey sets the key that is sent as the bearer token.
func WithAPIKey(key string) Option {
	return func(c *config) error {
		if strings.TrimSpace(key) != key || key == "" {
			return errors.New("the API key is empty or has white space around it")
		}
		if !printable(key) || strings.Contains(key, " ") {
			return errors.New("the API key has a character that no key can have")
		}
		if strings.ContainsAny(key, "\"'`") {
			return errors.New("the API key is in quotation marks; give it without them")
		}
		c.apiKey = func() string { return key }
		return nil
	}
}

// WithTokenSource takes bearer tokens from ts, for OAuth callers, instead of a
// key. Token is called for every attempt, from any goroutine; wrap a slow
// source with [oauth2.ReuseTokenSource]. A request that may no longer begin when
// the token is there is not sent; see [NotAfter].
func WithTokenSource(ts oauth2.TokenSource) Option {
	return func(c *config) error {
		if ts == nil {
			return errors.New("the token source is nil")
		}
		c.tokens = ts
		return nil
	}
}

// WithBaseURL sets where the API is, without /v2; a path in front of it is
// kept. The default is [DefaultBaseURL]. Plain http is refused unless the host
// is a loopback address or localhost, or [AllowPlainHTTP] is given.
func WithBaseURL(u string) Option {
	return func(c *config) error { c.baseURL = u; return nil }
}

// WithTeam sets the team to act on. Without it the client asks the server for
// the teams of its key, once, and takes the only one.
func WithTeam(id string) Option {
	return func(c *config) error {
		if err := checkID("team", id); err != nil {
			return err
		}
		c.teamID = id
		return nil
	}
}

// WithHTTPClient sets the client that carries the requests. It is copied; its
// Timeout and CheckRedirect are not used (see [WithTimeout]; no redirect is
// followed, since it could take the key elsewhere or repeat a mutation).
func WithHTTPClient(h *http.Client) Option {
	return func(c *config) error {
		if h == nil {
			return errors.New("the HTTP client is nil")
		}
		c.http = h
		return nil
	}
}

// WithTransport puts a transport of your own in front of the one that carries
// the requests: wrap is given that one, and is called once. It must send a
// request at most once, unless the earlier attempt provably did nothing; an
// error that proves so has a method NoEffect() bool that returns true. What goes
// to an upload URL does not come through it.
func WithTransport(wrap func(next http.RoundTripper) http.RoundTripper) Option {
	return func(c *config) error {
		if wrap == nil {
			return errors.New("the function that wraps the transport is nil")
		}
		c.wrap = wrap
		return nil
	}
}

// WithTimeout bounds one attempt, from the first byte sent to the last one
// read. The default is 30 s.
func WithTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("the timeout must be positive, not %v", d)
		}
		c.timeout = d
		return nil
	}
}

// WithRetries sets how many attempts one call may make (1: no retry; the
// default is 5), and the longest single wait before one of them (the default
// is a minute). Where the server asks for a longer wait, the call ends with
// its error instead.
func WithRetries(attempts int, maxWait time.Duration) Option {
	return func(c *config) error {
		if attempts < 1 || maxWait < 0 {
			return fmt.Errorf("retries: %d attempts with waits up to %v make no sense", attempts, maxWait)
		}
		c.attempts, c.maxWait = attempts, maxWait
		return nil
	}
}

// WithMaxBody bounds the body of a response, in bytes. A larger one is
// [ErrTooLarge]; where it is a page of a list, smaller pages are asked for first.
// The default is 16 MiB.
func WithMaxBody(bytes int64) Option {
	return func(c *config) error {
		if bytes < 1024 {
			return fmt.Errorf("a bound of %d bytes is too small to hold any answer", bytes)
		}
		c.maxBody = bytes
		return nil
	}
}

// WithMaxRows bounds how many rows one list may yield before it ends with an
// error: a server that never ends a list must not fill the memory. The
// default is a million.
func WithMaxRows(n int) Option {
	return func(c *config) error {
		if n < 1 {
			return fmt.Errorf("a bound of %d rows makes no sense", n)
		}
		c.maxListRows = n
		return nil
	}
}

// WithShare sets which part of the key's rate limit requests of the priorities
// [Background] and [Idle] may use, above 0 and up to 1. The default is 0.8. Keys
// are shared: what others use of the limit is heeded as the server tells it.
func WithShare(part float64) Option {
	return func(c *config) error {
		if !(part > 0 && part <= 1) {
			return fmt.Errorf("a share of %v makes no sense", part)
		}
		c.share = part
		return nil
	}
}

// AllowPlainHTTP lets the key travel unencrypted to any host. It is meant for
// a proxy inside a trusted network.
func AllowPlainHTTP() Option {
	return func(c *config) error { c.plainHTTP = true; return nil }
}

// WithLogger sets where retries are logged, at level debug, with the text of
// the error that they follow. Keys never are. The default discards.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		if l == nil {
			return errors.New("the logger is nil")
		}
		c.logger = l
		return nil
	}
}

// WithUserAgent sets the User-Agent header.
func WithUserAgent(s string) Option {
	return func(c *config) error {
		if s == "" || !printable(s) {
			return errors.New("the user agent is empty or has a character other than printable ASCII")
		}
		c.userAgent = s
		return nil
	}
}

// New makes a client. It needs [WithAPIKey] or [WithTokenSource], and sends
// nothing yet.
func New(opts ...Option) (*Client, error) {
	c := defaults()
	for _, o := range opts {
		if o == nil {
			continue
		}
		if err := o(&c); err != nil {
			return nil, errtext.Errorf("duvo: %w", err)
		}
	}
	switch {
	case c.apiKey == nil && c.tokens == nil:
		return nil, &rewordedError{"duvo: there is no API key: set " + EnvAPIKey + ", or pass WithAPIKey or WithTokenSource", ErrUnauthorized}
	case c.apiKey != nil && c.tokens != nil:
		return nil, errors.New("duvo: both an API key and a token source were given")
	}
	base, err := parseBaseURL(c.baseURL, c.plainHTTP)
	if err != nil {
		return nil, errtext.Errorf("duvo: %w", err)
	}
	h := http.Client{}
	if c.http != nil {
		h = *c.http
	}
	under := h.Transport // what carries uploads
	if h.Transport == nil {
		h.Transport = http.DefaultTransport
	}
	h.Transport = gate{h.Transport}
	if c.wrap != nil {
		if h.Transport = c.wrap(h.Transport); h.Transport == nil {
			return nil, errors.New("duvo: the transport is nil")
		}
	}
	h.Timeout = 0
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	cl := &Client{cfg: c, base: base, http: &h}
	cl.near = &http.Client{Transport: under, CheckRedirect: h.CheckRedirect}
	cl.far = &http.Client{Transport: guarded(under, loopback(base.Hostname())), CheckRedirect: h.CheckRedirect}
	cl.pace.share = c.share
	cl.team.id = c.teamID
	cl.team.turn = make(chan struct{}, 1)
	cl.team.turn <- struct{}{}
	return cl, nil
}

// FromEnv makes a client from DUVO_API_KEY, DUVO_TEAM_ID (optional) and
// DUVO_API_BASE_URL (optional). The options come after and win.
func FromEnv(opts ...Option) (*Client, error) {
	var env []Option
	if v := strings.TrimSpace(os.Getenv(EnvAPIKey)); v != "" {
		env = append(env, WithAPIKey(v))
	}
	if v := strings.TrimSpace(os.Getenv(EnvTeamID)); v != "" {
		env = append(env, WithTeam(v))
	}
	if v := strings.TrimSpace(os.Getenv(EnvBaseURL)); v != "" {
		env = append(env, WithBaseURL(v))
	}
	return New(append(env, opts...)...)
}

func parseBaseURL(s string, plain bool) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(strings.TrimSpace(s), "/"))
	if err != nil {
		return nil, errors.New("the base URL, of " + EnvBaseURL + " or WithBaseURL, cannot be parsed; it looks like " + DefaultBaseURL) // err would repeat the URL, which may hold a password
	}
	switch {
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Host == "" && strings.Contains(s, "@"): // the last is a user where // was left out
		return nil, errors.New("the base URL must have no user, query or fragment")
	case u.Host == "" || u.Hostname() == "":
		return nil, fmt.Errorf("the base URL %q has no host; it looks like %s", s, DefaultBaseURL)
	case u.Scheme == "http" && !plain && !loopback(u.Hostname()):
		return nil, fmt.Errorf("the base URL %q would send the key unencrypted; use https, or AllowPlainHTTP", s)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("the base URL %q is neither http nor https", s)
	}
	// A /v2 pasted with the URL is taken as meant.
	u.Path = strings.TrimSuffix(u.Path, "/v2")
	u.RawPath, u.ForceQuery = "", false
	return u, nil
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// printable reports whether s may stand in a header.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// checkID refuses what cannot be one segment of a path.
func checkID(what, id string) error {
	switch {
	case id == "":
		return fmt.Errorf("%w: the %s ID is empty", ErrInvalid, what)
	case id == "." || id == "..", len(id) > 200:
		return fmt.Errorf("%w: %.60q is no %s ID", ErrInvalid, id, what)
	}
	for _, r := range id {
		if r <= ' ' || r > '~' || strings.ContainsRune(`/\?#%`, r) {
			return fmt.Errorf("%w: %q is no %s ID", ErrInvalid, id, what)
		}
	}
	return nil
}
