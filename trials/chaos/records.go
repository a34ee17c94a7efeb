package main

import (
	"maps"
	"path/filepath"
	"strconv"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// What the processes write down for the checker.

// A delivered is an outcome that a caller got.
type delivered struct {
	Key     string          `json:"key"`
	Life    int             `json:"life"` // of the worker
	At      time.Time       `json:"at"`
	Outcome outcome.Outcome `json:"outcome"`
	JobID   string          `json:"job_id"`
	Output  string          `json:"output"`

	// Refused tells why a follow-up was not said, nor will be. There is no outcome.
	Refused string `json:"refused,omitempty"`

	// Wrong tells of something else that a caller got, and must not get.
	Wrong string `json:"wrong,omitempty"`
}

// same reports whether two deliveries tell the same.
func (d delivered) same(o delivered) bool {
	return d.Outcome == o.Outcome && d.JobID == o.JobID && d.Output == o.Output && (d.Refused == "") == (o.Refused == "")
}

// A decided is a decision that a policy or a person made, written down before
// anybody else learnt of it; or, with Told, what became of a person's.
type decided struct {
	At        time.Time         `json:"at"`
	Life      int               `json:"life"` // of the worker
	By        string            `json:"by"`
	Key       string            `json:"key"`
	JobID     string            `json:"job_id"`
	RequestID string            `json:"request_id"`
	Verdict   hitl.Verdict      `json:"verdict"`
	Answers   map[string]string `json:"answers,omitempty"`
	Told      bool              `json:"told,omitempty"`
	Error     string            `json:"error,omitempty"` // that the person was told
}

// says reports whether a response says what was decided.
func (d decided) says(r response) bool {
	return d.Verdict == r.verdict && maps.Equal(d.Answers, r.answers)
}

// A response is what a response to a human request says.
type response struct {
	verdict hitl.Verdict
	answers map[string]string
}

func responseOf(approved *bool, answers map[string]string) response {
	switch {
	case approved == nil:
		return response{hitl.Answered, answers}
	case *approved:
		return response{verdict: hitl.Approved}
	}
	return response{verdict: hitl.Denied}
}

// A sample is how much a worker uses at a time.
type sample struct {
	At         time.Time `json:"at,omitzero"`
	Life       int       `json:"life,omitempty"`
	RSS        int64     `json:"rss"`  // bytes
	Anonymous  int64     `json:"anon"` // the part of RSS that no file stands behind, bytes
	Heap       int64     `json:"heap"` // bytes of live and unswept objects
	Goroutines int       `json:"goroutines"`
}

// Files of a worker.
func journalFile(dir string, w int) string {
	return filepath.Join(dir, "journal-"+strconv.Itoa(w)+".db")
}
func outcomesFile(dir string, w int) string {
	return filepath.Join(dir, "outcomes-"+strconv.Itoa(w)+".jsonl")
}
func decisionsFile(dir string, w int) string {
	return filepath.Join(dir, "decisions-"+strconv.Itoa(w)+".jsonl")
}
func samplesFile(dir string, w int) string {
	return filepath.Join(dir, "samples-"+strconv.Itoa(w)+".jsonl")
}
func eventsFile(dir string, w int) string {
	return filepath.Join(dir, "events-"+strconv.Itoa(w)+".jsonl")
}
func auditFile(dir string, w int) string {
	return filepath.Join(dir, "audit-"+strconv.Itoa(w)+".jsonl")
}
func logFile(dir string, w int) string { return filepath.Join(dir, "worker-"+strconv.Itoa(w)+".log") }
