package engine

import "github.com/duvotool/duvotool/hitl"

// A claim says which operation answers a human request. It is made before a
// response is sent, by compare-and-set, and is there for as long as its operation
// is remembered: so a request gets one decision, whoever holds its Job.
type claim struct {
	Operation string             `json:"operation"` // the key of its record; without a journal, its slot
	Decision  hitl.DecisionEntry `json:"decision"`  // what was sealed, and who decided so
}

// brief is a claim without texts that have no bound.
func (c claim) brief() claim {
	d := c.Decision
	return claim{c.Operation, hitl.DecisionEntry{RequestID: d.RequestID, Kind: d.Kind, Title: hitl.SafeLine(d.Title, 80), Digest: d.Digest,
		RequestedAt: d.RequestedAt, DecidedAt: d.DecidedAt, Delivery: d.Delivery,
		Decision: hitl.Decision{Verdict: d.Verdict, By: hitl.SafeLine(d.By, 100), Source: d.Source}}}
}
