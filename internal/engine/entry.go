package engine

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// An entry is what the journal holds of an operation.
type entry struct {
	Key        string          `json:"key"`
	Own        string          `json:"own,omitempty"`     // the caller's key, where that of its scope won
	Unkeyed    bool            `json:"unkeyed,omitempty"` // no caller has the key; earlier versions did not record it
	Scope      string          `json:"scope,omitempty"`
	Caller     hitl.Caller     `json:"caller,omitzero"`
	Assignment duvo.Assignment `json:"assignment"`
	Folder     string          `json:"folder,omitempty"`
	Input      string          `json:"input"` // of the start
	Owner      string          `json:"owner"` // the registry that wrote it
	Phase      outcome.Phase   `json:"phase"`
	Parked     bool            `json:"parked,omitempty"` // not taken up by itself
	Handle     string          `json:"handle,omitempty"` // of its own caller; perhaps not given out

	Webhook    string    `json:"webhook,omitempty"`
	Sandbox    string    `json:"sandbox,omitempty"`
	Files      bool      `json:"files,omitempty"` // it is to be started with files
	FirstSent  time.Time `json:"first_sent,omitzero"`
	LastSent   time.Time `json:"last_sent,omitzero"`
	Doubtful   bool      `json:"doubtful,omitempty"`
	Credential string    `json:"credential,omitempty"` // a print of what the start was sent with

	JobID     string        `json:"job_id,omitempty"`
	CreatedAt time.Time     `json:"created_at,omitzero"`
	BuildID   string        `json:"build_id,omitempty"`
	Status    duvo.Status   `json:"status,omitempty"`
	StartedAt time.Time     `json:"started_at,omitzero"`
	Worked    time.Duration `json:"worked,omitempty"`
	Ours      bool          `json:"ours,omitempty"` // it was told to run the Assignment

	Requests  []requestEntry       `json:"requests,omitempty"`
	Decisions []hitl.DecisionEntry `json:"decisions,omitempty"`
	Note      string               `json:"note,omitempty"`
	Told      bool                 `json:"told,omitempty"`
	Stopping  bool                 `json:"stopping,omitempty"`
	FollowUp  *followUp            `json:"follow_up,omitempty"`
	Answer    *answerState         `json:"answer,omitempty"`
	Result    *outcome.Result      `json:"result,omitempty"`
}

// A requestEntry is what the journal holds of a human request.
type requestEntry struct {
	ID        string            `json:"id"`
	Digest    string            `json:"digest"`
	Kind      duvo.RequestType  `json:"kind"`
	Title     string            `json:"title"`
	BuildID   *string           `json:"build_id,omitempty"` // that it was asked about with; nil: not asked, or written before this was kept
	FirstSeen time.Time         `json:"first_seen"`
	Stage     string            `json:"stage"`
	Gone      bool              `json:"gone,omitempty"`
	Decision  int               `json:"decision,omitempty"` // which of the entry's decisions, from one; zero: none
	Approved  *bool             `json:"approved,omitempty"` // of the sealed response
	Answers   map[string]string `json:"answers,omitempty"`  // of the sealed response
	IdemKey   string            `json:"idempotency_key,omitempty"`
	DecidedAt time.Time         `json:"decided_at,omitzero"`
	SentAt    time.Time         `json:"sent_at,omitzero"`
	Reached   bool              `json:"reached,omitempty"`
	Doubts    int               `json:"doubts,omitempty"`
	Outrun    bool              `json:"outrun,omitempty"` // another operation answers it
	Why       string            `json:"why,omitempty"`
}

// maxJournaledMessages bounds the messages of a Result that the journal keeps, in
// bytes of their JSON. Above it a Result that comes from the journal has none.
const maxJournaledMessages = 1 << 20

// stages as the journal writes them. What was only asked is asked again.
var stageNames = map[stage]string{stageNew: "new", stageAsking: "new", stageSuspended: "new",
	stageDecided: "decided", stageSending: "sending", stageDone: "done", stageNobody: "nobody"}

func stageNamed(name string) (stage, bool) {
	for s, n := range stageNames {
		if n == name && s != stageAsking && s != stageSuspended {
			return s, true
		}
	}
	return 0, false
}

// endedCall takes the Result out that an earlier version recorded where a call
// alone had ended.
func (e *entry) endedCall() {
	if e.Result != nil && endsCall(e.Result.Outcome) {
		e.Result, e.Parked = nil, true
	}
}

// said is what the operation tells its Job.
func (e *entry) said() string {
	if f := e.FollowUp; f != nil {
		return f.Message
	}
	return e.Input
}

