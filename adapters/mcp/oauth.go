package mcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"golang.org/x/oauth2"
)

// tokens gets its tokens from a handler of the SDK's. The handler authorizes in
// response to a request that was refused; where there was none yet, it is made.
type tokens struct {
	handler  auth.OAuthHandler
	next     http.RoundTripper
	endpoint string

	mu sync.Mutex // held while a token is got
}

const authorizeTimeout = 30 * time.Second

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
	// The handler keeps the context for later tokens, so it ends only if it
	// ends before the handler is done.
	lasting, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	err := t.handler.Authorize(lasting, req.WithContext(lasting), resp)
	stop()
	if err != nil {
		return nil, fmt.Errorf("authorizing: %w", err)
	}
	token, err := t.current(ctx)
	if err == nil && (token == nil || token.AccessToken == "") {
		err = errors.New("authorizing brought no token")
	}
	return token, err
}

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
