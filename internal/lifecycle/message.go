package lifecycle

import (
	"strconv"
	"strings"

	"github.com/duvotool/duvotool/hitl"
)

// takes reports whether a message walks past nothing in a Job that ended so.
func takes(o Outcome) bool { return o == Completed || o == Interrupted }

// fits reports whether the message may go to a Job that ended so.
func (m *Message) fits(o Outcome) bool {
	return o == Completed || m.Kind != CorrectMessage && takes(o)
}

// post posts the message, once.
func (t *turn) post() bool {
	l, m := &t.Live, t.Record.Latest
	if t.Record.Credential == "" { // a follow-up: it started no Job
		t.Record.Credential = l.Print
	}
	t.watch()
	if t.pending(l.NotBefore) {
		return false
	}
	if m.After < 0 {
		return t.fetch("") // how many messages stand before it
	}
	if m.Attempt.Earlier {
		if more, busy := t.settleMessage(); busy {
			return more
		}
	}
	if !t.freshEnd() {
		t.wantRead(max(l.Since.Mono, l.NotBefore, readBegan(l.Read)+1))
		return false
	}
	if !m.fits(l.Read.End) && t.o.on(guardMessage) {
		return t.notEnded()
	}
	if !l.announces(PostingX) {
		m.Before = l.Read.Updated
	}
	if !t.ready(PostingX, "", &m.Attempt) {
		return true
	}
	w := t.window()
	if t.o.on(guardMessage) {
		w = w.end(l.Read.Began.Add(t.o.Stale))
		w.From = l.Read.Began
	}
	if d, _ := age(m.Attempt.First, t.now, t.o.Skew); t.o.StartMax > 0 {
		w = w.end(t.now.Add(t.o.StartMax - d))
	}
	t.emit(Post{Name: t.exchange(PostingX, ""), Window: t.anyTime(w), Job: t.Record.Job, Text: m.Text, Key: m.Key})
	return true
}

// freshEnd reports whether the last read is just before what is sent now.
func (t *turn) freshEnd() bool {
	l := &t.Live
	if !t.o.on(guardMessage) {
		return l.Read != nil
	}
	return t.fresh(l.Read, Moment{Mono: max(l.Since.Mono, l.NotBefore)})
}

// notEnded goes on where the Job has not ended so that it could take a message.
func (t *turn) notEnded() bool {
	l, m := &t.Live, t.Record.Latest
	t.withdraw(readAgain)
	over := l.Read.End != ""
	if m.Attempt.Earlier && !(over && l.Search.Ended) {
		// Perhaps it is our message that it works on, or that made it end so. It will show.
		l.Search.Done, l.Search.Ended = false, over
		l.NotBefore = t.now.Mono + t.o.Pause
		return true
	}
	t.dropMessage(CauseBusy, "the Job has not ended so that it could be told anything")
	return true
}

// dropMessage gives up a message that provably was not taken.
func (t *turn) dropMessage(cause Cause, why string) {
	r := &t.Record
	kind := r.Latest.Kind
	t.withdraw(readAgain)
	t.Live.Dirty = true
	if kind == FollowUpMessage {
		r.Stage, *r.Latest, r.Job = New, Message{}, ""
		t.fail(cause, why, true)
		return
	}
	*r.Latest = Message{Added: r.Latest.Added}
	r.Stage, t.Live.Read = Watching, nil
	note := "it could not be asked to correct its answer"
	switch {
	case kind == ReasonMessage && cause == CauseBusy:
		note = "the reasons of denials were not told to the Job"
	case kind == ReasonMessage:
		note = "the reasons of denials could not be told to the Job"
	}
	r.Note = join(r.Note, note)
}

