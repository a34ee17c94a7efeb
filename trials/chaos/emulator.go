package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
)

// What the emulator's process tells beside the API: the checker, what it saw; and
// people who look into Duvo itself, in which Jobs something was said.
const (
	recordsPath = "/chaos/records"
	lookPath    = "/chaos/look"
)

// saw is what the emulator's process tells.
type saw struct {
	Jobs     []jobSeen      `json:"jobs"`
	Posts    []post         `json:"posts"`
	Requests int            `json:"requests"`
	Faults   map[string]int `json:"faults"`
	Hooks    map[string]int `json:"hooks"`
	Drawn    map[string]int `json:"drawn"` // else, by kind
}

// A jobSeen is what became of a Job.
type jobSeen struct {
	ID       string      `json:"id"`
	Input    string      `json:"input"` // its operation's key
	Status   duvo.Status `json:"status"`
	Turns    []turnSeen  `json:"turns"`
	Requests []asking    `json:"requests,omitempty"`
}

// A turnSeen is what became of one thing that a Job was told.
type turnSeen struct {
	Said   string      `json:"said"`   // the key of the operation that said it
	Status duvo.Status `json:"status"` // how it ended, or the Job's
	Last   string      `json:"last"`   // the last message that followed
}

// An asking is a human request, and what became of it.
type asking struct {
	ID       string                   `json:"id"`
	Title    string                   `json:"title"`
	Response *duvotest.ResponseRecord `json:"response,omitempty"` // nil: none
	Bypassed bool                     `json:"bypassed,omitempty"`
}

// A post is a request that asks for an effect, whether it had it or not.
type post struct {
	Path string    `json:"path"`
	Key  string    `json:"key"` // its Idempotency-Key
	Body string    `json:"body"`
	At   time.Time `json:"at"`
}

// A recorder hands requests to a Duvo and keeps what the checker needs of them.
type recorder struct {
	duvo     *duvotest.Duvo
	faults   *faultMaker
	refusals *refusals
	losses   *losses
	noFaults bool // nothing goes wrong

	mu       sync.Mutex
	requests int
	posts    []post
}

