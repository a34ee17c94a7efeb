package mcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/modelcontextprotocol/go-sdk/auth"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// A Client reaches Duvo through its MCP server. It has the methods of a
// [duvo.Client], and they do what they do there: the same errors, retries, rate
// limits and priorities. It is safe for concurrent use. Make it with [Connect]
// and end it with [Client.Close].
type Client struct {
	*duvo.Client
	transport *transport
}

var (
	_ duvotool.Backend      = (*Client)(nil)
	_ duvotool.JobLister    = (*Client)(nil)
	_ duvotool.JobStopper   = (*Client)(nil)
	_ duvotool.JobMessenger = (*Client)(nil)
	_ duvotool.FolderLister = (*Client)(nil)
)

// An Option configures a [Client].
type Option func(*options) error

type options struct {
	duvo     []duvo.Option
	oauth    auth.OAuthHandler
	protocol string
}

// With sets what is set of a [duvo.Client] too: key, team, base URL, timeouts.
// The MCP server is at /v2/mcp below the base URL.
func With(opts ...duvo.Option) Option {
	return func(o *options) error { o.duvo = append(o.duvo, opts...); return nil }
}

// WithOAuth takes tokens from a handler of the SDK in place of an API key, for
// example one made by extauth.NewClientCredentialsHandler. The handler finds
// the authorization server by the metadata that the MCP server names; it is
// asked again when a token is refused, and once when one is good for too little and
// the server tells so. Who does not authorize is not asked again for a minute:
// until then requests fail with [duvo.ErrUnauthorized]. Give the handler an HTTP client with a
// timeout: nothing else bounds how long it takes to renew a token.
func WithOAuth(h auth.OAuthHandler) Option {
	return func(o *options) error {
		if h == nil {
			return errors.New("WithOAuth: the handler is nil")
		}
		o.oauth = h
		return nil
	}
}

// WithProtocol begins with this revision of MCP, such as "2025-06-18". The
// default begins with the newest one that the SDK knows; the server may choose
// an older one in any case.
func WithProtocol(revision string) Option {
	return func(o *options) error {
		if !slices.Contains(sdk.SupportedProtocolVersions(), revision) {
			return fmt.Errorf("WithProtocol: the revision %.40q is none of %s", revision, strings.Join(sdk.SupportedProtocolVersions(), ", "))
		}
		o.protocol = revision
		return nil
	}
}

// Connect opens a session. It agrees on the protocol's revision, checks that
// the server has every tool that a registry needs (a [*MissingError] names
// those it lacks), and lists the teams, which checks the key.
//
// A session that the server has lost is opened anew as it is needed, without an
// error.
func Connect(ctx context.Context, opts ...Option) (*Client, error) {
	var o options
	for _, opt := range opts {
		if opt == nil {
			continue
		}
		if err := opt(&o); err != nil {
			return nil, errtext.Errorf("mcp: %w", err)
		}
	}
	return connect(ctx, o)
}

// FromEnv is [Connect] with the environment of [duvo.FromEnv]. With [WithOAuth],
// DUVO_API_KEY must not be set.
func FromEnv(ctx context.Context, opts ...Option) (*Client, error) {
	return Connect(ctx, append([]Option{func(o *options) error {
		if v := strings.TrimSpace(os.Getenv(duvo.EnvAPIKey)); v != "" {
			o.duvo = append(o.duvo, duvo.WithAPIKey(v))
		}
		if v := strings.TrimSpace(os.Getenv(duvo.EnvTeamID)); v != "" {
			o.duvo = append(o.duvo, duvo.WithTeam(v))
		}
		if v := strings.TrimSpace(os.Getenv(duvo.EnvBaseURL)); v != "" {
			o.duvo = append(o.duvo, duvo.WithBaseURL(v))
		}
		return nil
	}}, opts...)...)
}

func connect(ctx context.Context, o options) (*Client, error) {
	c := &Client{}
	var source *tokens
	if o.oauth != nil {
		source = &tokens{handler: o.oauth}
		o.duvo = append(slices.Clone(o.duvo), duvo.WithTokenSource(source))
	}
	client, err := duvo.New(append(slices.Clone(o.duvo), duvo.WithTransport(func(next http.RoundTripper) http.RoundTripper {
		if source != nil {
			source.next = next
		}
		c.transport = newTransport(next, o.protocol, source)
		return c.transport
	}))...)
	if err != nil {
		return nil, errtext.Errorf("mcp: %w", err)
	}
	c.Client = client
	c.transport.timeout = client.Timeout()
	if source != nil {
		source.endpoint = client.BaseURL() + "/v2/mcp"
	}
	if _, err := client.Teams(ctx); err != nil {
		_ = c.Close()
		return nil, errtext.Errorf("mcp: connecting: %w", err)
	}
	return c, nil
}

// Protocol returns the revision of MCP that was agreed on; empty while there is
// no session.
func (c *Client) Protocol() string {
	c.transport.mu.Lock()
	defer c.transport.mu.Unlock()
	if s := c.transport.session; s != nil {
		return s.InitializeResult().ProtocolVersion
	}
	return ""
}

// Sessions returns how many sessions were opened: one, and one more for each
// that was lost.
func (c *Client) Sessions() int {
	c.transport.mu.Lock()
	defer c.transport.mu.Unlock()
	return c.transport.opened
}

// Close ends the session, once the calls that are under way have ended. Calls
// that come later fail, without effect. It may be called more than once.
func (c *Client) Close() error { return c.transport.close() }
