package lifecycle

import (
	"hash/maphash"
	"time"
)

// An encoder writes a world so that two that behave alike are written alike:
// times are told by how long ago they were, at most the horizon beyond which it
// makes no difference, and names by whether they are the current ones.
type encoder struct {
	b    []byte
	now  Moment
	opts *Options
	h    time.Duration

	recording bool
}

var seed = maphash.MakeSeed()

func (w *world) hash(e *encoder) uint64 {
	e.b, e.now, e.opts, e.recording = e.b[:0], w.now, &w.scene.opts, w.scene.recording
	e.world(w)
	return maphash.Bytes(seed, e.b)
}

func (e *encoder) n(v int)    { e.b = append(e.b, byte(v), byte(v>>8)) }
func (e *encoder) s(v string) { e.b = append(append(e.b, v...), 0) }
func (e *encoder) flags(v ...bool) {
	var x byte
	for i, f := range v {
		if f {
			x |= 1 << (i % 8)
		}
		if i%8 == 7 {
			e.b = append(e.b, x)
			x = 0
		}
	}
	e.b = append(e.b, x)
}

// mono writes a time of the monotonic clock; wall one of the wall clock.
func (e *encoder) mono(t time.Duration) { e.n(int(clampAge(e.now.Mono, t, e.h))) }
func (e *encoder) wall(t Time) {
	e.n(int(clampAge(time.Duration(e.now.Wall), time.Duration(t), e.h)))
}

// future writes a time to come; one that has come makes no difference.
func (e *encoder) future(t time.Duration) { e.n(int(max(t-e.now.Mono, 0))) }

func (e *encoder) moment(m Moment, on bool) {
	if on && m.Mono != 0 {
		e.mono(m.Mono)
		e.wall(m.Wall)
		return
	}
	e.n(-1)
}

func (e *encoder) world(w *world) {
	o := e.opts
	e.h = max(o.DecisionMax, o.StartMax, o.Post+o.Settle+o.Window, o.MissingGrace, o.Lag, w.scene.keyAge, 3) + 2
	e.b = append(e.b, byte(len(w.bad)))
	for _, b := range w.budget {
		e.b = append(e.b, byte(b))
	}
	s, h0 := &w.srv, &w.hist
	e.b = append(e.b, byte(s.jobs), byte(s.status), byte(s.req), byte(s.ver[0]), byte(s.ver[1]), byte(s.turns))
	e.flags(h0.resumed, s.blind, w.full, w.rules, s.messages[0], s.messages[1], w.hist.orphan[0], w.hist.orphan[1])
	if w.scene.keyAge > 0 {
		e.mono(s.keyAt)
	}
	e.s(s.answered[0])
	e.s(s.answered[1])
	for i := range w.claims.job {
		e.b = append(e.b, byte(w.claims.job[i]), byte(w.claims.request[i]))
	}
	h := &w.hist
	for i := range 2 {
		e.b = append(e.b, h.decided[i][0], h.decided[i][1], h.decided[i][2], byte(h.ours[i]), byte(h.posts[i]))
		e.s(h.bodies[i])
		for ver, bits := range h.decided[i] {
			if bits != 0 && o.DecisionMax > 0 {
				e.n(int(min(w.really()-h.decideAt[i][ver], o.DecisionMax+o.Window+o.Stale+1)))
			}
		}
		e.s(string(h.told[i]))
	}
	e.n(int(min(w.now.Mono-h.touched, o.Stale+1)))
	e.n(int(min(h.worked, o.JobTimeout)))
	for i := range w.late {
		l := &w.late[i]
		e.flags(l.on, l.touched)
		if l.on {
			e.s(l.body)
			e.future(l.until)
		}
	}
	for i := range w.jr {
		e.shelf(w, &w.jr[i])
	}
	for i := range max(w.scene.procs, 1) {
		e.proc(w, &w.procs[i])
	}
}

func (e *encoder) shelf(w *world, sh *shelf) {
	e.flags(sh.record != nil, sh.before != nil && w.budget[bRestores] > 0)
	e.s(sh.owner)
	if sh.record != nil {
		e.record(sh.record)
		if sh.before != nil && w.budget[bRestores] > 0 {
			e.record(sh.before)
		}
	}
}

