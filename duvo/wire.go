package duvo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/duvotool/duvotool/internal/jsonkeys"
)

// loose decodes a field that only decorates: a value of the wrong type leaves
// the zero value and never fails the decode around it.
type loose[T any] struct{ v T }

func (l *loose[T]) UnmarshalJSON(b []byte) error {
	var v T
	if json.Unmarshal(b, &v) == nil {
		l.v = v
	}
	return nil
}

// looseTime is a time that only decorates. Servers send RFC 3339; a number is
// read as Unix seconds.
type looseTime struct{ v time.Time }

func (l *looseTime) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		l.v = parseTime(s)
		return nil
	}
	var f float64
	if json.Unmarshal(b, &f) == nil && f > 0 && f < 1e11 {
		l.v = time.Unix(int64(f), 0).UTC()
	}
	return nil
}

var errNotObject = errors.New("want a JSON object")

// requireObject refuses what is not a JSON object; null included, because a
// caller that may be given null checks for it first.
func requireObject(b []byte) error {
	if t := bytes.TrimSpace(b); len(t) == 0 || t[0] != '{' {
		return errNotObject
	}
	return nil
}

func isNull(b json.RawMessage) bool {
	t := bytes.TrimSpace(b)
	return len(t) == 0 || string(t) == "null"
}

// UnmarshalJSON reads a Team as a server sends it. Only a missing ID is an
// error.
func (t *Team) UnmarshalJSON(b []byte) error {
	if err := requireObject(b); err != nil {
		return fmt.Errorf("team: %w", err)
	}
	var w struct {
		ID             string        `json:"id"`
		Name           loose[string] `json:"name"`
		OrganizationID loose[string] `json:"organization_id"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("team: %w", err)
	}
	if w.ID == "" {
		return errors.New("team: no id")
	}
	*t = Team{ID: w.ID, Name: w.Name.v, OrganizationID: w.OrganizationID.v}
	return nil
}

// UnmarshalJSON reads an Assignment as a server sends it. Only a missing ID
// is an error.
func (a *Assignment) UnmarshalJSON(b []byte) error {
	if err := requireObject(b); err != nil {
		return fmt.Errorf("assignment: %w", err)
	}
	var w struct {
		ID          string          `json:"id"`
		Name        loose[string]   `json:"name"`
		TeamID      loose[string]   `json:"team_id"`
		FolderID    loose[string]   `json:"folder_id"`
		CreatedAt   looseTime       `json:"created_at"`
		UpdatedAt   looseTime       `json:"updated_at"`
		LatestBuild json.RawMessage `json:"latest_build"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("assignment: %w", err)
	}
	if w.ID == "" {
		return errors.New("assignment: no id")
	}
	*a = Assignment{ID: w.ID, Name: w.Name.v, TeamID: w.TeamID.v, FolderID: w.FolderID.v,
		CreatedAt: w.CreatedAt.v, UpdatedAt: w.UpdatedAt.v}
	if !isNull(w.LatestBuild) {
		var build Build
		if json.Unmarshal(w.LatestBuild, &build) == nil {
			a.LatestBuild = &build
		}
	}
	return nil
}

// UnmarshalJSON reads a Build as a server sends it.
func (v *Build) UnmarshalJSON(b []byte) error {
	if err := requireObject(b); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	var w struct {
		ID          loose[string]  `json:"id"`
		Name        loose[string]  `json:"name"`
		Revision    loose[string]  `json:"revision_name"`
		Description loose[string]  `json:"revision_description"`
		Status      loose[string]  `json:"status"`
		Number      loose[float64] `json:"revision_number"`
		CreatedAt   looseTime      `json:"created_at"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	*v = Build{ID: w.ID.v, Name: w.Name.v, Revision: w.Revision.v, Description: w.Description.v,
		Status: w.Status.v, Number: clampInt(w.Number.v), CreatedAt: w.CreatedAt.v}
	return nil
}

// UnmarshalJSON reads a Folder as a server sends it.
func (f *Folder) UnmarshalJSON(b []byte) error {
	if err := requireObject(b); err != nil {
		return fmt.Errorf("folder: %w", err)
	}
	var w struct {
		ID       string        `json:"id"`
		Name     loose[string] `json:"name"`
		TeamID   loose[string] `json:"team_id"`
		ParentID loose[string] `json:"parent_folder_id"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("folder: %w", err)
	}
	if w.ID == "" {
		return errors.New("folder: no id")
	}
	*f = Folder{ID: w.ID, Name: w.Name.v, TeamID: w.TeamID.v, ParentID: w.ParentID.v}
	return nil
}

