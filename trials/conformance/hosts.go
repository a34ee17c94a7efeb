package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// hosts lists the tools as the MCP Inspector does, strictly, and calls them as
// programs with the TypeScript SDK do, over stdio and HTTP.
func (t *trial) hosts(ctx context.Context) error {
	s, err := t.serve(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	begin := time.Now()
	for _, over := range []string{"stdio", "http"} {
		if err := t.inspect(ctx, s, over); err != nil {
			return fmt.Errorf("the Inspector over %s: %w", over, err)
		}
	}
	fmt.Printf("Inspector: %v\n", time.Since(begin).Round(time.Second))
	script, err := os.ReadFile(filepath.Join(t.here, "testdata", "host.mjs"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(t.dir, "host.mjs"), script, 0o600); err != nil {
		return err
	}
	for _, sdk := range []string{"sdk-1.17", "sdk-current", "@modelcontextprotocol/client"} {
		for _, over := range []string{"stdio", "http"} {
			if err := t.host(ctx, s, sdk, over); err != nil {
				return fmt.Errorf("%s over %s: %w", sdk, over, err)
			}
		}
	}
	return nil
}

// inspect lists the tools, and has their schemas checked.
func (t *trial) inspect(ctx context.Context, s *serving, over string) error {
	program := filepath.Join(t.dir, "node_modules", "@modelcontextprotocol", "inspector")
	manifest, err := os.ReadFile(filepath.Join(program, "package.json"))
	if err != nil {
		return err
	}
	var about struct{ Bin map[string]string }
	if err := json.Unmarshal(manifest, &about); err != nil || about.Bin["mcp-inspector"] == "" {
		return errors.Join(err, errors.New("the package has no program mcp-inspector"))
	}
	server := map[string]any{"type": "stdio", "command": t.duvo, "args": flags, "env": s.secrets()}
	if over == "http" {
		server = map[string]any{"type": "streamable-http", "url": s.url, "headers": map[string]string{"Authorization": "Bearer " + token}}
	}
	config, err := json.Marshal(map[string]any{"mcpServers": map[string]any{"duvo": server}})
	if err != nil {
		return err
	}
	file := filepath.Join(t.dir, "inspector-"+over+".json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return err
	}
	cmd := t.node(ctx, filepath.Join(program, about.Bin["mcp-inspector"]), "--cli", "--config", file, "--server", "duvo", "--method", "tools/list", "--strict")
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	var list struct{ Tools []struct{ Name string } }
	if err := json.Unmarshal(out, &list); err != nil || len(list.Tools) != len(assignments())+1 {
		return fmt.Errorf("%d tools (%w): %.500s", len(list.Tools), err, out)
	}
	return nil
}

// host runs a program with one of the SDKs, that gives up after a second, calls
// again, and answers a form.
func (t *trial) host(ctx context.Context, s *serving, sdk, over string) error {
	begin, before := time.Now(), len(s.duvo.Jobs())
	about, err := json.Marshal(map[string]any{"sdk": sdk, "command": t.duvo, "args": flags, "env": s.secrets()})
	if err != nil {
		return err
	}
	if over == "http" {
		if about, err = json.Marshal(map[string]any{"sdk": sdk, "url": s.url, "token": token}); err != nil {
			return err
		}
	}
	cmd := t.node(ctx, filepath.Join(t.dir, "host.mjs"), string(about))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if jobs := s.duvo.Jobs()[before:]; len(jobs) != 2 {
		return fmt.Errorf("%d Jobs for two calls, one of them repeated: %s", len(jobs), out)
	} else if responses := jobs[1].Requests; len(responses) != 1 || responses[0].Response == nil || responses[0].Response.Approved == nil || !*responses[0].Response.Approved {
		return fmt.Errorf("the request was not approved: %s", out)
	}
	fmt.Printf("%s over %s: %v\n", sdk, over, time.Since(begin).Round(time.Second))
	return nil
}
