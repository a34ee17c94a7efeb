package duvo

import (
	"bytes"
	"encoding/json"
	"time"
)

// What servers send as a rule is read in one go, by the types of this file. An
// answer that does not fit them is read again by the patient decoders of
// wire.go, which forgive what only decorates; both read the same out of what
// fits both.

type plainJob struct {
	ID             string          `json:"id"`
	AssignmentID   string          `json:"agent_id"`
	BuildID        string          `json:"build_id"`
	Status         string          `json:"status"`
	Source         string          `json:"source"`
	SandboxID      string          `json:"sandbox_id"`
	CreatedAt      string          `json:"created_at"`
	UpdatedAt      string          `json:"updated_at"`
	StartedAt      string          `json:"started_at"`
	CompletedAt    string          `json:"completed_at"`
	HumanInTheLoop bool            `json:"human_in_the_loop_enabled"`
	Title          string          `json:"title"`
	Number         float64         `json:"run_number"`
	AssignmentName string          `json:"agent_name"`
	Pending        json.RawMessage `json:"pending_human_request"`
}

func (w *plainJob) job() (j Job, err error) {
	j = Job{
		ID: w.ID, AssignmentID: w.AssignmentID, BuildID: w.BuildID, Status: Status(w.Status), Source: w.Source, SandboxID: w.SandboxID,
		CreatedAt: parseTime(w.CreatedAt), UpdatedAt: parseTime(w.UpdatedAt), StartedAt: parseTime(w.StartedAt), CompletedAt: parseTime(w.CompletedAt),
		HumanInTheLoop: w.HumanInTheLoop, Title: w.Title, Number: clampInt(w.Number), AssignmentName: w.AssignmentName,
	}
	j.Pending, err = decodePending(w.Pending, j.ID)
	return j, err
}

type plainMessage struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	Role      string `json:"role"`
	Timestamp string `json:"timestamp"`
	Text      string `json:"text_content"`
	Call      *struct {
		ID        string          `json:"id"`
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	} `json:"tool_call"`
	Result *struct {
		CallID string          `json:"tool_call_id"`
		Result json.RawMessage `json:"result"`
		Error  string          `json:"error"`
	} `json:"tool_result"`
	Error    string `json:"error"`
	Told     bool   `json:"is_agent_instruction"`
	Metadata struct {
		Instruction bool `json:"isAgentInstruction"`
	} `json:"metadata"`
}

func (w *plainMessage) message() Message {
	m := Message{ID: w.ID, Type: w.Type, Role: w.Role, Timestamp: parseTime(w.Timestamp), Text: w.Text,
		Error: w.Error, Instruction: w.Told || w.Metadata.Instruction}
	if c := w.Call; c != nil {
		m.ToolCall = &ToolCall{ID: c.ID, Name: c.Name, Arguments: c.Arguments}
	}
	if r := w.Result; r != nil {
		m.ToolResult = &ToolResult{CallID: r.CallID, Result: r.Result, Error: r.Error}
	}
	return m
}

// plainList is decodeList for what fits the plain types; false for what does not.
func plainList[T any](b []byte, key string) (rows []T, total int, ok bool) {
	var n *float64
	switch out := any(&rows).(type) {
	case *[]Message:
		var w struct {
			Rows  []plainMessage `json:"messages"`
			Total *float64       `json:"total"`
		}
		w.Rows = make([]plainMessage, 0, rowsIn(b, `"role":`))
		if key != "messages" || json.Unmarshal(b, &w) != nil || len(w.Rows) == 0 {
			return nil, 0, false
		}
		n = w.Total
		*out = make([]Message, len(w.Rows))
		for i := range w.Rows {
			(*out)[i] = w.Rows[i].message()
		}
	case *[]Job:
		var w struct {
			Rows  []plainJob `json:"data"`
			Total *float64   `json:"total"`
		}
		w.Rows = make([]plainJob, 0, rowsIn(b, `"agent_id":`))
		if key != "data" || json.Unmarshal(b, &w) != nil || len(w.Rows) == 0 {
			return nil, 0, false
		}
		n = w.Total
		*out = make([]Job, len(w.Rows))
		for i := range w.Rows {
			var err error
			if (*out)[i], err = w.Rows[i].job(); err != nil || w.Rows[i].ID == "" {
				return nil, 0, false
			}
		}
	default:
		return nil, 0, false
	}
	total = -1
	if n != nil && *n >= 0 {
		total = clampInt(*n)
	}
	return rows, total, true
}

// rowsIn guesses how many rows a page has, so that room for them is made once: each
// has this key.
func rowsIn(b []byte, key string) int { return min(bytes.Count(b, []byte(key)), 200) }

// plainRun is decodeRun for what fits the plain types, but for a Job whose
// pending request stands in two places.
func plainRun(b []byte) (Job, bool) {
	var w struct {
		Run     *plainJob       `json:"run"`
		Pending json.RawMessage `json:"pending_human_request"`
	}
	if json.Unmarshal(b, &w) != nil || w.Run == nil || w.Run.ID == "" {
		return Job{}, false
	}
	j, err := w.Run.job()
	if err != nil || j.Pending != nil && !isNull(w.Pending) {
		return Job{}, false
	}
	if !isNull(w.Pending) {
		j.Pending, err = decodePending(w.Pending, j.ID)
	}
	return j, err == nil
}

// parseTime reads a time as servers write it; zero for what is none.
func parseTime(s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00"} {
		// In UTC, and without the few times that encoding/json cannot write.
		if t, err := time.Parse(layout, s); err == nil && t.UTC().Year() > 0 && t.UTC().Year() < 10_000 {
			return t.UTC()
		}
	}
	return time.Time{}
}
