package lifecycle

import (
	"fmt"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// A scene is one small world: what it holds and what may happen in it.
type scene struct {
	name  string
	opts  Options
	procs int  // processes; zero: one
	two   bool // the second process works on another operation, of the same Job

	requests int  // that the Job makes, one after another
	follow   bool // the operations are follow-ups of a Job that has completed
	began    bool // the Job was started and recorded, and every process has a caller
	question bool // the requests are questions
	nobody   bool // and nobody could be asked where they are denied

	keys, checks                                       bool          // the server honours keys; checks a response against its request
	drains                                             bool          // a process may drain before it closes
	recording                                          bool          // a journal takes less than the time to record an answer
	startKeys                                          bool          // it honours keys of starts alone
	keyAge                                             time.Duration // for which it remembers the key of a start; zero: for ever
	late                                               bool          // effects may land late
	slow                                               bool          // time passes while something is in flight
	slowReads                                          bool          // and while a read is
	deny, suspend, policyFails, leftAlone, lateAnswers bool          // besides approving
	rulesChange                                        bool          // after a death the rules deny
	saveFaults                                         bool          // faults may strike the journal
	sendFaults                                         bool          // and sends
	refusals                                           bool          // and a send may be refused
	searchFaults                                       bool
	readFaults                                         []Class
	otherPrint                                         bool // after a death the credential is another, which may not see the Job
	alone                                              bool // a restarted process knows that the others are dead
	outcome                                            Outcome
	seen                                               stages                     // transitions
	watch                                              func(State, Event, Moment) // nil: nobody looks on
	retryAfter                                         time.Duration

	faults, deaths, edits, outsiders, calls, leaves, closes, fills, restores, jumps, budgets, stops, listed, reconciles, lapses int8
}

// The budgets of a world, which only shrink.
const (
	bFaults = iota
	bDeaths
	bEdits
	bOutsiders
	bCalls
	bLeaves
	bCloses
	bFills
	bRestores
	bJumps
	bBudgets
	bStops
	bListed
	bReconciles
	bLapses
	nBudgets
)

// A world is one state of everything.
type world struct {
	scene  *scene
	now    Moment
	budget [nBudgets]int8
	srv    server
	jr     [2]shelf
	claims struct{ job, request [2]int8 }
	procs  [2]proc
	late   [3]lateEffect
	full   bool // the journal
	rules  bool // deny now
	hist   history
	bad    string // what went wrong
}

// A shelf is the journal's record of one operation.
type shelf struct {
	record, before *Record
	rev, revBefore uint64

	owner string // who has the lease; empty: nobody
	term  uint64 // of the latest lease
	took  uint64 // the revision when it was taken
}

// A proc is a process, its driver included.
type proc struct {
	alive, closed, detached bool
	drains                  bool
	op                      int8 // which operation it works on
	lives                   int8
	st                      *State // nil: it knows of no operation
	x                       Effect // the exchange in flight
	answer                  Event  // to it, once it is known
	since                   time.Duration
	wake                    time.Duration
	watching, wish          bool
	seen                    uint32 // a print of what it was shown last
	read                    *Read  // under way
	asks                    [2]asked
	callers                 int8
	blind                   bool // its credential may not see the Job
	deciders                int8 // who decided from outside and were not told what came of it
}

type asked struct {
	on, ended bool
	turn      uint64
	req, ver  int8
}

// A history is what the checks must know of the past.
type history struct {
	decided  [2][3]uint8 // by request and text: the verdicts that were given
	bodies   [2]string   // by request: the response that may have taken effect
	ours     [2]int8     // responses of ours that took effect
	touched  time.Duration
	orphan   [2]bool // a process died that somebody waited for
	told     [2]Outcome
	worked   time.Duration // ticks in which the Job did not wait
	posts    [2]int8
	resumed  bool // somebody else has posted a message
	restored bool
	slept    time.Duration       // of which the monotonic clock knows nothing
	decideAt [2][3]time.Duration // when what was decided last, by request and text
}

// really is the time that has passed, whatever the clocks show.
func (w *world) really() time.Duration { return w.now.Mono + w.hist.slept }

const tick = time.Duration(1)

// replica names a process. Each life is another one.
func replica(i int, lives int8) string { return string(rune('A'+i)) + string(rune('0'+lives)) }

// prints of credentials.
func (p *proc) print() string {
	if p.blind {
		return "other"
	}
	return "own"
}

func newWorld(sc *scene) *world {
	w := &world{scene: sc, now: Moment{Wall: 1000, Mono: 1000}}
	w.budget = [nBudgets]int8{sc.faults, sc.deaths, sc.edits, sc.outsiders, sc.calls, sc.leaves, sc.closes, sc.fills, sc.restores, sc.jumps, sc.budgets, sc.stops, sc.listed, sc.reconciles, sc.lapses}
	for i := range max(sc.procs, 1) {
		w.procs[i].alive = true
		if sc.two {
			w.procs[i].op = int8(i)
		}
	}
	w.hist.touched = w.now.Mono - 1000
	if sc.follow {
		w.srv.status, w.srv.jobs, w.srv.updated = completed, 1, 1
	}
	if sc.began {
		w.begin()
	}
	return w
}

// begin makes a world in which the Job has been started.
func (w *world) begin() {
	w.srv.status, w.srv.jobs = running, 1
	w.jr[0] = shelf{rev: 1, record: &Record{Order: firstOrder, Stage: Watching, Job: "job", Ours: true, Writer: "A0", Serial: 1, Holders: []string{"A0", "B0"}, Credential: "own"}}
	for i := range max(w.scene.procs, 1) {
		w.load(i)
		w.procs[i].callers = 1
		w.step(i, Called{Caller: 1, Order: firstOrder})
	}
}

func (w *world) fail(format string, args ...any) {
	if w.bad == "" {
		w.bad = fmt.Sprintf(format, args...)
	}
}

// order is what the callers of an operation want.
func (w *world) order(op int8) *Order {
	if w.scene.two && op == 1 {
		return secondOrder
	}
	if w.scene.follow {
		return followOrder
	}
	return firstOrder
}

var (
	firstOrder  = &Order{Key: "one", Scope: "s", Assignment: &duvo.Assignment{ID: "a"}, Input: "do it", StartKey: "key"}
	followOrder = &Order{Key: "one", Assignment: &duvo.Assignment{ID: "a"}, Input: "do it", StartKey: "key", After: &FollowUp{Job: "job", Turn: "zero", Text: "go on"}}
	secondOrder = &Order{Key: "two", Assignment: &duvo.Assignment{ID: "a"}, Input: "do it", StartKey: "key2", After: &FollowUp{Job: "job", Turn: "zero", Text: "and on"}}
)

// step gives a process an event and takes in the effects.
func (w *world) step(i int, e Event) {
	p := &w.procs[i]
	if w.scene.watch != nil {
		w.scene.watch(*p.st, e, w.now)
	}
	s, effects := traced(*p.st, e, w.now, w.scene.seen)
	if s.Live.Options.Forgets && s.Live.Revision > p.st.Live.Revision {
		w.jr[p.op].record, w.jr[p.op].rev = s.Record.sealed(), s.Live.Revision // for the checks alone
	}
	p.st = &s
	for _, f := range effects {
		w.effect(i, f)
	}
	if w.scene.opts.Leases {
		p.detached = s.Live.Detached
	}
}

func (w *world) effect(i int, f Effect) {
	p := &w.procs[i]
	switch f := f.(type) {
	case Disown:
		w.disowns(i)
	case Save, Load, Own, StageFiles, Locate, Claim, CheckRules, Collect:
		p.x, p.answer, p.since = f, nil, w.now.Mono
	case StartJob, Respond, Post, StopJob:
		p.x, p.answer, p.since = f, nil, w.now.Mono
		w.mayAsk(i, f)
	case Watch:
		p.watching, p.seen = true, 0
	case Unwatch:
		p.watching, p.wish, p.read = false, false, nil
	case ReadNow:
		p.wish = true
	case Wake:
		p.wake = f.At
	case AskPolicy:
		w.mayWork(i)
		a := asked{on: true, turn: f.Turn, req: reqOf(f.Ticket.ID), ver: verOf(f.Ticket.Digest)}
		p.asks[a.req] = a
	case EndAsk:
		a := &p.asks[reqOf(f.Request)]
		if w.scene.lateAnswers && a.on {
			a.ended = true
		} else {
			*a = asked{}
		}
	case TellReply:
		if p.deciders--; p.deciders < 0 {
			w.fail("told twice what came of a decision: %s", f.Fate)
		}
	case Interim:
		p.detached = true
		if f.Callers == nil {
			p.callers = 0
		} else {
			p.callers = max(p.callers-int8(len(f.Callers)), 0)
		}
	case EndCalls:
		w.callsEnded(i, f)
		p.callers, p.detached = 0, false
	case Finish:
		w.finished(i, f)
		if f.Callers == nil {
			p.callers, p.detached = 0, false
		} else {
			p.callers--
		}
	case Release:
		w.released(i, f)
		if f.Callers == nil {
			p.callers, p.detached = 0, false
		} else {
			p.callers--
		}
	}
}

// revive brings a process back, which takes up what the journal holds.
func (w *world) revive(i int) {
	p := &w.procs[i]
	*p = proc{alive: true, op: p.op, lives: p.lives + 1, blind: w.scene.otherPrint}
	sh := &w.jr[p.op]
	if sh.record == nil || sh.record.Result != nil || sh.record.Parked() {
		return
	}
	w.load(i)
	p.detached = true
	w.hist.orphan[p.op] = false
	w.step(i, Resumed{Alone: w.scene.alone})
}

// load makes the state of a process of what the journal holds.
func (w *world) load(i int) {
	p, sh := &w.procs[i], &w.jr[w.procs[i].op]
	var s State
	if sh.record == nil {
		s = Make(&w.scene.opts, replica(i, p.lives), p.print())
	} else {
		s = Recover(sh.record, sh.rev, &w.scene.opts, replica(i, p.lives), p.print(), w.now)
	}
	p.st = &s
}

func reqOf(id string) int8  { return int8(id[1] - '0') }
func verOf(dig string) int8 { return int8(dig[3] - '0') }