// entry is what the journal is to hold of the operation as it is now. Called by
// who owns the mail.
func (op *operation) entry() entry {
	s := &op.job
	op.mu.Lock()
	e := entry{Key: op.key, Unkeyed: op.unkeyed, Own: op.extrasLocked().own, Scope: op.scope, Caller: op.caller, Assignment: op.work.Assignment, Folder: op.work.Folder,
		Input: op.input, Owner: op.eng.ledger.owner, Phase: op.phase, Handle: op.handle}
	op.mu.Unlock()
	if b := s.startState; b != nil {
		e.Webhook, e.Sandbox, e.Files, e.FirstSent, e.LastSent, e.Doubtful, e.Credential = b.webhook, b.sandbox, b.files, b.firstSent, b.lastSent, b.doubtful, b.credential
	}
	e.JobID, e.CreatedAt, e.BuildID, e.Status, e.StartedAt, e.Worked = s.id, s.created, s.buildID, s.status, s.startedAt, s.worked
	e.Ours = s.ours
	e.Decisions, e.Note, e.Told, e.Stopping, e.Parked, e.FollowUp, e.Answer = s.decisions(), s.note, s.told, s.stopping, s.parked, s.followUp, s.answer
	for _, p := range s.requests {
		q := requestEntry{ID: p.id, Digest: p.digest, Kind: p.request.Kind, Title: p.request.Title, FirstSeen: p.firstSeen, Stage: stageNames[p.stage],
			Gone: p.gone, DecidedAt: p.decidedAt, SentAt: p.sentAt, Reached: p.reached, Doubts: p.doubts, Outrun: p.outrun, Why: p.why}
		if p.request.ID != "" {
			build := p.request.BuildID
			q.BuildID = &build
		}
		for i, d := range s.entries {
			if d == p.entry {
				q.Decision = i + 1
			}
		}
		if r := p.sealed; r != nil {
			q.Approved, q.Answers, q.IdemKey = r.Approved, r.Answers, r.IdempotencyKey
		}
		e.Requests = append(e.Requests, q)
	}
	return e
}

// maxSkew is how far the clocks of those who share a journal may be apart. A
// time of a record that lies further ahead comes from a clock that was wrong.
const maxSkew = 5 * time.Minute

// notAfter returns the earlier of a record's time and now: nothing that was
// recorded is yet to come.
func notAfter(t, now time.Time) time.Time {
	if t.After(now) {
		return now
	}
	return t
}

// restore is the opposite of entry.
func (s *jobState) restore(op *operation, e entry) error {
	*s = jobState{id: e.JobID, created: e.CreatedAt, buildID: e.BuildID, status: e.Status, startedAt: e.StartedAt, worked: e.Worked, ours: e.Ours,
		note: e.Note, told: e.Told, stopping: e.Stopping, parked: e.Parked, followUp: e.FollowUp, answer: e.Answer, stopAgain: e.Stopping,
		human: waitsForPerson(e.Status)}
	now := time.Now()
	if e.JobID == "" {
		if e.FirstSent.After(now.Add(maxSkew)) {
			e.FirstSent = now.Add(-startDoubtMax - time.Second) // too long ago, for all we know
		}
		s.startState = &startState{e.Webhook, e.Sandbox, e.Files, notAfter(e.FirstSent, now), notAfter(e.LastSent, now), e.Doubtful, e.Credential, e.Owner}
	}
	if f := s.followUp; f != nil {
		f.FirstAt, f.SentAt = notAfter(f.FirstAt, now), notAfter(f.SentAt, now)
	}
	if a := s.answer; a != nil {
		a.Corrected = notAfter(a.Corrected, now)
	}
	for i := range e.Decisions {
		s.entries = append(s.entries, &e.Decisions[i])
	}
	var newest *pendingState
	for _, q := range e.Requests {
		st, ok := stageNamed(q.Stage)
		if !ok || q.ID == "" || q.Decision < 0 || q.Decision > len(s.entries) {
			return fmt.Errorf("%w: operation %s: the request %s makes no sense", journal.ErrFailed, hitl.SafeLine(e.Key, 120), hitl.SafeLine(q.ID, 64))
		}
		if q.DecidedAt.After(now.Add(maxSkew)) {
			q.DecidedAt = time.Time{} // nobody knows how old it is
		}
		q.FirstSeen, q.DecidedAt, q.SentAt = notAfter(q.FirstSeen, now), notAfter(q.DecidedAt, now), notAfter(q.SentAt, now)
		build := e.BuildID
		if q.BuildID != nil {
			build = *q.BuildID // by now the Job may be said to run another
		}
		p := &pendingState{id: q.ID, digest: q.Digest, firstSeen: q.FirstSeen, stage: st, gone: q.Gone, decidedAt: q.DecidedAt, sentAt: q.SentAt,
			reached: q.Reached, doubts: q.Doubts, outrun: q.Outrun, why: q.Why, recheck: true, recorded: true,
			request: hitl.Request{JobID: e.JobID, ID: q.ID, Kind: q.Kind, Title: q.Title, Assignment: e.Assignment, BuildID: build, Folder: e.Folder,
				Input: e.Input, FollowUp: e.FollowUp.added(), Caller: e.Caller, Key: e.Key, FirstSeen: q.FirstSeen}}
		if q.Decision > 0 {
			p.entry = s.entries[q.Decision-1]
		}
		if q.IdemKey != "" {
			p.sealed = &duvo.Response{JobID: e.JobID, RequestID: q.ID, Approved: q.Approved, Answers: q.Answers, IdempotencyKey: q.IdemKey}
		}
		if (st == stageDecided || st == stageSending) && (p.sealed == nil || p.entry == nil) {
			return fmt.Errorf("%w: operation %s: the response to the request %s is not there", journal.ErrFailed, hitl.SafeLine(e.Key, 120), hitl.SafeLine(q.ID, 64))
		}
		if st == stageSending {
			// The last attempt may be on its way still.
			p.settle = op.eng.cfg.Settle + op.eng.cfg.PostTimeout
		}
		if s.requests == nil {
			s.requests = map[string]*pendingState{}
		}
		id := strings.ToLower(q.ID)
		if twin := s.requests[id]; twin != nil && !twin.sentAt.IsZero() {
			continue // recorded in two spellings: what was sent is the last that it gets
		}
		s.requests[id] = p
		if newest == nil || p.firstSeen.After(newest.firstSeen) {
			newest = p
		}
	}
	if newest != nil && newest.entry != nil && newest.entry.Delivery == hitl.Accepted {
		s.human = false // it works again, although no read has shown that yet
	}
	return nil
}

