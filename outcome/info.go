package outcome

import (
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