// UnmarshalJSON reads a Job as a server sends it, with a pending request that
// is nested within it. A missing ID is an error, and so is a status that is
// not a string: it decides what happens next.
func (j *Job) UnmarshalJSON(b []byte) error {
	if err := requireObject(b); err != nil {
		return fmt.Errorf("job: %w", err)
	}
	var w struct {
		ID             string          `json:"id"`
		AssignmentID   loose[string]   `json:"agent_id"`
		BuildID        loose[string]   `json:"build_id"`
		Status         string          `json:"status"`
		Source         loose[string]   `json:"source"`
		SandboxID      loose[string]   `json:"sandbox_id"`
		CreatedAt      looseTime       `json:"created_at"`
		UpdatedAt      looseTime       `json:"updated_at"`
		StartedAt      looseTime       `json:"started_at"`
		CompletedAt    looseTime       `json:"completed_at"`
		HumanInTheLoop loose[bool]     `json:"human_in_the_loop_enabled"`
		Title          loose[string]   `json:"title"`
		Number         loose[float64]  `json:"run_number"`
		AssignmentName loose[string]   `json:"agent_name"`
		Pending        json.RawMessage `json:"pending_human_request"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("job: %w", err)
	}
	if w.ID == "" {
		return errors.New("job: no id")
	}
	*j = Job{
		ID: w.ID, AssignmentID: w.AssignmentID.v, BuildID: w.BuildID.v, Status: Status(w.Status),
		Source: w.Source.v, SandboxID: w.SandboxID.v, CreatedAt: w.CreatedAt.v, UpdatedAt: w.UpdatedAt.v,
		StartedAt: w.StartedAt.v, CompletedAt: w.CompletedAt.v, HumanInTheLoop: w.HumanInTheLoop.v,
		Title: w.Title.v, Number: clampInt(w.Number.v), AssignmentName: w.AssignmentName.v,
	}
	pending, err := decodePending(w.Pending, w.ID)
	if err != nil {
		*j = Job{}
		return err
	}
	j.Pending = pending
	return nil
}

// decodePending reads the pending request of a Job; nil for none. One that
// cannot be read whole becomes a Malformed one, so that nobody answers what was
// not seen. One that says it is of another Job is an error: nobody knows then
// what the rest of the answer is about.
func decodePending(raw json.RawMessage, jobID string) (*HumanRequest, error) {
	if isNull(raw) {
		return nil, nil
	}
	var of struct {
		JobID loose[string] `json:"run_id"`
	}
	if json.Unmarshal(raw, &of) == nil && of.JobID.v != "" && !strings.EqualFold(of.JobID.v, jobID) {
		return nil, errors.New("human request: it is of another run")
	}
	var r HumanRequest
	if err := json.Unmarshal(raw, &r); err != nil {
		r = HumanRequest{Type: Malformed}
		var id struct {
			ID loose[string] `json:"id"`
		}
		if json.Unmarshal(raw, &id) == nil {
			r.ID = id.ID.v
		}
	}
	return &r, nil
}

// UnmarshalJSON reads a human request as a server sends it. It is strict about
// everything that a person must see before deciding.
func (r *HumanRequest) UnmarshalJSON(b []byte) error {
	if err := requireObject(b); err != nil {
		return fmt.Errorf("human request: %w", err)
	}
	var w struct {
		ID          string         `json:"id"`
		Type        RequestType    `json:"type"`
		Title       string         `json:"title"`
		Description string         `json:"description"`
		CreatedAt   looseTime      `json:"created_at"`
		Questions   []QuestionItem `json:"questions"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("human request: %w", err)
	}
	switch {
	case w.ID == "":
		return errors.New("human request: no id")
	case w.Type == Malformed:
		return errors.New("human request: a type that is not the server's to send")
	case w.Type == Question && len(w.Questions) == 0:
		return errors.New("human request: a question without questions")
	}
	for _, q := range w.Questions {
		if strings.TrimSpace(q.Question) == "" {
			return errors.New("human request: a question without text")
		}
		for _, c := range q.Options {
			if strings.TrimSpace(c.Label) == "" {
				return errors.New("human request: an option without a label")
			}
		}
	}
	*r = HumanRequest{ID: w.ID, Type: w.Type, Title: w.Title, Description: w.Description,
		CreatedAt: w.CreatedAt.v, Questions: w.Questions}
	return nil
}

// UnmarshalJSON reads a Message as a server sends it. Nothing in a message is
// required, and what is no object is an empty Message: a Job's result must not
// be lost over an odd entry.
func (m *Message) UnmarshalJSON(b []byte) error {
	if requireObject(b) != nil {
		*m = Message{}
		return nil
	}
	var w struct {
		ID        loose[string]   `json:"id"`
		Type      loose[string]   `json:"type"`
		Role      loose[string]   `json:"role"`
		Timestamp looseTime       `json:"timestamp"`
		Text      loose[string]   `json:"text_content"`
		Call      json.RawMessage `json:"tool_call"`
		Result    json.RawMessage `json:"tool_result"`
		Error     reason          `json:"error"`
		Told      loose[bool]     `json:"is_agent_instruction"`

		Metadata loose[messageMeta] `json:"metadata"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	*m = Message{ID: w.ID.v, Type: w.Type.v, Role: w.Role.v, Timestamp: w.Timestamp.v, Text: w.Text.v,
		Error: w.Error.v, Instruction: w.Told.v || w.Metadata.v.Instruction.v}
	if !isNull(w.Call) {
		var c struct {
			ID        loose[string]   `json:"id"`
			Name      loose[string]   `json:"name"`
			Arguments json.RawMessage `json:"arguments"`
		}
		if json.Unmarshal(w.Call, &c) == nil {
			m.ToolCall = &ToolCall{ID: c.ID.v, Name: c.Name.v, Arguments: c.Arguments}
		}
	}
	if !isNull(w.Result) {
		var r struct {
			CallID loose[string]   `json:"tool_call_id"`
			Result json.RawMessage `json:"result"`
			Error  reason          `json:"error"`
		}
		if json.Unmarshal(w.Result, &r) == nil {
			m.ToolResult = &ToolResult{CallID: r.CallID.v, Result: r.Result, Error: r.Error.v}
		}
	}
	return nil
}

// What is looked into for keys that stand there twice. Arguments and results of
// tools are not: their keys are their own affair.
var (
	requestShape = jsonkeys.Shape{"questions": {"options": nil}}
	jobShape     = jsonkeys.Shape{"pending_human_request": requestShape}
	messageShape = jsonkeys.Shape{"tool_call": nil, "tool_result": nil, "metadata": nil}
)
