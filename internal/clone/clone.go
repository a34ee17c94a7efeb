// Package clone copies what goes to a caller, policy, audit log, observer or backend,
// and what comes from one and is kept, so that nobody shares memory with the engine
// or with each other.
package clone

import (
	"slices"

	"github.com/duvotool/duvotool/duvo"
)

// Questions copies questions and their options.
func Questions(qs []duvo.QuestionItem) []duvo.QuestionItem {
	out := slices.Clone(qs)
	for i := range out {
		out[i].Options = slices.Clone(out[i].Options)
	}
	return out
}

// Assignment copies an Assignment and its Build.
func Assignment(a duvo.Assignment) duvo.Assignment {
	a.LatestBuild = Pointer(a.LatestBuild)
	return a
}

// Assignments copies each of them.
func Assignments(list []duvo.Assignment) []duvo.Assignment {
	out := slices.Clone(list)
	for i, a := range out {
		out[i] = Assignment(a)
	}
	return out
}

// Pointer copies what p points to; nil stays nil.
func Pointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// Job copies a Job and the request that it waits for.
func Job(j duvo.Job) duvo.Job {
	if j.Pending = Pointer(j.Pending); j.Pending != nil {
		j.Pending.Questions, j.Pending.Raw = Questions(j.Pending.Questions), slices.Clone(j.Pending.Raw)
	}
	j.Raw = slices.Clone(j.Raw)
	return j
}

// Message copies a message and the call of a tool in it.
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
