package lifecycle

import (
	"strings"
	"time"
)

// takes reports whether a message walks past nothing in a Job that ended so.
func takes(o Outcome) bool { return o == Completed || o == Interrupted }

// post posts the message, once.
func (t *turn) post() bool {
	l, m := &t.Live, &t.Record.Message
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
	if !takes(l.Read.End) && t.o.on(guardMessage) {
		return t.notEnded()
	}
	if l.Announced.Kind != PostingX {
		m.Before = l.Read.Updated
	}
	if t.Record.Credential == "" {
		t.Record.Credential = l.Print
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

func readBegan(e *Read) (m time.Duration) {
	if e == nil {
		return -1
	}
	return e.Began.Mono
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
	l, m := &t.Live, &t.Record.Message
	t.withdraw()
	if m.Attempt.Earlier {
		// Perhaps it is our message that it works on. It will show.
		l.Search.Done = false
		l.NotBefore = t.now.Mono + t.o.Pause
		return true
	}
	t.dropMessage(CauseBusy, "the Job has not ended so that it could be told anything")
	return true
}

// dropMessage gives up a message that provably was not taken.
func (t *turn) dropMessage(cause Cause, why string) {
	r := &t.Record
	kind := r.Message.Kind
	t.withdraw()
	t.Live.Dirty = true
	if kind == FollowUpMessage {
		r.Stage, r.Message, r.Job = New, Message{}, ""
		t.fail(cause, why, true)
		return
	}
	r.Message = Message{}
	r.Stage = Watching
	r.Note = join(r.Note, noteOf(kind)+" could not be posted: "+why)
}

func noteOf(k MessageKind) string {
	if k == ReasonMessage {
		return "the reasons of denials"
	}
	return "the wish for an answer in the right form"
}

// settleMessage finds out what became of a message in doubt. busy is false once
// it may be repeated.
func (t *turn) settleMessage() (more, busy bool) {
	l, r := &t.Live, &t.Record
	m := &r.Message
	if !l.Search.Done {
		return t.fetch(m.Text), true
	}
	d, known := age(m.Attempt.First, t.now, t.o.Skew)
	tooOld := t.o.StartMax > 0 && (!known || d >= t.o.StartMax)
	if !tooOld && !l.NoRepeat && r.Credential == l.Print {
		return false, false
	}
	if m.Kind == FollowUpMessage {
		t.unknown("its message was sent, and no answer told whether it was taken")
		return true, true
	}
	r.Note = join(r.Note, "whether "+noteOf(m.Kind)+" reached the Job is not known")
	t.posted(false)
	return true, true
}

// posted goes on with a Job that was told the message.
func (t *turn) posted(known bool) {
	l, r := &t.Live, &t.Record
	m := &r.Message
	m.Posted = known
	m.Attempt = Attempt{Until: t.now.Wall}
	r.Stage = Watching
	l.Search, l.NotBefore, l.Fails, l.NoRepeat = Search{}, 0, 0, false
	l.Read, l.Noted, l.Look, l.Human = nil, nil, t.now.Mono, false
	l.Fetch, l.Stuck = Fetch{}, 0
	l.Wish = 0
	t.fact()
	t.watch()
	t.wantRead(t.now.Mono)
}

// messageSent takes in the answer to a message.
func (t *turn) messageSent(e Sent) {
	l, m := &t.Live, &t.Record.Message
	l.Since = t.now
	switch e.Reply {
	case OK:
		t.posted(true)
		return
	case Doubt:
		t.inDoubt(&m.Attempt)
		l.Search = Search{}
		l.NotBefore = t.now.Mono + t.o.settle()
		return
	}
	unopen(&m.Attempt)
	switch e.Reply {
	case TooLate:
	case Wait:
		l.NotBefore = t.now.Mono + t.o.backoff(1, e.RetryAfter)
	case Nothing, NoAccess:
		l.Fails = min(l.Fails+1, 8)
		l.NotBefore = t.now.Mono + t.o.backoff(l.Fails, e.RetryAfter)
		if !m.Attempt.Earlier && l.Fails >= max(t.o.Attempts, 1) {
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

// reasons returns the reasons of the denials that reached the Job.
func (r *Record) reasons() string {
	var b strings.Builder
	for _, p := range r.Requests {
		d := p.Decision
		if d != nil && d.Verdict == Denied && d.Reason != "" && (p.Delivery == Accepted || p.Delivery == Unconfirmed) {
			b.WriteString("The request \"" + p.Title + "\" was denied: " + d.Reason + "\n")
		}
	}
	return strings.TrimSpace(b.String())
}
