package duvo

import (
	"encoding/json"
	"time"
)

// A Team is a workspace that a caller can act on.
type Team struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	OrganizationID string `json:"organization_id,omitempty"`
}

// An Assignment is a configured remote worker. On the wire it is an "agent".
type Assignment struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	TeamID    string    `json:"team_id,omitempty"`
	FolderID  string    `json:"folder_id,omitempty"` // empty: the Assignment lies in no folder
	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`

	// LatestBuild is nil where the server told none: for an Assignment that
	// was never built, and for every one read by [Client.Assignment], whose
	// endpoint does not carry it.
	LatestBuild *Build `json:"latest_build,omitempty"`
}

// A Build is one version of an Assignment. On the wire it is a "revision".
type Build struct {
	ID          string    `json:"id"`
	Name        string    `json:"name,omitempty"`
	Revision    string    `json:"revision_name,omitempty"`
	Description string    `json:"revision_description,omitempty"` // what this version is for, in its author's words
	Status      string    `json:"status,omitempty"`
	Number      int       `json:"revision_number,omitempty"`
	CreatedAt   time.Time `json:"created_at,omitzero"`
}

// A Folder holds Assignments and other folders.
type Folder struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	TeamID   string `json:"team_id,omitempty"`
	ParentID string `json:"parent_folder_id,omitempty"` // empty: at the top
}

// A Job is one run of an Assignment. On the wire it is a "run".
type Job struct {
	ID           string    `json:"id"`
	AssignmentID string    `json:"agent_id,omitempty"`
	BuildID      string    `json:"build_id,omitempty"`
	Status       Status    `json:"status"`
	Source       string    `json:"source,omitempty"`
	SandboxID    string    `json:"sandbox_id,omitempty"` // told by Job and StartJob, not by lists
	CreatedAt    time.Time `json:"created_at,omitzero"`
	UpdatedAt    time.Time `json:"updated_at,omitzero"`
	StartedAt    time.Time `json:"started_at,omitzero"`
	CompletedAt  time.Time `json:"completed_at,omitzero"`

	// HumanInTheLoop tells whether the Job may ask a person. Told by Job and
	// StartJob, not by lists.
	HumanInTheLoop bool `json:"human_in_the_loop_enabled,omitempty"`

	// Title, Number and AssignmentName are told by lists only.
	Title          string `json:"title,omitempty"`
	Number         int    `json:"run_number,omitempty"`
	AssignmentName string `json:"agent_name,omitempty"`

	// Pending is the human request that the Job waits for, nil if it waits for
	// none. Lists never tell it.
	Pending *HumanRequest `json:"pending_human_request,omitempty"`

	// Raw is the JSON that the server sent of the Job, where the client was made
	// with [WithRaw]; else nil. It shows no change of the other fields.
	Raw json.RawMessage `json:"-"`
}

// Status is the state of a Job. Servers may send values that are not listed
// here; those are not terminal.
type Status string

// The statuses of the published description.
const (
	StatusNotStarted     Status = "not_started"
	StatusPending        Status = "pending"
	StatusStarting       Status = "starting"
	StatusRunning        Status = "running"
	StatusWaiting        Status = "waiting"
	StatusCompleted      Status = "completed"
	StatusFailed         Status = "failed"
	StatusInterrupted    Status = "interrupted"
	StatusStopped        Status = "stopped"
	StatusNeedsAttention Status = "needs_attention"
)

// Terminal reports whether a Job in this status has ended. A terminal Job can
// still be resumed by a message. "canceled", which one page of Duvo's
// documentation uses for a stopped Job, is terminal in both spellings.
func (s Status) Terminal() bool {
	switch s {
	case StatusCompleted, StatusFailed, StatusInterrupted, StatusStopped, "canceled", "cancelled":
		return true
	}
	return false
}

// RequestType tells how a human request is answered.
type RequestType string

// The request types of the published description. The product also has
// requests that the API does not type (a login, say), so others must be
// expected; they cannot be answered through the API.
const (
	Approval RequestType = "approval"
	Question RequestType = "question"

	// Malformed marks a request that could not be read whole, so that nobody
	// answers what was not seen. It is never sent by a server.
	Malformed RequestType = "malformed"
)

// A HumanRequest is what a waiting Job wants to know from a person. Its texts
// are written by a remote agent: show them with care, and follow none of them.
type HumanRequest struct {
	ID          string         `json:"id"`
	Type        RequestType    `json:"type"`
	Title       string         `json:"title"`
	Description string         `json:"description,omitempty"`
	CreatedAt   time.Time      `json:"created_at,omitzero"`
	Questions   []QuestionItem `json:"questions,omitempty"`

	Raw json.RawMessage `json:"-"` // as [Job.Raw]; also of one that is Malformed
}

// A QuestionItem is one question of a request of type [Question].
type QuestionItem struct {
	Question    string   `json:"question"`         // also the key of its answer
	Header      string   `json:"header,omitempty"` // a short label
	Options     []Choice `json:"options,omitempty"`
	MultiSelect bool     `json:"multi_select,omitempty"` // several options, comma-separated, may be given
}

// A Choice is one option of a [QuestionItem].
type Choice struct {
	Label       string `json:"label"` // what is sent as the answer
	Description string `json:"description,omitempty"`
}

// A Message is one entry of a Job's conversation. Not all that is the assistant's
// is an answer; see [Message.IsAnswer].
type Message struct {
	ID         string      `json:"id"`
	Type       string      `json:"type,omitempty"` // such as MessageText
	Role       string      `json:"role"`           // user, assistant, tool, or another
	Timestamp  time.Time   `json:"timestamp,omitzero"`
	Text       string      `json:"text_content,omitempty"`
	ToolCall   *ToolCall   `json:"tool_call,omitempty"`
	ToolResult *ToolResult `json:"tool_result,omitempty"`

	// Error is why the Job failed, in a message of the type
	// [MessageSessionError]; see [FailureReason].
	Error string `json:"error,omitempty"`

	// Instruction marks a text that tells the worker what to do, in whatever role
	// it comes.
	Instruction bool `json:"is_agent_instruction,omitempty"`

	Raw json.RawMessage `json:"-"` // as [Job.Raw]
}

// A ToolCall is a call that the Job's worker made.
type ToolCall struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
}

// A ToolResult is what came back to the Job's worker.
type ToolResult struct {
	CallID string          `json:"tool_call_id"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// StartJob says what Job to start.
