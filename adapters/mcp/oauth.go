package mcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"golang.org/x/oauth2"
)

// tokens gets its tokens from a handler of the SDK's. The handler authorizes in
// response to a request that was refused; where there was none yet, it is made.
type tokens struct {
	handler  auth.OAuthHandler
	next     http.RoundTripper
	endpoint string

	mu      sync.Mutex // held while a token is got
	refused error      // why there was none; nil: none was refused
	at      time.Time  // when it was refused
}

const (
	authorizeTimeout = 30 * time.Second

	// askAgain is after how long who did not authorize is asked again. Reads go on
	// in the meantime, and a person is not to be asked with each of them.
	askAgain = time.Minute
)

// Token implements oauth2.TokenSource.
func (t *tokens) Token() (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(context.Background(), authorizeTimeout)
	defer cancel()
	t.mu.Lock()
	defer t.mu.Unlock()
	token, err := t.current(ctx)
	var refused *oauth2.RetrieveError
	if token != nil || err != nil && !errors.As(err, &refused) {
		return token, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.endpoint, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("the MCP server answered a request without a token with %d, so where to get one is not known", resp.StatusCode)
	}
	return t.authorize(ctx, req, resp)
}

// current returns the handler's token; nil where it has none yet.
func (t *tokens) current(ctx context.Context) (*oauth2.Token, error) {
	source, err := t.handler.TokenSource(ctx)
	if err != nil || source == nil {
		return nil, err
	}
	return source.Token()
}

// authorize lets the handler get a token because of a refused request. Called
// with mu held.
func (t *tokens) authorize(ctx context.Context, req *http.Request, resp *http.Response) (*oauth2.Token, error) {
	if t.refused != nil && time.Since(t.at) < askAgain {
		_ = resp.Body.Close()
		return nil, t.refused
	}
	// The handler keeps the context for later tokens, so it ends only if it
	// ends before the handler is done.
	lasting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	err := t.handler.Authorize(lasting, req.WithContext(lasting), resp)
	stop()
	var way *url.Error
	if t.refused = nil; err != nil && !errors.As(err, &way) && !errors.Is(ctx.Err(), context.Canceled) { // whose time ran out has not authorized either
		t.refused, t.at = &refusedError{err}, time.Now()
		return nil, t.refused
	}
	if err != nil {
		return nil, fmt.Errorf("authorizing: %w", err)
	}
	token, err := t.current(ctx)
	if err == nil && (token == nil || token.AccessToken == "") {
		err = errors.New("authorizing brought no token")
	}
	return token, err
}

// A refusedError is that no token was given, and that asking again would not help.
type refusedError struct{ err error }

func (e *refusedError) Error() string   { return "authorizing: " + e.err.Error() }
func (e *refusedError) Unwrap() []error { return []error{e.err, duvo.ErrUnauthorized} }

// renew returns another token than the one that was refused.
func (t *tokens) renew(ctx context.Context, refused string, x *exchange) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, authorizeTimeout)
	defer cancel()
	t.mu.Lock()
	defer t.mu.Unlock()
	token, err := t.current(ctx)
	if err != nil || token == nil || "Bearer "+token.AccessToken == refused {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.endpoint, http.NoBody)
		if err != nil {
			return "", err
		}
		if token, err = t.authorize(ctx, req, x.relay(req)); err != nil {
			return "", err
		}
	}
	return token.AccessToken, nil
}
