package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/clone"
	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/duvotool/duvotool/internal/track"
	"github.com/duvotool/duvotool/internal/watch"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// pendingState is what an operation knows of one human request. It is owned by
// the mail of the operation.
//
// A request goes from asking to decided, where the response is sealed, to
// sending, to settled; or from asking straight to settled, when there is
// nothing to send. A sealed response that was never sent may be thrown away
// when the request turns out to be another. One that was sent, even once, is
// the last that this request gets.
type pendingState struct {
	id        string
	digest    string
	firstSeen time.Time
	stage     stage
	gone      bool         // a read did not show it
	recheck   bool         // restored from the journal: denials that stand now win over what was decided
	recorded  bool         // the journal holds that the policy is asked about it
	claimed   bool         // no other operation answers it
	outrun    bool         // another operation answers it: nothing of ours is sent
	request   hitl.Request // as the policy saw it

	unrecorded bool // decided, and whether the journal holds that is not known yet

	endAsk context.CancelCauseFunc // nil unless the policy is being asked
	asking int                     // which time the policy is asked: an answer to an earlier one is stale

	entry     *hitl.DecisionEntry // once decided
	sealed    *duvo.Response      // once there is something to send
	decidedAt time.Time
	sentAt    time.Time     // when the last attempt began
	announced time.Time     // until when the attempt may begin that the journal tells of already; zero: it tells of none
	lag       time.Duration // how long the journal took the last time
	settle    time.Duration // from sentAt, before an unclear attempt is repeated
	reached   bool          // an attempt reached the server, or may have
	doubts    int           // attempts that may have taken effect unseen
	failures  int           // attempts that provably did nothing
	late      int           // attempts in a row that could not begin in time
	why       string        // of stageNobody
	replies   []chan error  // of those who decided through the registry
}

type stage int

const (
	stageNew       stage = iota // the policy has not been asked
	stageAsking                 // it is being asked
	stageSuspended              // it put the decision off
	stageDecided                // sealed, not sent
	stageSending                // sent, perhaps in vain
	stageDone                   // nothing more is sent
	stageNobody                 // the Job waits on, and nothing of ours can end that
)

func (p *pendingState) endAsking(cause error) {
	if p.endAsk != nil {
		p.endAsk(cause)
		p.endAsk = nil
		p.asking++
	}
	if p.stage == stageAsking {
		p.stage = stageNew
	}
}

// fate tells what became of a response that was sent when its request is gone:
// it may have been taken, unless every attempt provably did nothing.
func (p *pendingState) fate() hitl.Delivery {
	if p.doubts == 0 {
		return hitl.Superseded
	}
	return hitl.Unconfirmed
}

// known returns what the operation knows of the request with this ID, without
// regard to case, and the ID as it was first told: digests, claims and responses
// are about that.
func (s *jobState) known(id string) (p *pendingState, as string) {
	if p = s.requests[strings.ToLower(id)]; p != nil {
		return p, p.id
	}
	return nil, id
}

// nothingPending notes that the Job waits for no request that we know of.
func (op *operation) nothingPending() { op.notPending("") }

// notPending notes that every request but the one with this ID is over.
func (op *operation) notPending(except string) {
	for _, p := range op.job.requests {
		if strings.EqualFold(p.id, except) || p.stage == stageDone {
			continue
		}
		was := p.stage
		op.job.dirty = true
		p.endAsking(hitl.ErrAnsweredElsewhere)
		op.waitsNoLonger(p.id)
		p.stage, p.gone = stageDone, true
		switch was {
		case stageDecided:
			op.delivered(p, hitl.Superseded)
		case stageSending:
			op.delivered(p, p.fate())
		default:
			if p.entry != nil && p.entry.NobodyAsked() && !op.job.stopping {
				p.entry.Delivery = hitl.Superseded // somebody else could decide
			}
			op.awaitOutcome(p.id)
			_ = op.audit(audit.Elsewhere, func(r *audit.Record) {
				p.about(r)
				r.Source = hitl.SourceElsewhere
			})
		}
	}
}