type StartJob struct {
	AssignmentID string `json:"agent_id"`              // required, a UUID
	Message      string `json:"message"`               // what the Job is to do; may be empty
	SandboxID    string `json:"sandbox_id,omitempty"`  // a sandbox with staged files, if any
	WebhookURL   string `json:"webhook_url,omitempty"` // where the server reports progress, if anywhere

	// IdempotencyKey makes a repeated start the same start, on a server that
	// honours it. Empty: the client makes a fresh one. Set it to be able to
	// send again after an error for which [MayHaveTakenEffect] is true.
	IdempotencyKey string `json:"idempotency_key,omitempty"`
}

// A Response answers a human request: Approved for an approval, Answers for a
// question, exactly one of them.
type Response struct {
	JobID     string            `json:"job_id"`
	RequestID string            `json:"request_id"`
	Approved  *bool             `json:"approved,omitempty"` // a pointer, because false must be sent too
	Answers   map[string]string `json:"answers,omitempty"`  // from the question's text to its answer

	// IdempotencyKey is as in [StartJob].
	IdempotencyKey string `json:"idempotency_key,omitempty"`
}

// A JobFilter selects Jobs of the team. Its zero value selects all, newest
// first.
type JobFilter struct {
	Status       Status `json:"status,omitempty"`
	AssignmentID string `json:"agent_id,omitempty"`
	Search       string `json:"search,omitempty"`
	Source       string `json:"source,omitempty"`
	OldestFirst  bool   `json:"oldest_first,omitempty"`

	// Since leaves out Jobs that completed before it, or, on servers that read it
	// so, that were created before it. With the first meaning a Job that runs may
	// be left out too, so it never proves that a Job is not there. To find those
	// created since a time, list the newest first and stop at the first row that
	// was created before it.
	Since time.Time `json:"since,omitzero"`

	Offset   int `json:"offset,omitempty"`    // skip this many
	PageSize int `json:"page_size,omitempty"` // rows a request, 1 to 100; zero means 100
}

// A JobPage is one page of a list of Jobs.
type JobPage struct {
	Jobs  []Job `json:"jobs"`
	Total int   `json:"total"` // of all pages; -1 where the server did not tell
}
