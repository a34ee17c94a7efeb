package mcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// An operation is a request of the REST API that is also a tool of the MCP
// server. The tool's name is the operationId, its arguments are what stands in
// the path, the query and the body, side by side.
type operation struct {
	name, method string
	path         []string // segments; one that begins with a colon is an argument
	bare         bool     // a success says all, whatever the content
}

var operations = []operation{
	op("listMyTeams", "GET", "v2/teams"),
	op("listAgents", "GET", "v2/teams/:team_id/agents"),
	op("getAgent", "GET", "v2/agents/:agent_id"),
	op("listAgentFolders", "GET", "v2/teams/:team_id/agent-folders"),
	op("listRuns", "GET", "v2/teams/:team_id/runs"),
	op("startRun", "POST", "v2/teams/:team_id/runs"),
	op("getRun", "GET", "v2/runs/:run_id"),
	op("listRunMessages", "GET", "v2/runs/:run_id/messages"),
	op("postRunMessage", "POST", "v2/runs/:run_id/messages"),
	op("respondToHumanRequest", "POST", "v2/runs/:run_id/human-requests/:request_id/respond"),
	op("stopRun", "POST", "v2/runs/:run_id/stop"),
	op("createSandbox", "POST", "v2/sandboxes"),
	op("listSandboxFiles", "GET", "v2/sandboxes/:sandbox_id/files"),
	op("createSandboxUploadUrl", "POST", "v2/sandboxes/:sandbox_id/upload-urls"),
	op(directUpload, "POST", "v2/sandboxes/:sandbox_id/files"),
}

// directUpload is a form with the bytes of a file. How a tool would take it is
// not published, so it goes by REST.
const directUpload = "uploadSandboxFile"

func op(name, method, path string) operation {
	return operation{name, method, strings.Split(path, "/"), name == "respondToHumanRequest" || name == "stopRun"}
}

// required are the tools that a server must have. Nothing that all registries
// need asks for the others: listMyTeams is for where no team was given, sandboxes
// for files.
func required() []string {
	var names []string
	for _, o := range operations {
		switch o.name {
		case "listMyTeams", "getAgent", "createSandbox", "listSandboxFiles", "createSandboxUploadUrl", directUpload:
		default:
			names = append(names, o.name)
		}
	}
	return names
}

// A toolCall is a REST request as a tool call.
type toolCall struct {
	operation
	endpoint  string // of the MCP server
	arguments map[string]any
}

// translate turns a REST request into a tool call. It reads its body.
func translate(r *http.Request) (toolCall, error) {
	segments := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	for _, o := range operations {
		base := len(segments) - len(o.path)
		if o.method != r.Method || base < 0 {
			continue
		}
		args := map[string]any{}
		if !slices.EqualFunc(o.path, segments[base:], func(want, got string) bool {
			if name, ok := strings.CutPrefix(want, ":"); ok {
				args[name] = got
				return got != ""
			}
			return want == got
		}) {
			continue
		}
		if o.name == directUpload {
			return toolCall{operation: o}, nil
		}
		u := url.URL{Scheme: r.URL.Scheme, Host: r.URL.Host, Path: "/" + strings.Join(append(slices.Clone(segments[:base]), "v2", "mcp"), "/")}
		return toolCall{o, u.String(), args}, arguments(args, r)
	}
	return toolCall{}, fmt.Errorf("no MCP tool is known for %s %s", r.Method, r.URL.Path)
}

// arguments adds what stands in the query and the body.
func arguments(args map[string]any, r *http.Request) error {
	for name, values := range r.URL.Query() {
		switch name {
		case "limit", "offset":
			n, err := strconv.Atoi(values[0])
			if err != nil {
				return fmt.Errorf("the parameter %s is no number", name)
			}
			args[name] = n
		default:
			args[name] = values[0]
		}
	}
	if r.Body == nil {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || len(bytes.TrimSpace(body)) == 0 {
		return err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return errors.New("the body of the request is no JSON object")
	}
	for name, value := range fields {
		args[name] = value
	}
	return nil
}