// waiting takes in that the Job waits for a request. It returns true if the
// run has ended.
func (op *operation) waiting(seen watch.Sighting) bool {
	s := &op.job
	if op.nobodys() {
		return true
	}
	q := *seen.Job.Pending
	if q.ID == "" || q.Type != duvo.Approval && q.Type != duvo.Question {
		op.nothingPending()
		return op.stuckFor(stuckGrace, fmt.Sprintf("the Job waits for a request of kind %q, which this program cannot answer", hitl.SafeLine(string(q.Type), 40)))
	}
	op.notPending(q.ID)
	if !op.hear(q.ID) {
		return true
	}
	p, as := s.known(q.ID)
	q.ID = as
	d := op.digest(q)
	// The Build is no part of the digest, and yet of what was decided about.
	changed := p != nil && (p.digest != d || p.request.ID != "" && !strings.EqualFold(p.request.BuildID, s.buildID))
	switch {
	case p == nil:
		p = &pendingState{id: q.ID, digest: d, firstSeen: time.Now()}
		if s.requests == nil {
			s.requests = map[string]*pendingState{}
		}
		s.requests[strings.ToLower(q.ID)] = p
	case p.sentAt.IsZero() && (p.gone || changed || p.stage == stageDecided && (time.Since(p.decidedAt) > decisionMaxAge || op.vetoed(p, seen.Job, q))):
		// What was decided was about another text, or too long ago, or before
		// the request was away for a while, or is denied by now.
		p.endAsking(hitl.ErrRequestChanged)
		op.waitsNoLonger(p.id)
		if p.stage == stageDecided {
			op.delivered(p, hitl.Superseded)
		}
		op.awaitOutcome(p.id)
		firstSeen := p.firstSeen
		if changed {
			firstSeen = time.Now() // another request: nobody has had any time for it yet
		}
		*p = pendingState{id: q.ID, digest: d, firstSeen: firstSeen, asking: p.asking}
		s.dirty = true
	case changed && p.stage == stageSending:
		// A response to this ID was sent; it must remain the only one.
		op.eng.log.Warn("duvotool: a request changed after it was answered", "job", s.id, "request", q.ID)
		p.stage = stageDone
		s.dirty = true
		op.delivered(p, p.fate())
	}
	if p.stage != stageNobody && p.stage != stageDone {
		s.stuck = time.Time{}
	}
	switch p.stage {
	case stageNew:
		return op.ask(p, seen.Job, q)
	case stageDecided:
		return op.respondIfFresh(p, seen)
	case stageSending:
		switch {
		case time.Since(p.sentAt) < p.settle:
			s.watch.Schedule(p.settle - time.Since(p.sentAt))
		case op.vetoed(p, seen.Job, q):
			// It may have arrived; what is denied by now is not sent once more.
			p.stage = stageDone
			s.dirty = true
			op.addNote("a response that an earlier process may have sent was not sent again: the policy denies by now what it says")
			op.delivered(p, p.fate())
		default:
			return op.respondIfFresh(p, seen)
		}
	case stageNobody:
		return op.stuckFor(stuckGrace, p.why)
	case stageDone:
		if p.outrun {
			return op.stuckFor(acceptedGrace, "another operation has decided the request, and the Job still waits")
		}
		if p.entry != nil && p.entry.Delivery != hitl.NotSent {
			return op.stuckFor(acceptedGrace, "the response was sent, and the Job still waits")
		}
	}
	return false
}

// ask asks the policy, in a goroutine of its own. It returns true if the run
// has ended instead.
func (op *operation) ask(p *pendingState, job duvo.Job, q duvo.HumanRequest) bool {
	s := &op.job
	op.at(outcome.PhaseDeciding, s.id)
	req := op.requestOf(p, q)
	p.request = op.requestOf(p, q)
	if err := op.audit(audit.Requested, p.about); err != nil {
		op.fail(err)
		return true
	}
	// When it was first seen is kept, so that deadlines outlive the process. What
	// is there already is not written again: that would throw over what another
	// process, which asks at the same time, is about to decide.
	if s.dirty || !p.recorded {
		if s.dirty = false; !op.mustSave() {
			return true
		}
		p.recorded = true
	}
	if op.cancelled() {
		return true
	}
	op.waitsFor(p.request.Clone())
	told := p.request.Clone()
	op.tell(outcome.Event{Kind: outcome.EventRequested, JobID: s.id, Status: job.Status, Request: &told})

	r := op.run
	ctx, cancel := context.WithCancelCause(track.With(r.ctx, op.eng.life))
	p.endAsk = cancel
	p.stage = stageAsking
	p.asking++
	turn, policy := p.asking, op.work.Settings.Policy
	op.eng.life.Again()
	go func() {
		defer op.eng.life.Leave()
		var d hitl.Decision
		guard.Then(hitl.ErrPolicyPanic, func() (err error) {
			d, err = askPolicy(ctx, op.eng.life, policy, req)
			return err
		}, func(err error) {
			op.post(r, func(op *operation) { op.decided(p, turn, d, err) })
		})
	}()
	return false
}