func (s *recorder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case recordsPath:
		s.tell(w)
		return
	case lookPath:
		s.look(w, r.URL.Query().Get("said"))
		return
	}
	var body []byte
	if r.Method == http.MethodPost {
		var err error
		if body, err = io.ReadAll(io.LimitReader(r.Body, 1<<20)); err != nil {
			panic(http.ErrAbortHandler) // the caller is gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	s.mu.Lock()
	s.requests++
	if r.Method == http.MethodPost {
		s.posts = append(s.posts, post{r.URL.Path, r.Header.Get("Idempotency-Key"), string(body), time.Now()})
	}
	s.mu.Unlock()
	if s.noFaults {
		s.duvo.ServeHTTP(w, r)
		return
	}
	if kind := s.refusals.of(r); kind != "" {
		kind.serve(w)
		return
	}
	if r.Method == http.MethodPost {
		r = s.losses.mark(r, messageIn(body))
	}
	s.duvo.ServeHTTP(w, r)
}

// messageIn is what a start or a message says; empty where a body does neither.
func messageIn(body []byte) string {
	var b struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(body, &b)
	return b.Message
}

// look tells a person in which Jobs something was said.
func (s *recorder) look(w http.ResponseWriter, said string) {
	found := []string{}
	for _, j := range s.duvo.Jobs() {
		if j.Input != keyOf(said) {
			continue
		}
		for _, t := range turnsOf(j) {
			if t.Said == said {
				found = append(found, j.ID)
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(found)
}

// turnsOf tells what a Job was told, and how each turn ended.
func turnsOf(j duvotest.JobRecord) (out []turnSeen) {
	for _, m := range j.Messages {
		switch {
		case m.Role == duvo.RoleUser:
			out = append(out, turnSeen{Said: m.Text, Status: j.Status})
		case len(out) > 0 && m.Text != "":
			out[len(out)-1].Last = m.Text
		}
	}
	ended := 0
	for _, s := range j.History {
		if s.Terminal() && ended < len(out) {
			out[ended].Status = s
			ended++
		}
	}
	return out
}

func (s *recorder) tell(w http.ResponseWriter) {
	var out saw
	for _, j := range s.duvo.Jobs() {
		seen := jobSeen{ID: j.ID, Input: j.Input, Status: j.Status, Turns: turnsOf(j)}
		for _, q := range j.Requests {
			seen.Requests = append(seen.Requests, asking{q.ID, q.Title, q.Response, q.Bypassed})
		}
		out.Jobs = append(out.Jobs, seen)
	}
	s.faults.mu.Lock()
	out.Faults, out.Hooks = maps.Clone(s.faults.drawn), maps.Clone(s.faults.hooks)
	s.faults.mu.Unlock()
	out.Drawn = map[string]int{}
	s.refusals.tell(out.Drawn)
	s.losses.tell(out.Drawn)
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Posts, out.Requests = s.posts, s.requests
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out)
}

// newEmulator makes the Duvo of a run.
func newEmulator(c childConfig) (*duvotest.Duvo, *recorder) {
	faults := newFaultMaker(c.Seed, c.Faults)
	carrier := hookCarrier{faults, &http.Transport{MaxIdleConnsPerHost: 16}}
	profile := duvotest.Profile{Respond: duvotest.ApplyToAny} // where a response too many does most harm
	if c.NoIdempotency {
		profile.Idempotency = duvotest.KeysIgnored
	}
	d := duvotest.New(duvotest.WithProfile(profile), duvotest.WithHistory(1000), duvotest.WithWebhookSecret(c.Secret),
		duvotest.WithWebhookClient(&http.Client{Transport: carrier}))
	inbox := rand.New(rand.NewPCG(c.Seed, 2))
	var mu sync.Mutex
	coin := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return inbox.IntN(2) == 0
	}
	play := func(j *duvotest.Job, said string) {
		t, ok := planOf(c.Seed, keyOf(said)).turnNamed(said)
		if !ok {
			j.Fail("Nobody should say " + said)
		}
		t.play(d, j, coin)
	}
	for i := range assignments {
		err := d.AddAssignment(duvotest.Assignment{Name: assignmentName(i), Description: "Works and asks.",
			Script: func(j *duvotest.Job) { play(j, j.Input()) }, Resume: play})
		if err != nil {
			panic(err)
		}
	}
	if !c.NoFaults {
		d.InjectFunc(faults.request)
	}
	return d, &recorder{duvo: d, faults: faults, refusals: newRefusals(c.Seed, d), losses: &losses{seed: c.Seed, sent: map[string]int{}}, noFaults: c.NoFaults}
}

// play is what a Job does about what it was told.
func (p turn) play(d *duvotest.Duvo, j *duvotest.Job, coin func() bool) {
	var words []string
	for i, a := range p.Asks {
		j.Sleep(p.Work[i])
		words = append(words, a.put(d, j, coin))
	}
	j.Sleep(p.Work[len(p.Asks)])
	text := p.Name + ": " + strings.Join(words, ", ")
	switch p.End {
	case duvo.StatusFailed:
		j.Fail(text)
	case duvo.StatusInterrupted:
		j.Interrupt(text)
	}
	j.Complete(text)
}

// put asks for an answer, and returns it in a word.
func (a ask) put(d *duvotest.Duvo, j *duvotest.Job, coin func() bool) string {
	var inbox sync.WaitGroup
	defer inbox.Wait()
	ctx, cancel := context.WithCancel(j.Context())
	defer cancel()
	if a.Mode == asksInbox || a.Mode == asksRace {
		inbox.Go(func() { answerInInbox(ctx, d, j.ID(), a, coin()) })
	}
	if a.Mode == asksQuestion {
		return j.Ask(a.Title, "", theQuestion)[theQuestion.Question]
	}
	if j.AskApproval(a.Title, "") {
		return "approved"
	}
	return "denied"
}

// answerInInbox is a reviewer in Duvo's own inbox, who answers a request unless
// the context ends before, because somebody else has.
func answerInInbox(ctx context.Context, d *duvotest.Duvo, jobID string, a ask, approve bool) {
	for wait := a.Delay; ; wait = 10 * time.Millisecond {
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		q := d.Pending(jobID)
		if q != nil && q.Title == a.Title && d.AnswerElsewhere(jobID, duvo.Response{RequestID: q.ID, Approved: &approve}) == nil {
			return
		}
	}
}

// runEmulator is the emulator's process: it prints its URL, and ends with its
// standard input.
func runEmulator(c childConfig) error {
	d, handler := newEmulator(c)
	defer d.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	err = json.NewEncoder(os.Stdout).Encode(where{URL: "http://" + l.Addr().String(), Key: d.Key(), Team: d.TeamID()})
	if err != nil {
		return err
	}
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// where is how the emulator is reached.
type where struct{ URL, Key, Team string }
