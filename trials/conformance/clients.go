package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/duvotool/duvotool/adapters/mcp"
	"github.com/duvotool/duvotool/duvo"
	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/auth/extauth"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// clients runs the client scenarios, those of authorization among them, with this
// program as the client.
func (t *trial) clients(ctx context.Context) (outcome, error) {
	found := newOutcome()
	for _, release := range releases {
		args := []string{"--suite", "all", "--command", t.self, "--timeout", "20000"}
		if release == "next" {
			args = append(args, "--spec-version", "2026-07-28")
		}
		if err := t.suite(ctx, &found, release, "client", args...); err != nil {
			return found, err
		}
	}
	return found, nil
}

// client is our client, against the server of a scenario: it connects, and makes one
// call.
func client(server, scenario, about string) error {
	to, err := url.Parse(server)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	base := &url.URL{Scheme: to.Scheme, Host: to.Host}
	opts := []mcp.Option{mcp.With(duvo.WithBaseURL(base.String()), duvo.WithTeam(team), duvo.WithRetries(1, 0),
		duvo.WithHTTPClient(&http.Client{Transport: disguise{http.DefaultTransport, to, scenario}}))}
	if strings.HasPrefix(scenario, "auth/") {
		h, err := authorizer(scenario, about)
		if err != nil {
			return err
		}
		opts = append(opts, mcp.WithOAuth(&elsewhere{h, to}))
	} else {
		opts = append(opts, mcp.With(duvo.WithAPIKey("dv_conformance")))
	}
	c, err := mcp.Connect(ctx, opts...)
	if err != nil {
		return err
	}
	return c.Close()
}

const team = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b01"

// authorizer is one of the SDK's handlers, mostly with a person who says yes.
func authorizer(scenario, about string) (auth.OAuthHandler, error) {
	var known struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if about != "" {
		if err := json.Unmarshal([]byte(about), &known); err != nil {
			return nil, err
		}
	}
	if scenario == "auth/client-credentials-basic" {
		return extauth.NewClientCredentialsHandler(&extauth.ClientCredentialsHandlerConfig{
			Credentials: &oauthex.ClientCredentials{ClientID: known.ID, ClientSecretAuth: &oauthex.ClientSecretAuth{ClientSecret: known.Secret}}})
	}
	const back = "http://localhost:3000/callback"
	cfg := &auth.AuthorizationCodeHandlerConfig{RedirectURL: back, AuthorizationCodeFetcher: consent,
		ClientIDMetadataDocumentConfig:  &auth.ClientIDMetadataDocumentConfig{URL: "https://conformance-test.local/client-metadata.json"},
		DynamicClientRegistrationConfig: &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{RedirectURIs: []string{back}}}}
	if known.ID != "" && known.Secret != "" {
		cfg.PreregisteredClient = &oauthex.ClientCredentials{ClientID: known.ID, ClientSecretAuth: &oauthex.ClientSecretAuth{ClientSecret: known.Secret}}
	}
	return auth.NewAuthorizationCodeHandler(cfg)
}

// consent goes where a person would be sent, and reads where that leads back to.
func consent(ctx context.Context, a *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		return nil, err
	}
	q := back.Query()
	return &auth.AuthorizationResult{Code: q.Get("code"), State: q.Get("state"), Iss: q.Get("iss")}, nil
}

// elsewhere is a handler for which the server is where the scenario has it, and not
// below /v2.
type elsewhere struct {
	auth.OAuthHandler
	to *url.URL
}

func (e *elsewhere) Authorize(ctx context.Context, r *http.Request, resp *http.Response) error {
	r = r.Clone(r.Context())
	r.URL = e.to
	return e.OAuthHandler.Authorize(ctx, r, resp)
}

// disguise lets a server of the suite pass for a Duvo's: it is where that would be,
// has its tools besides, and the one that our client calls is one of the suite's.
type disguise struct {
	next     http.RoundTripper
	to       *url.URL
	scenario string
}

var duvoTools = []string{"listMyTeams", "listAgents", "getAgent", "listAgentFolders", "listRuns", "startRun", "getRun", "listRunMessages",
	"postRunMessage", "respondToHumanRequest", "stopRun", "createSandbox", "listSandboxFiles", "createSandboxUploadUrl"}

func (d disguise) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != d.to.Host || !strings.HasSuffix(r.URL.Path, "/v2/mcp") {
		return d.next.RoundTrip(r)
	}
	out := r.Clone(r.Context())
	out.URL.Path, out.URL.RawQuery = d.to.Path, d.to.RawQuery
	var m struct {
		Method string
		Params map[string]any
	}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if _ = json.Unmarshal(body, &m); m.Method == "tools/call" {
			var all map[string]any
			_ = json.Unmarshal(body, &all)
			m.Params["name"], m.Params["arguments"] = d.tool()
			all["params"] = m.Params
			body, _ = json.Marshal(all)
			if out.Header.Get("Mcp-Name") != "" {
				out.Header.Set("Mcp-Name", m.Params["name"].(string))
			}
		}
		out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	resp, err := d.next.RoundTrip(out)
	if err != nil || resp.StatusCode != http.StatusOK || m.Method != "tools/list" && m.Method != "tools/call" {
		return resp, err
	}
	return replaced(resp, m.Method)
}

// tool is what the scenario wants to be called.
func (d disguise) tool() (string, map[string]any) {
	switch {
	case d.scenario == "tools_call":
		return "add_numbers", map[string]any{"a": 5, "b": 3}
	case strings.HasPrefix(d.scenario, "http-"):
		return "test_headers", map[string]any{}
	}
	return "test-tool", map[string]any{}
}

// replaced changes the result in an answer of the suite's server.
func replaced(resp *http.Response, method string) (*http.Response, error) {
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	found := body
	for line := range bytes.Lines(body) {
		if data, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data:")); ok && bytes.Contains(data, []byte(`"result"`)) {
			found = data
		}
	}
	var m map[string]any
	if err := json.Unmarshal(found, &m); err != nil {
		return nil, fmt.Errorf("the suite's answer: %w", err)
	}
	if result, ok := m["result"].(map[string]any); ok && method == "tools/list" {
		tools, _ := result["tools"].([]any)
		for _, name := range duvoTools {
			tools = append(tools, map[string]any{"name": name, "inputSchema": map[string]any{"type": "object"}})
		}
		result["tools"] = tools
	} else if ok && result["isError"] != true {
		result["content"] = []any{}
		result["structuredContent"] = map[string]any{"teams": []any{map[string]any{"id": team, "name": "T", "organization_id": team}}}
	}
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, errors.Join(err, errors.New("the suite's answer cannot be written anew"))
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	resp.Header.Set("Content-Type", "application/json")
	resp.Header.Del("Content-Length")
	return resp, nil
}
