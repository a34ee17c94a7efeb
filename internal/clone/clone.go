// Package clone copies what goes to a caller, policy, audit log, observer or backend,
// and what comes from one and is kept, so that nobody shares memory with the engine
// or with each other.
package clone

import (
	"maps"
	"slices"

	"github.com/duvotool/duvotool/duvo"
)

func Questions(qs []duvo.QuestionItem) []duvo.QuestionItem {
	out := slices.Clone(qs)
	for i := range out {
		out[i].Options = slices.Clone(out[i].Options)
	}
	return out
}

func Assignment(a duvo.Assignment) duvo.Assignment {
	a.LatestBuild = Pointer(a.LatestBuild)
	return a
}

func Assignments(list []duvo.Assignment) []duvo.Assignment {
	out := slices.Clone(list)
	for i, a := range out {
		out[i] = Assignment(a)
	}
	return out
}

func Pointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// cloneResponse copies a sealed response for one attempt to send it.
func Response(r duvo.Response) duvo.Response {
	r.Approved, r.Answers = Pointer(r.Approved), maps.Clone(r.Answers)
	return r
}

func Job(j duvo.Job) duvo.Job {
	if j.Pending = Pointer(j.Pending); j.Pending != nil {
		j.Pending.Questions, j.Pending.Raw = Questions(j.Pending.Questions), slices.Clone(j.Pending.Raw)
	}
	j.Raw = slices.Clone(j.Raw)
	return j
}

func Message(m duvo.Message) duvo.Message {
	if m.ToolCall = Pointer(m.ToolCall); m.ToolCall != nil {
		m.ToolCall.Arguments = slices.Clone(m.ToolCall.Arguments)
	}
	if m.ToolResult = Pointer(m.ToolResult); m.ToolResult != nil {
		m.ToolResult.Result = slices.Clone(m.ToolResult.Result)
	}
	m.Raw = slices.Clone(m.Raw)
	return m
}
