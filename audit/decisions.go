package audit

import (
	"io"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// A Decision is how a request was decided, and what became of that: the answer to
// "who approved what".
type Decision struct {
	Entry                 // of the event [Decided], or [Elsewhere]; its Delivery is the last that is known
	Job   outcome.Outcome `json:"job,omitempty"` // how the Job ended; empty: it has not
}

// Decisions reads the decisions that a filter picks, in the order in which they were
// made. What was put off is none, and a rule's are among them. Where the audit does
// not read to its end, those before come with the error.
func Decisions(r io.Reader, f Filter) ([]Decision, error) {
	var out []Decision
	byRequest, byJob := map[string]int{}, map[string][]int{} // places in out
	for e, err := range Read(r) {
		if err != nil {
			return out, err
		}
		at, known := byRequest[e.JobID+"\x00"+e.RequestID]
		switch {
		case e.Event == Outcome:
			for _, i := range byJob[e.JobID] {
				out[i].Job = e.Outcome
			}
		case e.Event == Delivered && known:
			out[at].Delivery = e.Delivery
		case e.Decides() && f.Match(e.Record):
			byRequest[e.JobID+"\x00"+e.RequestID] = len(out)
			byJob[e.JobID] = append(byJob[e.JobID], len(out))
			out = append(out, Decision{Entry: e})
		}
	}
	return out, nil
}

// Decides reports whether a record tells that a request waits no more: that it was
// decided, here or elsewhere, and not that it was put off.
func (r Record) Decides() bool {
	return r.Event == Elsewhere || r.Event == Decided && r.Verdict != hitl.Suspended.String() && r.Verdict != hitl.Passed.String()
}