func (e *encoder) record(r *Record) {
	e.s(string(r.Stage))
	e.b = append(e.b, byte(len(r.Holders)))
	for _, h := range r.Holders {
		e.s(h)
	}
	e.s(r.Writer)
	e.attempt(&r.Start)
	e.flags(r.Job != "", r.Sandbox != "", r.Credential == "own", r.Order == nil, r.ReasonsPosted, r.Corrected, r.Stop().Asked, r.Stop().Done,
		r.Result != nil, r.Message().Posted, r.Trouble != "", r.Ours, r.Unkeyed)
	if r.Result != nil {
		e.s(string(r.Result.Outcome))
		return
	}
	e.s(r.Status)
	e.s(string(r.Stop().Then))
	if e.opts.JobTimeout > 0 {
		e.n(int(min(r.Worked, e.opts.JobTimeout)))
	}
	e.b = append(e.b, byte(r.Earlier), byte(len(r.Requests)))
	for i := range r.Requests {
		e.request(&r.Requests[i])
	}
	if m := r.Message(); m.Kind != "" {
		e.s(string(m.Kind))
		e.n(m.After)
		e.attempt(&m.Attempt)
	}
}

func (e *encoder) attempt(a *Attempt) {
	e.flags(a.Open, a.Earlier)
	if a.Open || a.Earlier {
		if e.opts.StartMax > 0 {
			e.wall(a.First)
		}
		e.wall(a.Until)
	} else if a.Until != 0 && e.opts.Lag > 0 {
		e.wall(a.Until)
	}
}

func (e *encoder) request(p *Request) {
	e.s(p.ID)
	e.s(p.Digest)
	e.s(string(p.Stage))
	e.flags(p.Gone, p.Reached, p.Decision != nil, p.Decision != nil && p.Decision.Nobody, p.PutOff != nil)
	e.s(string(p.Delivery))
	if p.Decision != nil {
		e.b = append(e.b, p.Decision.Body...)
		if e.opts.DecisionMax > 0 && (p.Stage == Decided || p.Stage == Sending) {
			e.wall(p.DecidedAt)
		}
	}
	e.attempt(&p.Attempt)
}

func (e *encoder) proc(w *world, p *proc) {
	e.flags(p.drains)
	e.flags(p.alive, p.closed, p.detached, p.watching, p.wish, p.blind, p.st != nil, p.seen == w.look(), p.x != nil, p.answer != nil, p.read != nil)
	e.b = append(e.b, byte(p.lives), byte(p.callers), byte(p.deciders))
	if p.st == nil {
		return
	}
	e.future(p.wake)
	e.flags(p.wake != 0)
	for _, a := range p.asks {
		e.flags(a.on, a.ended, a.on && turnOf(&p.st.Live, ids(a.req)) == a.turn)
		e.b = append(e.b, byte(a.ver))
	}
	e.read(p.read)
	e.exchange(p, &w.jr[p.op])
	e.record(&p.st.Record)
	e.live(&p.st.Live, &w.jr[p.op], &p.st.Record)
}

func turnOf(l *Live, id string) uint64 {
	for i := range l.Asks {
		if l.Asks[i].ID == id {
			return l.Asks[i].Turn
		}
	}
	return 0
}

func (e *encoder) read(r *Read) {
	if r == nil {
		e.n(-2)
		return
	}
	e.moment(r.Began, true)
	e.s(r.Status)
	e.s(string(r.Failed))
	if r.Pending != nil {
		e.s(r.Pending.Digest)
	}
	if e.opts.Lag > 0 || e.opts.TrustLists {
		e.n(int(r.Updated))
	}
}

