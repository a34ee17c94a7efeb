package duvotest

import (
	"encoding/json"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// The answers as the published description requires them: every required
// field is there, null where it may be and there is nothing to tell.

type wireTeam struct {
	ID             string  `json:"id"`
	Name           string  `json:"name"`
	OrganizationID *string `json:"organization_id"`
}

type wireTeamDetails struct {
	wireTeam
	CreatedAt     string  `json:"created_at"`
	SlackTeamID   *string `json:"slack_team_id"`
	DiscoveryMode string  `json:"discovery_mode"`
}

type wireAgent struct {
	ID             string  `json:"id"`
	Name           string  `json:"name"`
	Slack          *bool   `json:"slack_enabled"`
	Teams          *bool   `json:"microsoft_teams_enabled"`
	AgenticMemory  *bool   `json:"agentic_memory_enabled"`
	TeamID         *string `json:"team_id"`
	ThreadID       *string `json:"thread_id"`
	FolderID       *string `json:"folder_id"`
	AutomationID   *string `json:"automation_id"`
	CreatedAt      *string `json:"created_at"`
	UpdatedAt      *string `json:"updated_at"`
	CreatedByOther any     `json:"created_by"`
	UpdatedByOther any     `json:"updated_by"`
}

type wireAgentRow struct {
	wireAgent
	PinnedAt             *string      `json:"pinned_at"`
	LastRunAt            *string      `json:"last_run_at"`
	LatestBuild          *wireBuild   `json:"latest_build"`
	IntegrationConfigs   []any        `json:"integration_configs"`
	UserTriggers         wireTriggers `json:"user_triggers"`
	CaseTriggerEnabled   bool         `json:"case_trigger_enabled"`
	CaseTriggerConflict  bool         `json:"case_trigger_has_conflict"`
	CaseTriggerConflicts []any        `json:"case_trigger_conflicting_agents"`
	CaseQueueName        *string      `json:"case_queue_name"`
}

type wireTriggers struct {
	SlackMention bool `json:"slack_mention"`
	SlackChannel bool `json:"slack_channel"`
	TeamsMention bool `json:"teams_mention"`
}

type wireBuild struct {
	ID            string  `json:"id"`
	CopilotID     string  `json:"copilot_id"`
	AgentID       string  `json:"agent_id"`
	Name          string  `json:"name"`
	Revision      *string `json:"revision_name"`
	Description   *string `json:"revision_description"`
	Config        any     `json:"config"`
	Status        *string `json:"status"`
	Number        *int    `json:"revision_number"`
	ParentBuildID *string `json:"parent_build_id"`
	CreatedBy     *string `json:"created_by"`
	CreatedAt     *string `json:"created_at"`
	UpdatedAt     *string `json:"updated_at"`
	Schedules     *[]any  `json:"schedules,omitempty"`
}

type wireFolder struct {
	ID         string  `json:"id"`
	Name       string  `json:"name"`
	TeamID     string  `json:"team_id"`
	ParentID   *string `json:"parent_folder_id"`
	CreatedAt  string  `json:"created_at"`
	UpdatedAt  string  `json:"updated_at"`
	Agents     int     `json:"agent_count"`
	Subfolders int     `json:"subfolder_count"`
}

type wireRun struct {
	ID             string            `json:"id"`
	AgentID        string            `json:"agent_id"`
	BuildID        string            `json:"build_id"`
	Status         duvo.Status       `json:"status"`
	Source         *string           `json:"source"`
	SandboxID      *string           `json:"sandbox_id"`
	StartedAt      *string           `json:"started_at"`
	CompletedAt    *string           `json:"completed_at"`
	CreatedAt      string            `json:"created_at"`
	UpdatedAt      string            `json:"updated_at"`
	HumanInTheLoop bool              `json:"human_in_the_loop_enabled"`
	Pending        *wireHumanRequest `json:"pending_human_request,omitempty"` // with NestedPending only
}

type wireRunRow struct {
	ID              string      `json:"id"`
	CreatedAt       string      `json:"created_at"`
	UpdatedAt       string      `json:"updated_at"`
	StartedAt       *string     `json:"started_at"`
	CompletedAt     *string     `json:"completed_at"`
	Status          duvo.Status `json:"status"`
	Source          *string     `json:"source"`
	Title           string      `json:"title"`
	Number          int         `json:"run_number"`
	AgentID         string      `json:"agent_id"`
	AgentName       string      `json:"agent_name"`
	BuildID         string      `json:"build_id"`
	UserID          *string     `json:"user_id"`
	CaseQueueItemID *string     `json:"case_queue_item_id"`
	CaseQueueID     *string     `json:"case_queue_id"`
	CaseQueueName   *string     `json:"case_queue_name"`
	CaseTitle       *string     `json:"case_title"`
	PostponedTo     *string     `json:"postponed_to"`
	Prompts         int         `json:"submitted_prompt_count"`
}

type wireHumanRequest struct {
	ID          string              `json:"id"`
	Title       string              `json:"title"`
	Description *string             `json:"description"`
	CreatedAt   string              `json:"created_at"`
	Type        duvo.RequestType    `json:"type"`
	Questions   []duvo.QuestionItem `json:"questions,omitempty"`
}

type wireMessage struct {
	ID        string          `json:"id"`
	Type      string          `json:"type"`
	Role      string          `json:"role"`
	Timestamp string          `json:"timestamp"`
	Text      *string         `json:"text_content,omitempty"`
	Call      *duvo.ToolCall  `json:"tool_call,omitempty"`
	Result    *wireToolResult `json:"tool_result,omitempty"`
	Error     string          `json:"error,omitempty"` // with other messages only, as what follows
	Metadata  map[string]any  `json:"metadata,omitempty"`
}

type wireToolResult struct {
	CallID string          `json:"tool_call_id"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

func stampOrNull(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := stamp(t)
	return &s
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (d *Duvo) wireAgent(a *assignment) wireAgent {
	no := false
	return wireAgent{ID: a.ID, Name: a.Name, Slack: &no, Teams: &no, AgenticMemory: &no, TeamID: &d.cfg.teamID,
		FolderID: orNull(a.folderID), CreatedAt: stampOrNull(a.created), UpdatedAt: stampOrNull(a.updated)}
}

func (d *Duvo) wireAgentRow(a *assignment, schedules bool) wireAgentRow {
	row := wireAgentRow{wireAgent: d.wireAgent(a), LastRunAt: stampOrNull(a.lastJob), IntegrationConfigs: []any{}, CaseTriggerConflicts: []any{}}
	if !a.NoBuild {
		status, number := "published", a.revision
		row.LatestBuild = &wireBuild{ID: a.buildID, CopilotID: stableUUID("copilot", a.ID), AgentID: a.ID, Name: a.Name,
			Description: orNull(a.Description), Status: &status, Number: &number,
			CreatedAt: stampOrNull(a.created), UpdatedAt: stampOrNull(a.updated)}
		if schedules {
			row.LatestBuild.Schedules = &[]any{}
		}
	}
	return row
}

func (s *job) wireStatus() duvo.Status {
	if s.d.cfg.quirks.UnknownStatus && s.status == duvo.StatusRunning {
		return "pondering"
	}
	return s.status
}

func (s *job) wire() wireRun {
	source := "api"
	return wireRun{ID: s.id, AgentID: s.a.ID, BuildID: s.buildID, Status: s.wireStatus(), Source: &source, SandboxID: orNull(s.sandbox),
		StartedAt: stampOrNull(s.started), CompletedAt: stampOrNull(s.completed), CreatedAt: stamp(s.created), UpdatedAt: stamp(s.updated), HumanInTheLoop: true}
}

// row tells a Job in a list. The published description lets a row have no
// status stopped or needs_attention; a stopped Job is told as interrupted.
func (s *job) row() wireRunRow {
	source, status := "api", s.wireStatus()
	if status == duvo.StatusStopped {
		status = duvo.StatusInterrupted
	}
	return wireRunRow{ID: s.id, CreatedAt: stamp(s.created), UpdatedAt: stamp(s.updated), StartedAt: stampOrNull(s.started),
		CompletedAt: stampOrNull(s.completed), Status: status, Source: &source, Title: s.a.Name, Number: s.number,
		AgentID: s.a.ID, AgentName: s.a.Name, BuildID: s.buildID, Prompts: s.prompts}
}

func wirePending(q duvo.HumanRequest) *wireHumanRequest {
	return &wireHumanRequest{ID: q.ID, Title: q.Title, Description: orNull(q.Description), CreatedAt: stamp(q.CreatedAt), Type: q.Type, Questions: q.Questions}
}

func wireMessageOf(m duvo.Message) wireMessage {
	w := wireMessage{ID: m.ID, Type: m.Type, Role: m.Role, Timestamp: stamp(m.Timestamp), Text: orNull(m.Text), Call: m.ToolCall, Error: m.Error}
	if m.Instruction {
		w.Metadata = map[string]any{"isAgentInstruction": true}
	}
	if m.ToolResult != nil {
		w.Result = &wireToolResult{m.ToolResult.CallID, m.ToolResult.Result, m.ToolResult.Error}
	}
	return w
}