// save puts the operation into the journal as it is now, with what set changes.
// It does nothing without a journal. Called by who owns the mail.
func (op *operation) save(set func(*entry)) error {
	l := op.eng.ledger
	if l == nil {
		return nil
	}
	e := op.entry()
	if set != nil {
		set(&e)
	}
	if e.Result != nil && sizeOf(e.Result.Messages) > maxJournaledMessages {
		r := *e.Result
		r.Messages = nil
		e.Result = &r
	}
	r := journal.Record{Key: op.record.key, Revision: op.record.revision}
	// It needs nothing more if its outcome is known, or if it is left to a
	// caller who has no key to come back with, or who finds nothing started.
	// What ended a call alone is no Result of the operation: see endsCall.
	r.Done = e.Result != nil && e.Result.Outcome != outcome.OutcomeUnknown ||
		e.Parked && (e.Unkeyed || e.JobID == "" && !e.Doubtful)
	var err error
	if r.Data, err = l.close(e); err != nil {
		return err
	}
	revision, err := l.put(r)
	for _, p := range op.job.requests {
		p.announced = time.Time{} // whoever announced an attempt says so anew
	}
	if err == nil {
		op.record.revision = revision
		if !op.job.parked {
			op.isDurable()
		}
		if b := op.job.startState; b != nil {
			b.owner = ""
		}
	}
	return err
}

func sizeOf(messages []duvo.Message) (n int) {
	for _, m := range messages {
		n += len(m.Text) + 200
		if m.ToolCall != nil {
			n += len(m.ToolCall.Arguments)
		}
		if m.ToolResult != nil {
			n += len(m.ToolResult.Result)
		}
	}
	return n
}

// mustSave is save where what comes next depends on it. It returns false if the
// run has ended, or goes on from what somebody else has recorded: then there is
// nothing more to do here.
func (op *operation) mustSave() bool {
	err := op.save(nil)
	switch {
	case err == nil:
		return true
	case errors.Is(err, journal.ErrConflict):
		op.adopt()
	default:
		op.fail(err)
	}
	return false
}

// maySave is save of what has happened already, and would be found out again. It
// returns false as mustSave does.
func (op *operation) maySave() bool {
	err := op.save(nil)
	switch {
	case err == nil:
		return true
	case errors.Is(err, journal.ErrConflict):
		op.adopt()
		return false
	}
	op.eng.log.Error("duvotool: writing to the journal", "operation", op.key, "job", op.job.id, "error", hitl.SafeLine(err.Error(), 500))
	return true
}

// recordName returns the key of the operation's record.
func (op *operation) recordName() string {
	return op.eng.ledger.names(opRecord, op.caller.Tenant, op.key)[0]
}
