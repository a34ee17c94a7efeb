package property

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"github.com/duvotool/duvotool/duvo"
)

type wireFunc func(*http.Request) (*http.Response, error)

func (f wireFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// wire notes what passes between the engine and the emulator.
func (o *oneProcess) wire(next http.RoundTripper) wireFunc {
	l := o.l
	return func(r *http.Request) (*http.Response, error) {
		if o.isDead() {
			return nil, errDead
		}
		path := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
		switch {
		case r.Method == http.MethodPost:
			if !o.step("before a POST") {
				return nil, errDead
			}
			return l.post(o, next, r, path)
		case len(path) == 3 && path[1] == "runs":
			return l.read(o, next, r, path[2])
		}
		return next.RoundTrip(r)
	}
}

func (l *life) post(o *oneProcess, next http.RoundTripper, r *http.Request, path []string) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	p := &lifePost{op: -1, process: o.number, name: path[len(path)-1], body: string(body), key: r.Header.Get("Idempotency-Key")}
	if path[1] == "runs" {
		p.jobID = path[2]
		p.op = l.ofJob(p.jobID)
	} else {
		var b struct{ Message string }
		_ = json.Unmarshal(body, &b)
		p.op, _ = strconv.Atoi(strings.TrimPrefix(b.Message, "order-"))
	}
	if p.name == "respond" {
		p.request = path[4]
		l.mu.Lock()
		n := l.events["respond"]
		l.events["respond"]++
		l.mu.Unlock()
		if l.plan.refused>>n&1 == 1 {
			l.log(func(moment) { l.say("op %d: nobody listens", p.op) })
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		}
	}
	l.log(func(m moment) {
		p.began = m
		l.posts = append(l.posts, p)
		l.say("op %d: POST %s %.8s %s", p.op, p.name, p.request, body)
	})
	if p.name == "respond" {
		l.event(p.op, "post")
	}
	resp, err := next.RoundTrip(r)
	status := 0
	if err == nil {
		answer, broke := peekBody(resp)
		if status = resp.StatusCode; status < 300 && (broke || !json.Valid(answer)) {
			status = 0
		}
	}
	if !o.step("after a POST") {
		resp, err, status = nil, errDead, 0
	}
	l.log(func(m moment) {
		p.end, p.status = m, status
		l.say("op %d: POST %s %.8s: %d %v", p.op, p.name, p.request, p.status, err)
	})
	return resp, err
}

func (l *life) read(o *oneProcess, next http.RoundTripper, r *http.Request, jobID string) (*http.Response, error) {
	read := &lifeRead{jobID: jobID, op: l.ofJob(jobID), process: o.number}
	l.log(func(m moment) { read.began = m })
	resp, err := next.RoundTrip(r)
	if !o.step("after a read") {
		return nil, errDead
	}
	if err != nil {
		l.log(func(moment) { l.say("op %d: read: %v", read.op, err) })
		return resp, err
	}
	body, broke := peekBody(resp)
	var w struct {
		Run *struct {
			Status  duvo.Status
			Pending *duvo.HumanRequest `json:"pending_human_request"`
		}
		Pending *duvo.HumanRequest `json:"pending_human_request"`
	}
	whole := resp.StatusCode == http.StatusOK && !broke && json.Unmarshal(body, &w) == nil && w.Run != nil
	l.log(func(m moment) {
		read.end = m
		if !whole {
			l.say("op %d: read: %d, %d bytes", read.op, resp.StatusCode, len(body))
			return
		}
		read.status = w.Run.Status
		q := w.Pending
		if q == nil {
			q = w.Run.Pending
		}
		if q != nil && w.Run.Status == duvo.StatusWaiting {
			read.kind, read.request, read.digest = q.Type, q.ID, digestOf(jobID, *q)
		}
		l.say("op %d: read: %s %.8s", read.op, w.Run.Status, read.request)
		if r.Context().Value(lookingUp{}) == nil { // nothing goes by what Lookup reads
			l.reads = append(l.reads, read)
		}
	})
	l.event(read.op, "read")
	return resp, nil
}

// peekBody reads an answer and leaves it to be read again.
func peekBody(resp *http.Response) (body []byte, broke bool) {
	body, err := io.ReadAll(resp.Body)
	rest := io.Reader(bytes.NewReader(body))
	if err != nil {
		rest = io.MultiReader(rest, brokenBody{err})
	}
	resp.Body = io.NopCloser(rest)
	return body, err != nil
}

type brokenBody struct{ err error }

func (b brokenBody) Read([]byte) (int, error) { return 0, b.err }
