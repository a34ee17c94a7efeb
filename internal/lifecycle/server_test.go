package lifecycle

import (
	"encoding/json"
	"strings"
	"time"
)

// The statuses of the one Job.
const (
	none = iota
	running
	waiting
	completed
	stopped
)

var statusNames = [...]string{"", "running", "waiting", "completed", "stopped"}

// A server is Duvo as far as one Job goes.
type server struct {
	jobs     int8
	status   int8
	req      int8          // which request is pending, or comes next
	ver      [2]int8       // texts of requests
	keyAt    time.Duration // when the first start came
	answered [2]string     // by request: the body that the server holds for its key
	messages [2]bool       // by operation
	turns    int8          // messages that were posted
	updated  int8
	blind    bool // the Job is of the other credential
}

// A lateEffect is a send whose effect has not landed.
type lateEffect struct {
	on      bool
	body    string // of a response; "start"; "post" and the operation
	touched bool   // others touched what it is about, just before or since
	until   time.Duration
}

func ids(req int8) string { return [...]string{"r0", "r1"}[req] }

var digestNames = [2][3]string{{"r0v0", "r0v1", "r0v2"}, {"r1v0", "r1v1", "r1v2"}}

func digests(req, ver int8) string { return digestNames[req][ver] }

// touch notes that somebody else has changed what the Job waits for.
func (w *world) touch() {
	w.hist.touched = w.now.Mono
	w.srv.updated++
	for i := range w.late {
		w.late[i].touched = true
	}
}

// moves lets the Job go on by itself.
func (w *world) moves() bool {
	s := &w.srv
	if s.status != running {
		return false
	}
	if int(s.req) < w.scene.requests {
		s.status = waiting
	} else {
		s.status = completed
	}
	s.updated++
	return true
}

// landStart is a start that takes effect.
func (w *world) landStart() Sent {
	s := &w.srv
	known := w.scene.keyAge == 0 || w.now.Mono-s.keyAt <= w.scene.keyAge
	if (w.scene.keys || w.scene.startKeys) && s.jobs > 0 && known {
		return Sent{Job: "job", Status: "running", Ours: true}
	}
	if s.jobs == 0 {
		s.keyAt = w.now.Mono
	}
	s.jobs++
	if s.jobs > 1 {
		w.fail("(4) a second Job")
	}
	if s.status == none {
		s.status = running
	}
	return Sent{Job: "job", Status: "running", Ours: true}
}

// landResponse is a response that arrives. body is request, text, verdict and
// operation.
func (w *world) landResponse(body string, touched bool) Sent {
	s := &w.srv
	req, ver := reqOf(body), verOf(body)
	if w.scene.keys && s.answered[req] != "" {
		if s.answered[req] != body {
			return Sent{Reply: Refusal}
		}
		return Sent{}
	}
	if s.status != waiting || w.scene.checks && s.req != req {
		return Sent{Reply: Refusal}
	}
	cur := s.req
	if (cur != req || s.ver[cur] != ver) && !touched {
		w.fail("(3) a response to %s landed on %s", body[:4], digests(cur, s.ver[cur]))
	}
	s.answered[req] = body
	w.hist.ours[req]++
	s.status = running
	s.req++
	s.updated++
	return Sent{}
}

// landMessage is a message that arrives.
func (w *world) landMessage(op int8, touched bool) Sent {
	s := &w.srv
	if w.scene.keys && s.messages[op] {
		return Sent{}
	}
	if s.status == waiting && !touched {
		w.fail("(1) a message walked past a request")
	}
	s.messages[op] = true
	s.turns++
	w.hist.posts[op]++
	if w.hist.posts[op] > 1 {
		w.fail("a message was posted twice")
	}
	if s.status == waiting {
		s.req++
	}
	s.status = running
	s.updated++
	return Sent{}
}

// land lets a send take effect.
func (w *world) land(i int, x Effect, touched bool) Sent {
	switch x := x.(type) {
	case StartJob:
		if w.srv.jobs == 0 {
			w.srv.blind = w.procs[i].blind
		}
		return w.landStart()
	case Respond:
		return w.landResponse(strings.Trim(string(x.Body), `"`), touched)
	case Post:
		return w.landMessage(w.procs[i].op, touched)
	case StopJob:
		if w.srv.status == running || w.srv.status == waiting {
			w.srv.status = stopped
			w.srv.updated++
		}
	}
	return Sent{}
}

// later keeps an effect that lands late, within a time. It returns false if there is
// no room.
func (w *world) later(i int, x Effect, touched bool, within time.Duration) bool {
	e := lateEffect{on: true, touched: touched, until: w.now.Mono + within}
	switch x := x.(type) {
	case StartJob:
		e.body = "start"
	case Respond:
		e.body = strings.Trim(string(x.Body), `"`)
	case Post:
		e.body = "post" + string(rune('0'+w.procs[i].op))
	default:
		return false
	}
	for j := range w.late {
		if !w.late[j].on {
			w.late[j] = e
			return true
		}
	}
	return false
}

// landLate lets a late effect land.
func (w *world) landLate(j int) {
	e := w.late[j]
	w.late[j] = lateEffect{}
	switch {
	case e.body == "start":
		w.landStart()
	case e.body[0] == 'p':
		w.landMessage(int8(e.body[4]-'0'), e.touched)
	default:
		w.landResponse(e.body, e.touched)
	}
}

// show is what a read shows now.
func (w *world) show() *Read {
	s := &w.srv
	r := &Read{Began: w.now, Ours: true, Status: statusNames[s.status], Updated: Time(s.updated)}
	switch s.status {
	case waiting:
		r.Human = true
		r.Pending = &Ticket{ID: ids(s.req), Digest: digests(s.req, s.ver[s.req]), Known: true, Question: w.scene.question}
	case completed:
		r.End = Completed
		if w.scene.outcome != "" {
			r.End = w.scene.outcome
		}
	case stopped:
		r.End = Stopped
	}
	return r
}

// look is a print of what a read would show.
func (w *world) look() uint32 {
	s := &w.srv
	return 1 + uint32(s.status) + uint32(s.req)<<4 + uint32(s.ver[0])<<8 + uint32(s.ver[1])<<12 + uint32(s.updated)<<16
}

// page is what a page of messages shows.
func (w *world) page(i int, c Collect) Collected {
	n := 1 + int(w.srv.turns)*2
	p := w.procs[i].op
	out := Collected{Count: max(n-c.After, 0), Bytes: 10, Part: TranscriptIn(json.RawMessage(`["m"]`)), Output: "done"}
	out.Found = c.Find != "" && w.srv.messages[p]
	return out
}
