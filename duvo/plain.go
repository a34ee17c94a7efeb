package duvo

import (
	"bytes"
	"time"

	"github.com/duvotool/duvotool/internal/jsonkeys"
	"github.com/duvotool/duvotool/internal/plainjson"
)

// What servers send as a rule is read in one pass, by the functions of this file. An
// answer that is odd in any way is read again by the patient decoders of wire.go,
// which forgive what only decorates; both read the same out of what fits both.

// The fields that are read of each object.
var (
	runFields     = []string{"run", "pending_human_request"}
	messagesPage  = []string{"messages", "total"}
	jobsPage      = []string{"data", "total"}
	jobFields     = []string{"id", "agent_id", "build_id", "status", "source", "sandbox_id", "created_at", "updated_at", "started_at", "completed_at", "human_in_the_loop_enabled", "title", "run_number", "agent_name", "pending_human_request"}
	messageFields = []string{"id", "type", "role", "timestamp", "text_content", "tool_call", "tool_result", "error", "is_agent_instruction", "metadata"}
	callFields    = []string{"id", "name", "arguments"}
	resultFields  = []string{"tool_call_id", "result", "error"}
	metaFields    = []string{"isAgentInstruction"}
)

// plainJob reads a Job, and the request within it; false if that is not plain.
func plainJob(r *plainjson.Reader) (j Job, ok bool) {
	ok = true
	var pending []byte
	o := r.Open(jobFields)
	for name := r.Next(&o); name != nil; name = r.Next(&o) {
		switch string(name) {
		case "id":
			j.ID = r.Text()
		case "agent_id":
			j.AssignmentID = r.Text()
		case "build_id":
			j.BuildID = r.Text()
		case "status":
			j.Status = Status(r.Text())
		case "source":
			j.Source = r.Text()
		case "sandbox_id":
			j.SandboxID = r.Text()
		case "created_at":
			j.CreatedAt = parseTime(r.Text())
		case "updated_at":
			j.UpdatedAt = parseTime(r.Text())
		case "started_at":
			j.StartedAt = parseTime(r.Text())
		case "completed_at":
			j.CompletedAt = parseTime(r.Text())
		case "human_in_the_loop_enabled":
			j.HumanInTheLoop = r.Bool()
		case "title":
			j.Title = r.Text()
		case "run_number":
			n, _ := r.Number()
			j.Number = clampInt(n)
		case "agent_name":
			j.AssignmentName = r.Text()
		case "pending_human_request":
			pending = r.Raw()
		default:
			r.Skip()
		}
	}
	if pending != nil {
		j.Pending, ok = plainPending(pending, j.ID)
	}
	return j, ok && j.ID != ""
}

// plainPending is decodePending for what holds no key twice, and is of this Job.
func plainPending(raw []byte, job string) (*HumanRequest, bool) {
	if jsonkeys.Check(raw, requestShape) != nil {
		return nil, false
	}
	p, err := decodePending(raw, job)
	return p, err == nil
}

// plainMessage reads a message.
func plainMessage(r *plainjson.Reader) (m Message) {
	o := r.Open(messageFields)
	for name := r.Next(&o); name != nil; name = r.Next(&o) {
		switch string(name) {
		case "id":
			m.ID = r.Text()
		case "type":
			m.Type = r.Text()
		case "role":
			m.Role = r.Text()
		case "timestamp":
			m.Timestamp = parseTime(r.Text())
		case "text_content":
			m.Text = r.Text()
		case "tool_call":
			m.ToolCall = plainCall(r)
		case "tool_result":
			m.ToolResult = plainResult(r)
		case "error":
			m.Error = r.Text()
		case "is_agent_instruction":
			m.Instruction = r.Bool() || m.Instruction
		case "metadata":
			m.Instruction = plainMeta(r) || m.Instruction
		default:
			r.Skip()
		}
	}
	return m
}

func plainCall(r *plainjson.Reader) *ToolCall {
	if r.Null() {
		return nil
	}
	c := &ToolCall{}
	o := r.Open(callFields)
	for name := r.Next(&o); name != nil; name = r.Next(&o) {
		switch string(name) {
		case "id":
			c.ID = r.Text()
		case "name":
			c.Name = r.Text()
		case "arguments":
			c.Arguments = r.Raw()
		default:
			r.Skip()
		}
	}
	return c
}

func plainResult(r *plainjson.Reader) *ToolResult {
	if r.Null() {
		return nil
	}
	res := &ToolResult{}
	o := r.Open(resultFields)
	for name := r.Next(&o); name != nil; name = r.Next(&o) {
		switch string(name) {
		case "tool_call_id":
			res.CallID = r.Text()
		case "result":
			res.Result = r.Raw()
		case "error":
			res.Error = r.Text()
		default:
			r.Skip()
		}
	}
	return res
}

// plainMeta reads whether the data about a message call it an instruction.
func plainMeta(r *plainjson.Reader) (instruction bool) {
	o := r.Open(metaFields)
	for name := r.Next(&o); name != nil; name = r.Next(&o) {
		if string(name) == "isAgentInstruction" {
			instruction = r.Bool()
			continue
		}
		r.Skip()
	}
	return instruction
}

// plainList is decodeList for pages of messages and Jobs that are plain and not
// empty; false for what is not.
func plainList[T any](b []byte, key string) (rows []T, total int, ok bool) {
	total = -1
	var r plainjson.Reader
	r.Read(b)
	switch out := any(&rows).(type) {
	case *[]Message:
		*out, ok = plainPage(&r, messagesPage, rowsIn(b, `"role":`), &total, func() (Message, bool) { return plainMessage(&r), true })
	case *[]Job:
		*out, ok = plainPage(&r, jobsPage, rowsIn(b, `"agent_id":`), &total, func() (Job, bool) { return plainJob(&r) })
	}
	if !ok || len(rows) == 0 || !r.End() {
		return nil, 0, false
	}
	return rows, total, true
}

// plainPage reads a page: its rows and their total, of these fields.
func plainPage[T any](r *plainjson.Reader, fields []string, room int, total *int, row func() (T, bool)) (rows []T, ok bool) {
	ok = true
	o := r.Open(fields)
	for name := r.Next(&o); name != nil; name = r.Next(&o) {
		switch string(name) {
		case fields[0]:
			rows = make([]T, 0, room)
			for begun := false; ok && r.List(&begun); {
				var v T
				v, ok = row()
				rows = append(rows, v)
			}
		case fields[1]:
			if n, told := r.Number(); told && n >= 0 {
				*total = clampInt(n)
			}
		default:
			r.Skip()
		}
		if !ok {
			return nil, false
		}
	}
	return rows, ok
}

// rowsIn guesses how many rows a page has, so that room for them is made once: each
// has this key.
func rowsIn(b []byte, key string) int { return min(bytes.Count(b, []byte(key)), 200) }

// plainRun is decodeRun for what is plain, but for a Job whose pending request stands
// in two places.
func plainRun(b []byte) (j Job, ok bool) {
	var r plainjson.Reader
	r.Read(b)
	var pending []byte
	o := r.Open(runFields)
	for name := r.Next(&o); name != nil; name = r.Next(&o) {
		switch string(name) {
		case "run":
			if j, ok = plainJob(&r); !ok {
				return Job{}, false
			}
		case "pending_human_request":
			pending = r.Raw()
		default:
			r.Skip()
		}
	}
	if !ok || !r.End() || j.Pending != nil && !isNull(pending) {
		return Job{}, false
	}
	if !isNull(pending) {
		if j.Pending, ok = plainPending(pending, j.ID); !ok {
			return Job{}, false
		}
	}
	return j, true
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
