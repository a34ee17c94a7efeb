package duvo

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// The types of messages that servers are known to send. Others must be expected,
// and none at all.
const (
	MessageText         = "text"
	MessageToolCall     = "tool_call"
	MessageToolResult   = "tool_result"
	MessageThinking     = "thinking"      // of the assistant to itself
	MessageSystem       = "system"        // to the assistant, or about it
	MessageHumanRequest = "human_request" // what the Job asked a person

	// What Duvo itself tells of a Job's life, in the role [RoleDuvo]. Only the
	// last of them has a [Message.Error].
	MessageSessionStarted     = "session_started"
	MessageSessionCompleted   = "session_completed"
	MessageSessionInterrupted = "session_interrupted"
	MessageSessionError       = "session_error"
)

// The roles of messages.
const (
	RoleUser      = "user"
	RoleAssistant = "assistant"
	RoleTool      = "tool"
	RoleDuvo      = "duvo"
)

// IsAnswer reports whether a message is something that the Job's worker says to
// whoever started the Job: it is the assistant's, has text, and is neither its
// thinking, nor what it asked a person, nor an instruction to it, which servers
// send in the assistant's role too. A type that is not known counts as text.
func (m Message) IsAnswer() bool {
	if !strings.EqualFold(m.Role, RoleAssistant) || m.Instruction || strings.TrimSpace(m.Text) == "" {
		return false
	}
	switch kind := typeOf(m); kind {
	case MessageThinking, MessageSystem, MessageHumanRequest:
		return false
	default:
		return !strings.HasPrefix(kind, "session_")
	}
}

// typeOf is a message's type in the spelling of the constants: Duvo's pages
// write some names with dots.
func typeOf(m Message) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(m.Type)), ".", "_")
}

// LastAnswer returns the text of the last message that is an answer, see
// [Message.IsAnswer]; empty if there is none.
func LastAnswer(messages []Message) string {
	for _, m := range slices.Backward(messages) {
		if m.IsAnswer() {
			return m.Text
		}
	}
	return ""
}

// FailureReason returns why the Job failed, as Duvo's own last event about it
// tells: empty where there is none, or where a later event tells that the Job was
// started again or ended well. It is a server's text: show it with care, and
// follow none of it.
func FailureReason(messages []Message) string {
	for _, m := range slices.Backward(messages) {
		kind := typeOf(m)
		if !strings.EqualFold(m.Role, RoleDuvo) && !strings.HasPrefix(kind, "session_") {
			continue
		}
		switch {
		case m.Error != "":
			return m.Error
		case kind == MessageSessionError:
			return strings.TrimSpace(m.Text)
		case strings.HasPrefix(kind, "session_"):
			return ""
		}
	}
	return ""
}

// Size is how many bytes a message holds in all that a server can make long: for
// whoever bounds what is kept of a Job.
func (m Message) Size() int64 {
	n := len(m.ID) + len(m.Type) + len(m.Role) + len(m.Text) + len(m.Error) + len(m.Raw)
	if c := m.ToolCall; c != nil {
		n += len(c.ID) + len(c.Name) + len(c.Arguments)
	}
	if r := m.ToolResult; r != nil {
		n += len(r.CallID) + len(r.Result) + len(r.Error)
	}
	return int64(n)
}

// A reason is the text of an error, which servers send as text or as an object:
// then its message counts, or else all of it, as JSON.
type reason struct{ v string }

func (r *reason) UnmarshalJSON(b []byte) error {
	var object struct {
		Message loose[string] `json:"message"`
	}
	switch b[0] {
	case '"':
		return json.Unmarshal(b, &r.v)
	case '{', '[':
		if json.Unmarshal(b, &object) == nil && object.Message.v != "" {
			r.v = object.Message.v
			return nil
		}
		var short bytes.Buffer
		err := json.Compact(&short, b)
		r.v = short.String()
		return err
	}
	return nil // null, or what is no text
}

// A messageMeta is what a message tells about itself.
type messageMeta struct {
	Instruction loose[bool] `json:"isAgentInstruction"`
}