func (e *encoder) exchange(p *proc, sh *shelf) {
	e.s(string(p.st.Live.Exchange.Kind))
	e.s(p.st.Live.Exchange.Request)
	switch x := p.x.(type) {
	case Save:
		e.flags(x.Revision == sh.rev)
		if e.recording {
			e.n(int(min(e.now.Mono-p.since, e.opts.Recording)))
		}
	case StartJob, Respond, Post, StopJob:
		win := windowOf(x)
		e.future(win.To.Mono)
		e.n(int(max(min(time.Duration(win.To.Wall-e.now.Wall), e.h), -1)))
		e.flags(win.From.Wall > e.now.Wall)
		if r, ok := x.(Respond); ok {
			e.b = append(e.b, r.Body...)
		}
		e.n(int(min(e.now.Mono-p.since, e.opts.Post+1)))
	case Collect:
		e.n(x.After)
	}
	if a, ok := p.answer.(Sent); ok {
		e.s(string(a.Reply))
		e.s(a.Job)
	}
}

func (e *encoder) live(l *Live, sh *shelf, r *Record) {
	own := sh.record != nil && sh.record.Writer == r.Writer && sh.record.Serial == r.Serial
	e.flags(l.Running, l.Admitted, l.Closed, l.Detached, l.Informed, l.End != nil, l.Dirty, l.Again, l.Fact, l.LinesDue, l.Revision == sh.rev, l.Revision == 0, own,
		l.announces("") && l.Announced.Durable, l.NoRepeat, l.Claimed, l.Claim != "", l.Watching, l.Wish != 0, l.Refused, l.Human, l.Search.Done, l.Read != nil, l.Noted != nil, l.fetched().Whole, l.fetched().Lost, l.Reconciling != nil, l.Young, l.Draining, l.Looked, l.Lease != 0, l.Lease == sh.term, l.Behind, l.OwnAfter != 0, l.Revision > sh.took, l.Search.Ended)
	e.future(l.OwnAfter)
	e.b = append(e.b, byte(l.Callers), byte(len(l.Over)), byte(l.SaveFails), byte(l.Fails), byte(l.Late), byte(l.StopFails), byte(l.fetched().Cursor))
	if l.End != nil {
		e.s(string(l.End.Cause))
		e.s(string(l.End.Calls))
	}
	e.future(l.SaveAfter)
	if l.People != 0 {
		e.n(int(min(e.now.Mono-l.People, e.opts.DrainAsked)))
	}
	e.mono(l.fetched().Odd)
	e.mono(l.fetched().Missing)
	e.n(int(l.fetched().Misses))
	if l.announces("") {
		e.s(string(l.Announced.Kind))
		e.future(l.Announced.To.Mono)
		e.n(int(max(time.Duration(l.Announced.To.Wall-e.now.Wall), -1)))
	}
	if r.Stage == Posting {
		e.mono(l.NotBefore)
	} else {
		e.future(l.NotBefore)
	}
	e.future(l.Search.Until)
	e.future(l.Elsewhere)
	e.future(l.LoadAfter)
	e.mono(l.Search.Failing)
	if r.Stage == Posting {
		e.moment(l.Since, true)
	}
	e.mono(l.Missing)
	e.n(int(l.BadReads))
	e.mono(l.Odd)
	e.mono(l.Stuck)
	if l.Wish != 0 {
		e.mono(l.Wish)
	}
	e.mono(l.StopSent)
	if e.opts.JobTimeout > 0 {
		e.n(int(min(e.now.Mono-l.Look, e.opts.JobTimeout)))
	}
	e.read(l.Read)
	e.read(l.Noted)
	for i := range l.Asks {
		a := &l.Asks[i]
		p := r.Request(a.ID)
		e.s(a.ID)
		e.flags(a.Turn != 0, a.Suspended, a.Checked, a.Claimed, a.Answer != nil, len(a.Replies) > 0, a.Unheld)
		if p != nil && (p.Stage == Decided || p.Stage == Sending) {
			e.moment(a.Since, true)
			e.mono(a.NotBefore)
			e.moment(a.Decided, e.opts.DecisionMax > 0)
		}
		e.b = append(e.b, byte(a.Fails), byte(a.Late))
		if a.Answer != nil {
			e.s(a.Answer.Digest)
			if a.Answer.Decision != nil {
				e.s(string(a.Answer.Decision.Verdict))
			}
		}
	}
}