// settleMessage finds out what became of a message in doubt. busy is false once
// it may be repeated, which only a follow-up is: nobody misses the others.
func (t *turn) settleMessage() (more, busy bool) {
	l, r := &t.Live, &t.Record
	m := r.Latest
	if !l.Search.Done {
		return t.fetch(m.Text), true
	}
	d, known := age(m.Attempt.First, t.now, t.o.Skew)
	tooOld := t.o.StartMax > 0 && (!known || d >= t.o.StartMax)
	if m.Kind == FollowUpMessage && !tooOld && !l.NoRepeat {
		return false, false
	}
	if m.Kind == FollowUpMessage {
		t.unknown("its message was sent, and no answer told whether it was taken")
		return true, true
	}
	if m.Kind == ReasonMessage {
		r.Note = join(r.Note, "whether the Job was told the reasons of denials is not known")
	}
	t.posted(false)
	return true, true
}

// posted goes on with a Job that was told the message.
func (t *turn) posted(known bool) {
	l, r := &t.Live, &t.Record
	m := r.Latest
	m.Posted = known
	if m.Kind == FollowUpMessage {
		r.Earlier = max(m.After, 0)
	}
	m.Attempt = Attempt{Until: t.now.Wall}
	r.Stage = Watching
	l.Search, l.NotBefore, l.Fails, l.Late, l.NoRepeat = Search{}, 0, 0, 0, false
	l.Read, l.Noted, l.Look, l.Human = nil, nil, t.now.Mono, false
	l.Fetch, l.Stuck = nil, 0
	l.Wish, l.Young = 0, false
	t.fact()
	t.watch()
	t.wantRead(t.now.Mono)
}

// messageSent takes in the answer to a message.
func (t *turn) messageSent(e Sent) {
	l, m := &t.Live, t.Record.Latest
	l.Since = t.now
	switch e.Reply {
	case OK:
		t.posted(true)
		return
	case Doubt, Elsewhere:
		t.inDoubt(&m.Attempt)
		l.Search = Search{}
		if t.o.on(guardRepost) {
			l.NotBefore = t.now.Mono + t.o.SettleAfter(e)
		}
		return
	}
	unopen(&m.Attempt)
	if e.Reply != TooLate {
		l.Late = 0
	}
	switch e.Reply {
	case TooLate:
		t.messageLate(e.Text)
	case Wait:
		l.NotBefore = t.now.Mono + t.o.backoff(1, e.RetryAfter)
	case Nothing, NoAccess:
		enough := t.failedAttempt("a message cannot be posted so far", e.RetryAfter)
		if m.Kind != FollowUpMessage { // the outcome is not held up for it
			enough = l.Fails >= t.o.attempts()
		}
		if !m.Attempt.Earlier && enough {
			t.dropMessage(CauseFailed, e.Text)
		}
	default:
		if m.Attempt.Earlier {
			l.NoRepeat = true
			return
		}
		t.dropMessage(CauseRefused, e.Text)
	}
}

// messageLate gives up a message, or the run, where something takes too long
// before every attempt.
func (t *turn) messageLate(why string) {
	m := t.Record.Latest
	switch {
	case !t.tooLate(&t.Live.Late):
	case m.Attempt.Earlier:
		t.fail(CauseTooLate, why, true)
	default:
		t.dropMessage(CauseTooLate, why)
	}
}

// reasons tells the Job why what it asked for was denied, as far as a denial has
// reached it; empty: nothing is to be told.
func (r *Record) reasons() string {
	var b strings.Builder
	for _, p := range r.Requests {
		d := p.Decision
		if d == nil || d.Verdict != Denied || d.Given.Reason == "" || p.Delivery != Accepted && p.Delivery != Unconfirmed {
			continue
		}
		what := "denied"
		if d.Given.Source == hitl.SourceTimeout {
			what = "not approved in time"
		}
		b.WriteString("The request " + strconv.Quote(hitl.SafeLine(p.Title, 200)) + " was " + what + ": " + hitl.SafeLine(d.Given.Reason, 1000) + "\n")
	}
	return strings.TrimSpace(b.String())
}