// digest is that of a request of the Job, as [hitl.Request.Digest] makes it.
func (op *operation) digest(q duvo.HumanRequest) string {
	return hitl.Digest(op.job.id, op.job.addedSoFar(), q)
}

// digestAs is digest of what may be the request p, in whatever case its ID is told.
func (op *operation) digestAs(p *pendingState, q duvo.HumanRequest) string {
	if strings.EqualFold(q.ID, p.id) {
		q.ID = p.id
	}
	return op.digest(q)
}

// requestOf makes what a policy sees.
func (op *operation) requestOf(p *pendingState, q duvo.HumanRequest) hitl.Request {
	return hitl.Request{
		JobID: op.job.id, ID: q.ID, Kind: q.Type, Title: q.Title, Description: q.Description, Questions: clone.Questions(q.Questions),
		Assignment: clone.Assignment(op.work.Assignment), BuildID: op.job.buildID, Input: op.inputNow(), FollowUp: op.job.addedSoFar(), Caller: op.caller, Key: op.key,
		CreatedAt: q.CreatedAt, FirstSeen: p.firstSeen, Folder: op.work.Folder,
	}
}

// waitsFor notes which request the policy is asked about, for Registry.Jobs. It
// must share no memory with what the mail of the operation goes on with.
func (op *operation) waitsFor(q hitl.Request) {
	op.mu.Lock()
	defer op.mu.Unlock()
	op.news.request = &q
}

// waitsNoLonger notes that a request is no longer asked about, or suspended.
func (op *operation) waitsNoLonger(requestID string) {
	op.mu.Lock()
	defer op.mu.Unlock()
	if q := op.news.request; q != nil && q.ID == requestID {
		op.news.request = nil
	}
}

func askPolicy(ctx context.Context, life *lifetime.Lifetime, policy hitl.Policy, req hitl.Request) (hitl.Decision, error) {
	defer life.Callback("policy " + hitl.PolicyName(policy))()
	if i, d, err := hitl.Veto(ctx, req, policy); i >= 0 {
		return d.Clone(), err
	}
	d, err := policy.Decide(ctx, req)
	return d.Clone(), err
}

// decided takes in the policy's decision.
func (op *operation) decided(p *pendingState, turn int, d hitl.Decision, err error) {
	if op.cancelled() || p.asking != turn || p.stage != stageAsking {
		return // the answer came too late to matter
	}
	p.endAsking(nil)
	p.stage = stageNew
	op.waitsNoLonger(p.id)
	if err == nil {
		err = d.Check(p.request) // not what the policy was handed, which it may have changed
	}
	if err != nil {
		op.undecided(p, err)
		return
	}
	name := hitl.SafePolicyName(op.work.Settings.Policy)
	if d.Source == "" {
		d.Source = hitl.SourcePolicy
	}
	if d.Path == "" {
		d.Path = name
	}
	switch d.Verdict {
	case hitl.Passed:
		if d.Source == hitl.SourceNobody {
			d.Verdict = hitl.Denied
			break
		}
		why := strings.TrimSuffix("no policy had an opinion: "+d.Reason, ": ")
		d = hitl.Decision{By: "policy " + name, Reason: why, Source: hitl.SourcePolicy, Path: d.Path}
	case hitl.Suspended:
		err := op.audit(audit.Decided, func(r *audit.Record) {
			p.about(r)
			r.Verdict, r.By, r.Reason, r.Source, r.Path = d.Verdict.String(), d.By, d.Reason, d.Source, d.Path
		})
		if err != nil {
			op.fail(err)
			return
		}
		op.suspend(p)
		return
	}
	op.settleDecision(p, d)
}

