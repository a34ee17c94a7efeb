package duvotestmcp

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/duvotool/duvotool/duvotest"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

type schema = map[string]any

var (
	text    = schema{"type": "string"}
	uuid    = schema{"type": "string", "format": "uuid"}
	boolean = schema{"type": "boolean"}
)

// A form is what a tool takes beside what stands in its path. An operation
// without one takes anything.
type form struct {
	title       string
	description string
	fields      schema
	required    []string
}

func page(most int) schema {
	return schema{"limit": schema{"type": "integer", "minimum": 1, "maximum": most}, "offset": schema{"type": "integer", "minimum": 0}}
}

func with(base schema, more schema) schema {
	for name, s := range more {
		base[name] = s
	}
	return base
}

var forms = map[string]form{
	"listMyTeams":      {"List teams", "Lists the teams that the caller can act on.", schema{}, nil},
	"getTeam":          {"Get a team", "Reads one team.", schema{}, nil},
	"listAgents":       {"List agents", "Lists a team's agents with their latest builds.", with(page(100), schema{"include_schedules": boolean, "automation_id": uuid}), nil},
	"getAgent":         {"Get an agent", "Reads one agent.", schema{}, nil},
	"listAgentFolders": {"List folders", "Lists the folders that agents lie in.", schema{}, nil},
	"listRuns": {"List runs", "Lists a team's runs, the newest first.", with(page(100), schema{
		"status": text, "agent_id": uuid, "since": schema{"type": "string", "format": "date-time"}, "search": text, "source": text,
		"sort_by": text, "sort_order": schema{"type": "string", "enum": []string{"asc", "desc"}}}), nil},
	"startRun": {"Start a run", "Starts a run of an agent and returns at once.",
		schema{"agent_id": uuid, "message": text, "sandbox_id": text, "webhook_url": schema{"type": "string", "format": "uri"}}, []string{"agent_id"}},
	"getRun":          {"Get a run", "Reads a run and the human request that it waits for.", schema{}, nil},
	"postRunMessage":  {"Post a message", "Posts a message to a run, which resumes it.", schema{"message": text}, []string{"message"}},
	"listRunMessages": {"List messages", "Lists a run's messages, the oldest first.", page(50), nil},
	"respondToHumanRequest": {"Respond to a human request", "Approves or denies, or answers questions.",
		schema{"approved": boolean, "answers": schema{"type": "object", "additionalProperties": text}}, nil},
	"createSandbox":          {"Create a sandbox", "Makes a sandbox, to which files for a run can be uploaded.", schema{}, nil},
	"listSandboxFiles":       {"List a sandbox's files", "Lists what lies in a folder of a sandbox.", schema{"path": text}, nil},
	"createSandboxUploadUrl": {"Create an upload URL", "Makes a URL to which a file can be sent.", schema{"path": text}, []string{"path"}},
	"stopRun":                {"Stop a run", "Stops a run that is at work.", schema{}, nil},
}

// tool describes an operation as a tool.
func tool(op duvotest.Operation) *sdk.Tool {
	f, known := forms[op.ID]
	properties := schema{}
	for name, s := range f.fields {
		properties[name] = s
	}
	required := slices.Clone(f.required)
	for _, name := range parameters(op) {
		properties[name] = uuid
		if name != "team_id" { // a key is pinned to its team
			required = append(required, name)
		}
	}
	slices.Sort(required)
	in := schema{"type": "object", "properties": properties, "additionalProperties": !known}
	if len(required) > 0 {
		in["required"] = required
	}
	raw, err := json.Marshal(in)
	if err != nil {
		panic("duvotestmcp: " + err.Error())
	}
	t := &sdk.Tool{Name: op.ID, Title: f.title, Description: f.description, InputSchema: json.RawMessage(raw)}
	destroys, closed := op.ID == "stopRun", false
	t.Annotations = &sdk.ToolAnnotations{Title: f.title, ReadOnlyHint: op.Method == http.MethodGet, OpenWorldHint: &closed}
	if op.Method != http.MethodGet {
		t.Annotations.DestructiveHint = &destroys
		t.Annotations.IdempotentHint = op.ID == "stopRun"
	}
	return t
}
