package duvotool

import (
	"errors"
	"maps"
	"slices"

	"github.com/duvotool/duvotool/duvo"
)

// What goes to a caller, policy, audit log, observer or backend, and what comes
// from one and is kept, is copied here, so that nobody shares memory with the
// engine or with each other.

// Clone returns a copy of the request that shares no memory with it. A [Policy]
// that asks others gives each its own.
func (r Request) Clone() Request {
	r.Questions = cloneQuestions(r.Questions)
	r.Assignment = cloneAssignment(r.Assignment)
	return r
}

func cloneQuestions(qs []duvo.QuestionItem) []duvo.QuestionItem {
	out := slices.Clone(qs)
	for i := range out {
		out[i].Options = slices.Clone(out[i].Options)
	}
	return out
}

func cloneAssignment(a duvo.Assignment) duvo.Assignment {
	a.LatestBuild = clonePointer(a.LatestBuild)
	return a
}

func cloneAssignments(list []duvo.Assignment) []duvo.Assignment {
	out := slices.Clone(list)
	for i, a := range out {
		out[i] = cloneAssignment(a)
	}
	return out
}

func clonePointer[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

func cloneDecision(d Decision) Decision {
	d.Answers = maps.Clone(d.Answers)
	return d
}

// cloneEntry copies a decision so that nothing is shared.
func cloneEntry(e DecisionEntry) DecisionEntry {
	e.Decision = cloneDecision(e.Decision)
	return e
}

// cloneResponse copies a sealed response for one attempt to send it.
func cloneResponse(r duvo.Response) duvo.Response {
	r.Approved, r.Answers = clonePointer(r.Approved), maps.Clone(r.Answers)
	return r
}

func cloneJob(j duvo.Job) duvo.Job {
	if j.Pending = clonePointer(j.Pending); j.Pending != nil {
		j.Pending.Questions = cloneQuestions(j.Pending.Questions)
	}
	return j
}

func cloneMessage(m duvo.Message) duvo.Message {
	if m.ToolCall = clonePointer(m.ToolCall); m.ToolCall != nil {
		m.ToolCall.Arguments = slices.Clone(m.ToolCall.Arguments)
	}
	if m.ToolResult = clonePointer(m.ToolResult); m.ToolResult != nil {
		m.ToolResult.Result = slices.Clone(m.ToolResult.Result)
	}
	return m
}

// clone makes a copy that shares nothing a caller could change.
func (r *Result) clone() *Result {
	c := *r
	c.Data = slices.Clone(r.Data)
	c.Assignment = cloneAssignment(r.Assignment)
	c.Messages = slices.Clone(r.Messages)
	for i, m := range c.Messages {
		c.Messages[i] = cloneMessage(m)
	}
	c.Decisions = slices.Clone(r.Decisions)
	for i, d := range c.Decisions {
		c.Decisions[i] = cloneEntry(d)
	}
	return &c
}

func (c Changes) clone() Changes {
	changed := slices.Clone(c.Changed)
	for i, x := range changed {
		changed[i] = x.clone()
	}
	return Changes{cloneAssignments(c.Added), cloneAssignments(c.Removed), changed, slices.Clone(c.Collided), cloneAssignments(c.Held), slices.Clone(c.Unmatched)}
}

func (c Change) clone() Change {
	c.Before, c.After = cloneAssignment(c.Before), cloneAssignment(c.After)
	return c
}

// cloneError gives each of those who are told an error of the engine its own. Its
// causes are shared; nobody reads them again.
func cloneError(err error) error {
	var bad *InputError
	switch own := err.(type) {
	case *JobError:
		c := *own
		if errors.As(c.Err, &bad) && c.Err == error(bad) {
			c.Err = clonePointer(bad)
		}
		return &c
	case *InputError:
		return clonePointer(own)
	}
	return err
}