// settleDecision records a decision and prepares what is sent for it.
func (op *operation) settleDecision(p *pendingState, d hitl.Decision) {
	s := &op.job
	req := p.request
	p.decidedAt = time.Now()
	p.entry = &hitl.DecisionEntry{
		RequestID: p.id, Kind: req.Kind, Title: req.Title, Digest: p.digest, Decision: d,
		RequestedAt: p.firstSeen, DecidedAt: p.decidedAt, Delivery: hitl.NotSent,
	}
	if err := op.audit(audit.Decided, p.about); err != nil {
		op.takeBack(p, err)
		return
	}
	s.entries = append(s.entries, p.entry)
	p.recheck = false
	open := d.NobodyAsked() || d.Verdict == hitl.Denied && req.Kind == duvo.Question // nothing is sent, and it waits on
	switch {
	case d.Verdict == hitl.Left:
		p.stage = stageDone
	case d.NobodyAsked():
		p.stage, p.why = stageNobody, "nobody could be asked, nothing was sent to Duvo, and the Job still waits"
	case open && d.Source == hitl.SourceTimeout:
		p.stage, p.why = stageNobody, "nobody answered the question in time, and the Job still waits"
	case open:
		p.stage, p.why = stageNobody, "the question was denied, which Duvo has no answer for, and the Job still waits"
	default:
		p.sealed = seal(s.id, p, d)
		p.stage = stageDecided
	}
	p.unrecorded = true
	switch err := op.save(nil); {
	case errors.Is(err, journal.ErrConflict):
		op.adopt() // perhaps somebody else has decided; it tells whether ours counts
		return
	case err != nil:
		// The journal may hold it all the same, or be about to. Then it is sent by
		// whoever takes the operation up.
		op.doesNotCount(p, "it is not known whether the decision counts, because recording it failed; it is sent only if the journal holds it: "+hitl.SafeLine(err.Error(), 500))
		s.entries = s.entries[:len(s.entries)-1]
		op.takeBack(p, fmt.Errorf("whether the decision counts is not known: %w", err))
		return
	}
	p.unrecorded = false
	op.awaitOutcome(p.id)
	op.tellDecision(outcome.EventDecided, p)
	if p.stage == stageDecided && !op.claim(p) {
		return
	}
	op.at(outcome.PhaseWatching, s.id)
	if p.stage == stageDecided {
		op.at(outcome.PhaseResponding, s.id)
		s.watch.Now() // the read just before
		return
	}
	p.answerDeciders(nil)
	if open {
		op.leaveOpen(d)
	}
}

// leaveOpen goes on with a Job whose request got no response of ours: it is
// stopped, if that is wished for, or given a while in which somebody else may
// decide.
func (op *operation) leaveOpen(d hitl.Decision) {
	cause, note := outcome.QuestionDenied, "a question was denied"
	if d.NobodyAsked() {
		cause, note = outcome.NobodyToAsk, "nobody could be asked"
	}
	if op.work.Settings.StopOn[cause] {
		op.addNote(note)
		if job := op.stopJob(); job != nil && job.Status.Terminal() {
			op.conclude(*job)
			return
		}
	}
	op.job.stuck = time.Now()
	op.job.watch.Schedule(stuckGrace)
}

// doesNotCount tells the audit log what becomes of a decision that it was told of
// and that could not be recorded.
func (op *operation) doesNotCount(p *pendingState, why string) {
	_ = op.audit(audit.Failed, func(r *audit.Record) {
		p.about(r)
		r.Error = why
	})
}

// undecided ends the run because the policy failed. Nothing is sent.
func (op *operation) undecided(p *pendingState, err error) {
	s := &op.job
	_ = op.audit(audit.Undecided, func(r *audit.Record) {
		p.about(r)
		r.Error = fmt.Sprint(err) // its own words may panic
	})
	op.eng.log.Error("duvotool: the policy failed; nothing was sent", "job", s.id, "policy", hitl.SafePolicyName(op.work.Settings.Policy), "error", hitl.SafeLine(fmt.Sprint(err), 500))
	if op.work.Settings.StopOn[outcome.PolicyFailed] {
		op.stopJob()
	}
	op.fail(fmt.Errorf("the policy failed, and nothing was sent to Duvo: %w", err))
}
