package outcome

import (
	"fmt"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
)

// StopCause is a reason for which a Job may be stopped.
type StopCause string

// When a call ends before its Job, the Job is left as it is. duvotool.StopOn chooses
// the cases in which it is stopped instead.
const (
	Cancelled      StopCause = "cancelled"       // the last caller's context ended
	TimedOut       StopCause = "timed out"       // the time of WithJobTimeout is over
	PolicyFailed   StopCause = "policy failed"   // the policy erred, panicked or decided what does not fit
	QuestionDenied StopCause = "question denied" // the policy denied a question, which Duvo has no answer for
	NobodyToAsk    StopCause = "nobody to ask"   // nobody could be asked; see [hitl.Nobody]
)

// A JobInfo tells how an operation of a registry stands.
type JobInfo struct {
	Key        string          `json:"key"` // the operation key
	Caller     hitl.Caller     `json:"caller,omitzero"`
	JobID      string          `json:"job_id,omitempty"` // empty: none is known
	Assignment duvo.Assignment `json:"assignment,omitzero"`
	Input      string          `json:"input"`               // of the start
	FollowUp   string          `json:"follow_up,omitempty"` // what was added since by messages; empty: nothing
	Phase      Phase           `json:"phase"`
	Status     duvo.Status     `json:"status,omitempty"`    // the last that was read
	StartedAt  time.Time       `json:"started_at,omitzero"` // by our clock; zero: not yet
	Request    *hitl.Request   `json:"request,omitempty"`   // that a policy is asked about, or has put off; nil: none
	Resumed    bool            `json:"resumed,omitempty"`   // taken up from the journal
	Unknown    bool            `json:"unknown,omitempty"`   // whether it was started is not known: see Registry.Candidates
}

// String tells how the Job stands on one line that is safe to print. It has nothing of
// what the Job was told or says.
func (i JobInfo) String() string {
	job := "Job " + hitl.SafeLine(i.JobID, 64)
	if i.JobID == "" {
		job = "a Job"
	}
	s := fmt.Sprintf("%s of %q, operation %s: %s", job, hitl.SafeLine(i.Assignment.Name, 80), hitl.SafeLine(i.Key, 80), hitl.SafeLine(string(i.Phase), 40))
	if i.Status != "" {
		s += ", " + hitl.SafeLine(string(i.Status), 40)
	}
	if i.Resumed {
		s += ", taken up from the journal"
	}
	if i.Unknown {
		s += "; it is not known whether it was started"
	}
	return s
}
