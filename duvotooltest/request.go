package duvotooltest

import (
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
)

// The IDs of requests that are made here, unless they are changed.
const (
	AssignmentID = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11"
	BuildID      = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a12"
	JobID        = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a13"
	RequestID    = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a14"
)

// Approval returns a request for an approval, first seen now. Each change is
// applied to it in turn.
func Approval(title string, changes ...func(*hitl.Request)) hitl.Request {
	return request(hitl.Request{Kind: duvo.Approval, Title: title}, changes)
}

// Question returns a request that asks these questions, first seen now.
func Question(questions []duvo.QuestionItem, changes ...func(*hitl.Request)) hitl.Request {
	return request(hitl.Request{Kind: duvo.Question, Title: "Questions", Questions: questions}, changes)
}

func request(r hitl.Request, changes []func(*hitl.Request)) hitl.Request {
	now := time.Now()
	r.JobID, r.ID, r.BuildID, r.Input, r.Key = JobID, RequestID, BuildID, "do it", "key"
	r.Assignment = duvo.Assignment{ID: AssignmentID, Name: "Refunds", LatestBuild: &duvo.Build{ID: BuildID, Description: "Refunds orders."}}
	r.CreatedAt, r.FirstSeen = now, now
	for _, change := range changes {
		change(&r)
	}
	return r
}
