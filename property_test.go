package duvotool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/bits"
	"net"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestProperties draws plans: Jobs, policies, callers, other people and faults.
// It lets the engine live through each, and then compares what the emulator
// recorded with what the policy said. A step is one action of a plan.
// DUVOTOOL_PROPERTY_STEPS sets how many are tried.
//
// Some of it no client can attain, and is then not asked for:
//
//   - What others do between the read just before a response and the response's
//     effect, no client can see. So a text may have changed by then, and under
//     CheckWaiting and ApplyToAny the response may go to another request. The
//     read itself must have shown the very text that was decided on.
//   - An effect that lands after the settle time may go to a later request,
//     or be a second one, where keys are ignored and the response is not
//     checked against the request.
//   - Where keys are ignored, a start with an unclear fate may be a second Job.
//   - A server that acts and then answers 4xx is believed: the record of a
//     decision may then say refused or superseded of a response that was taken.
//   - Two requests with one ID and one text are the same to a client.
//
// With a journal there may be two lives: the first process dies at a step of its
// way (from then on nothing of it reaches Duvo, the journal or the audit, and
// what it had begun to send may still land), or is closed; and a second one, on
// the same journal, is called for the same. All that must hold, holds over both.
func TestProperties(t *testing.T) {
	want := 20000
	if testing.Short() {
		want = 2000
	}
	if s := os.Getenv("DUVOTOOL_PROPERTY_STEPS"); s != "" {
		var err error
		if want, err = strconv.Atoi(s); err != nil {
			t.Fatalf("DUVOTOOL_PROPERTY_STEPS: %v", err)
		}
	}
	steps, done, tally := 0, 0, map[string]int{}
	for steps < want && !t.Failed() {
		rapid.Check(t, func(rt *rapid.T) {
			if steps >= want {
				return
			}
			p := allPlans.Draw(rt, "plan")
			l := live(t, p)
			if bad := l.check(); len(bad) > 0 {
				rt.Fatalf("%s\n\nwhat happened:\n%s", strings.Join(bad, "\n"), l.story())
			}
			steps += p.steps()
			done++
			l.count(tally)
		})
	}
	t.Logf("%d steps in %d plans: %v", steps, done, tally)
}

// A plan is what will happen, as far as that can be said beforehand.
type plan struct {
	profile duvotest.Profile
	quirks  duvotest.Quirks
	rate    int
	pace    time.Duration
	settle  time.Duration
	timeout time.Duration
	stopOn  []outcome.StopCause
	ops     []opPlan
	faults  []duvotest.Fault
	refused int // a bit for each of the first responses that finds nobody listening
	deeds   []otherDeed
	closeAt time.Duration // zero: when all is over
	journal bool
	dieAt   int           // the step of the first process that it dies at; zero: it does not
	down    time.Duration // between two processes; zero: there is one
	later   [][]callPlan  // what the second one is called for, by operation
}

type opPlan struct {
	naming naming
	script []scriptMove
	minds  []mind // what the policy makes of the requests, in turn
	calls  []callPlan
}

func (p plan) steps() int {
	n := len(p.faults) + len(p.deeds) + bits.OnesCount(uint(p.refused))
	for _, o := range p.ops {
		n += len(o.script) + len(o.minds) + len(o.calls)
	}
	return n
}

type naming int

const (
	namedByKey naming = iota
	namedByScope
	unnamed
)

// A scriptMove is one action of a Job's script.
type scriptMove struct {
	kind        string
	title, text string
	d           time.Duration
}

// A mind is how the policy meets one request.
type mind struct {
	kind   string
	think  time.Duration
	heeds  bool // its context
	source hitl.Source
}

type callPlan struct {
	at, patience time.Duration
	asModel      bool // by Call, not Run
}

// An otherDeed is what other people do, some time after an event of an operation.
type otherDeed struct {
	op    int
	on    string // the event
	nth   int
	after time.Duration // zero: in the midst of it
	what  string
	title string
}

var allPlans = rapid.Custom(drawPlan)

func drawPlan(t *rapid.T) plan {
	pick := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
	dur := func(label string, of ...time.Duration) time.Duration { return rapid.SampledFrom(of).Draw(t, label) }
	upTo := func(label string, n int) int { return rapid.IntRange(0, n).Draw(t, label) }
	flag := func(label string) bool { return rapid.Bool().Draw(t, label) }
	const ms, s, m = time.Millisecond, time.Second, time.Minute

	p := plan{
		profile: duvotest.Profile{
			Idempotency: duvotest.Idempotency(upTo("keys", 1)),
			Respond:     duvotest.RespondCheck(upTo("respond", 2)),
			Stop:        duvotest.StopEffect(upTo("stop", 1)),
		},
		quirks: duvotest.Quirks{NestedPending: flag("nested"), ToolMessageLast: flag("tool last"),
			UnknownStatus: flag("unknown status"), UnknownFields: flag("unknown fields")},
		rate:    rapid.SampledFrom([]int{0, 0, 0, 0, 60, 20, 5}).Draw(t, "rate"),
		pace:    dur("pace", 0, 0, s),
		settle:  dur("settle", 30*s, 30*s, 30*s, 2*s),
		journal: flag("journal"),
	}
	if upTo("with a limit", 4) == 0 {
		p.timeout = dur("limit", 3*s, 30*s, 10*m)
	}
	for _, c := range []outcome.StopCause{outcome.Cancelled, outcome.TimedOut, outcome.PolicyFailed, outcome.QuestionDenied} {
		if upTo("stop on "+string(c), 4) == 0 {
			p.stopOn = append(p.stopOn, c)
		}
	}
	ops := 1 + upTo("more operations", 2)
	for range ops {
		o := opPlan{naming: naming(rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "naming"))}
		for range 1 + upTo("moves", 4) {
			mv := scriptMove{kind: pick("move", "approve", "approve", "approve", "ask", "ask", "sleep", "say", "login", "fail", "interrupt")}
			mv.title = pick("title", "Refund 120 EUR", "Refund 120 EUR", "Refund 1200 EUR")
			mv.text = pick("text", "", "It arrived damaged.")
			mv.d = dur("for", 0, 10*ms, 3*s, 6*s, 40*s)
			o.script = append(o.script, mv)
		}
		for range 1 + upTo("minds", 4) {
			o.minds = append(o.minds, mind{
				kind:  pick("mind", "fit", "fit", "fit", "fit", "deny", "deny", "approve", "answer", "pass", "leave", "err", "panic", "zero", "nobody", "wrong"),
				think: dur("thinks", 0, 0, 10*ms, s, 7*s, 40*s, 20*m), heeds: upTo("ignores its context", 3) > 0,
				source: rapid.SampledFrom([]hitl.Source{"", hitl.SourcePerson}).Draw(t, "source"),
			})
		}
		calls := 1 + upTo("more calls", 3)
		if o.naming == unnamed {
			calls = 1 // each would be an operation of its own
		}
		for range calls {
			o.calls = append(o.calls, callPlan{
				at: dur("call at", 0, 0, 0, s, 8*s, 50*s, 10*m), patience: dur("patience", 2*time.Hour, 2*time.Hour, 2*time.Hour, 10*m, 40*s, 6*s, s, 10*ms),
				asModel: upTo("as a model", 4) == 0,
			})
		}
		p.ops = append(p.ops, o)
	}
	for range upTo("faults", 4) {
		f := duvotest.Fault{
			Op:    pick("fault of", "respondToHumanRequest", "respondToHumanRequest", "respondToHumanRequest", "getRun", "getRun", "startRun", "listRunMessages", "stopRun"),
			Skip:  upTo("skip", 3),
			Times: rapid.SampledFrom([]int{1, 1, 1, 2, 3, 8}).Draw(t, "times"),
			Kind:  duvotest.FaultKind(upTo("kind", int(duvotest.Hang))), Latency: dur("latency", 0, 0, 10*ms, s, 4*s, 20*s, 44*s, m),
		}
		switch f.Kind {
		case duvotest.LateEffect:
			f.EffectDelay = dur("late by", 10*ms, s, 20*s, 70*s, 80*s, 10*m)
		case duvotest.StatusBefore, duvotest.StatusAfter:
			f.Status = rapid.SampledFrom([]int{503, 503, 500, 502, 504, 429, 429, 400, 404, 409, 408, 401, 403, 302}).Draw(t, "status")
			f.RetryAfter = dur("retry after", 0, 0, s, 20*s, 90*s)
		}
		p.faults = append(p.faults, f)
	}
	if upTo("nobody listens", 3) == 0 {
		p.refused = upTo("to", 31)
	}
	for range upTo("deeds", 4) {
		p.deeds = append(p.deeds, otherDeed{
			op: upTo("whose", ops-1), on: pick("on", "start", "ask", "decided", "decided", "read", "post", "post"), nth: 1 + upTo("nth", 3),
			after: dur("after", 0, 0, 0, 10*ms, s, 3*s, 6*s, 40*s, 5*m),
			what:  pick("deed", "text", "text", "text", "yes", "no", "yes", "ID", "ID back", "stop", "delete"),
			title: pick("new title", "Refund 1200 EUR", "Refund 120 EUR", "Refund 9999 EUR"),
		})
	}
	if upTo("closing early", 7) == 0 {
		p.closeAt = dur("close at", s, 7*s, 31*s, 10*m)
	}
	if p.journal && upTo("one life", 4) > 0 {
		p.down = dur("down for", 10*ms, s, 20*s, 3*m, 14*m, 20*m, 5*time.Hour)
		if upTo("ends well", 4) > 0 {
			p.dieAt = 1 + upTo("dies at", 60)
		}
		for range p.ops {
			var calls []callPlan
			for range upTo("later calls", 2) {
				calls = append(calls, callPlan{at: dur("later at", 0, s, m), patience: dur("later patience", 2*time.Hour, 40*s, s), asModel: upTo("later as a model", 4) == 0})
			}
			p.later = append(p.later, append(calls, callPlan{at: 15 * m, patience: 2 * time.Hour}))
		}
	}
	return p
}

// A life is what a plan came to.
type life struct {
	plan plan
	duvo *duvotest.Duvo
	t0   time.Time

	mu     sync.Mutex
	seq    int // orders all of the below
	lines  []string
	asks   []*lifeAsk
	reads  []*lifeRead
	posts  []*lifePost
	calls  []*lifeCall
	acts   []lifeAct
	events map[string]int // how many there were, by operation and name
	opOf   map[string]int // by Job ID
	bad    []string
	closed time.Time

	ticks  int    // steps of the first process
	dead   moment // when it died; zero: it did not
	ended  moment // when the first process died or was closed; zero: it is the only one so far
	second moment // when the second one began
	died   chan struct{}

	jobs     []duvotest.JobRecord
	requests []duvotest.Request
	audit    auditLog
}

// A moment is a point in time, and in the order of all that happens.
type moment struct {
	seq int
	at  time.Time
}

type lifeAsk struct {
	op         int
	req        hitl.Request
	digest     string
	began, end moment // end is zero while the policy thinks
	decision   hitl.Decision
	err        error
	panicked   bool
}

type lifeRead struct {
	op         int
	kind       duvo.RequestType
	jobID      string
	began, end moment
	request    string // empty: it waited for none
	digest     string
	process    int
}

type lifePost struct {
	op         int
	name       string // the operation of the API
	jobID      string
	request    string
	body, key  string
	began, end moment
	status     int // zero: no answer came, or none that can be read
	process    int
}

type lifeCall struct {
	op         int
	began, end moment
	deadline   time.Time
	res        *outcome.Result
	text       string
	err        error
	asModel    bool
	process    int
}

type lifeAct struct {
	moment
	op    int
	jobID string
	what  string
}

func (l *life) now() moment { l.seq++; return moment{l.seq, time.Now()} }

func (l *life) say(format string, args ...any) {
	l.lines = append(l.lines, fmt.Sprintf("%4d %12v  ", l.seq, time.Since(l.t0))+fmt.Sprintf(format, args...))
}

// log calls f with the time of what happens.
func (l *life) log(f func(moment)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l.now())
}

func (l *life) story() string { return strings.Join(l.lines, "\n") }

func lifeInput(op int) string { return "order-" + strconv.Itoa(op) }

// ofJob returns the operation of a Job, -1 for none.
func (l *life) ofJob(id string) int {
	l.mu.Lock()
	op, ok := l.opOf[id]
	l.mu.Unlock()
	if ok {
		return op
	}
	op = -1
	if j, ok := l.duvo.Job(id); ok {
		op, _ = strconv.Atoi(strings.TrimPrefix(j.Input, "order-"))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opOf[id] = op
	return op
}

// live lets a plan happen.
func live(t *testing.T, p plan) *life {
	l := &life{plan: p, events: map[string]int{}, opOf: map[string]int{}}
	synctest.Test(t, func(t *testing.T) {
		l.t0, l.died = time.Now(), make(chan struct{})
		opts := []duvotest.Option{duvotest.WithProfile(p.profile), duvotest.WithQuirks(p.quirks), duvotest.WithRateLimit(p.rate), duvotest.WithPace(p.pace),
			duvotest.WithAssignment(duvotest.Assignment{ID: refundsID, Name: "Refunds", Description: "Refunds an order.", Script: l.script})}
		l.duvo = duvotest.New(opts...)
		defer l.duvo.Close()
		var store journal.Journal
		if p.journal {
			store = journal.NewMemory()
		}
		var calls [][]callPlan
		for _, o := range p.ops {
			calls = append(calls, o.calls)
		}
		over := l.process(t, 1, store, calls)
		if p.down > 0 {
			time.Sleep(p.down)
			l.log(func(m moment) { l.second = m; l.say("a second process") })
			<-l.process(t, 2, store, p.later)
		}
		<-over
		time.Sleep(time.Minute)
		l.jobs, l.requests = l.duvo.Jobs(), l.duvo.Requests()
		// The bubble does not end before every goroutine has.
	})
	return l
}

// process lets one process make calls until it is closed or dies. What it returns
// is closed once nothing of it runs any more.
func (l *life) process(t *testing.T, number int, journal journal.Journal, calls [][]callPlan) <-chan struct{} {
	p, over := l.plan, make(chan struct{})
	mine := &oneProcess{l: l, number: number, journal: journal}
	client := l.duvo.Client(duvo.WithHTTPClient(&http.Client{Transport: mine.wire(l.duvo.HTTPClient().Transport)}))
	regOpts := []duvotool.Option{duvotool.WithPolicy(hitl.PolicyFunc(l.decide)), duvotool.StopOn(p.stopOn...),
		duvotool.WithSettleTime(p.settle), duvotool.WithJobTimeout(p.timeout), duvotool.WithAudit(mine)}
	if journal != nil {
		regOpts = append(regOpts, duvotool.WithJournal(mine))
	}
	reg, err := duvotool.Discover(t.Context(), client, regOpts...)
	if err != nil {
		l.bad = append(l.bad, "(g) discovery: "+err.Error())
		close(over)
		return over
	}
	if number == 1 {
		l.duvo.Inject(p.faults...)
	}
	began := time.Now()

	var wg sync.WaitGroup
	for op := range calls {
		for _, c := range calls[op] {
			if number == 1 || p.ops[op].naming != unnamed {
				wg.Go(func() { l.call(reg, number, op, c) })
			}
		}
		l.event(op, "start")
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	closed := false
	closeReg := func() {
		if closed {
			return
		}
		closed = true
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Hour)
		defer cancel()
		l.log(func(m moment) {
			l.say("closing")
			if l.ended.seq == 0 {
				l.ended = m
			}
			if number == 2 || p.down == 0 {
				l.closed = m.at
			}
		})
		if err := reg.Close(ctx); err != nil {
			l.bad = append(l.bad, "(g) closing: "+err.Error())
		}
	}
	died := l.died
	if number == 2 {
		died = nil
	}
	wait := func(d time.Duration) (ok bool) {
		select {
		case <-time.After(d):
			return true
		case <-died:
			return false
		}
	}
	finish := func() {
		closeReg()
		select {
		case <-done:
		case <-time.After(24 * time.Hour):
			panic("(g) a call hangs:\n" + l.story())
		}
		close(over)
	}
	if p.closeAt > 0 && number == 1 {
		if wait(p.closeAt - time.Since(began)) {
			closeReg()
		}
	}
	select {
	case <-done:
		if !closed {
			wait(20 * time.Minute) // what comes late, comes
		}
	case <-died:
	case <-time.After(24 * time.Hour):
		panic("(g) a call hangs:\n" + l.story())
	}
	go finish() // what ignores its context runs on
	return over
}

// oneProcess is what a process does to the world. Once it is dead it does nothing
// more, and learns nothing more.
type oneProcess struct {
	l       *life
	number  int
	journal journal.Journal
}

// step goes past a step; false if the process is dead.
func (o *oneProcess) step(name string) bool {
	l := o.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if o.number != 1 {
		return true
	}
	if l.dead.seq > 0 {
		return false
	}
	if l.ticks++; l.ticks != l.plan.dieAt || l.ended.seq > 0 {
		return true
	}
	l.dead = l.now()
	l.ended = l.dead
	l.say("the process dies %s", name)
	close(l.died)
	return false
}

func (o *oneProcess) isDead() bool {
	o.l.mu.Lock()
	defer o.l.mu.Unlock()
	return o.number == 1 && o.l.dead.seq > 0
}

func (o *oneProcess) Put(ctx context.Context, r journal.Record) (uint64, error) {
	if !o.step("before a put") {
		return 0, errDead
	}
	n, err := o.journal.Put(ctx, r)
	if !o.step("after a put") {
		return 0, errDead
	}
	return n, err
}

func (o *oneProcess) Get(ctx context.Context, key string) (journal.Record, error) {
	if o.isDead() {
		return journal.Record{}, errDead
	}
	return o.journal.Get(ctx, key)
}

func (o *oneProcess) Unfinished(ctx context.Context) iter.Seq2[journal.Record, error] {
	return o.journal.Unfinished(ctx)
}

func (o *oneProcess) Forget(ctx context.Context, before time.Time) (int, error) {
	if o.isDead() {
		return 0, errDead
	}
	return o.journal.Forget(ctx, before)
}

func (o *oneProcess) Record(ctx context.Context, r audit.Record) error {
	if o.isDead() {
		return errDead
	}
	return o.l.audit.Record(ctx, r)
}

// script plays the moves of the operation that the Job belongs to.
func (l *life) script(j *duvotest.Job) {
	op, _ := strconv.Atoi(strings.TrimPrefix(j.Input(), "order-"))
	for i, m := range l.plan.ops[op].script {
		switch m.kind {
		case "approve":
			j.Say(fmt.Sprint(j.AskApproval(m.title, m.text)))
		case "ask":
			items := []duvo.QuestionItem{{Question: "Which size?", Options: []duvo.Choice{{Label: "S"}, {Label: "M, tall"}}, MultiSelect: i%2 == 0}}
			if m.text != "" {
				items = append(items, duvo.QuestionItem{Question: "Anything else?"})
			}
			j.Say(fmt.Sprint(j.Ask(m.title, m.text, items...)))
		case "sleep":
			j.Sleep(m.d)
		case "say":
			j.Say(m.title)
		case "login":
			j.AskUntyped("login", m.title)
		case "fail":
			j.Fail(m.title)
		case "interrupt":
			j.Interrupt(m.title)
		}
	}
	j.Complete("done with " + j.Input())
}

// decide is the policy.
func (l *life) decide(ctx context.Context, r hitl.Request) (d hitl.Decision, err error) {
	op, convErr := strconv.Atoi(strings.TrimPrefix(r.Input, "order-"))
	if convErr != nil {
		panic("a request of no operation: " + r.Input)
	}
	a := &lifeAsk{op: op, req: r, digest: r.Digest()}
	var n int
	l.log(func(m moment) {
		a.began = m
		for _, other := range l.asks {
			if other.op == op {
				n++
			}
		}
		l.asks = append(l.asks, a)
		l.say("op %d: asked about %s %.8s %q", op, r.Kind, r.ID, r.Title)
	})
	l.event(op, "ask")
	mind := l.plan.ops[op].minds[n%len(l.plan.ops[op].minds)]
	defer func() {
		p := recover()
		l.log(func(m moment) {
			a.end, a.decision, a.err, a.panicked = m, d, err, p != nil
			l.say("op %d: decided %v (%s, %v) on %.8s %q; context: %v", op, d.Verdict, mind.kind, err, r.ID, r.Title, context.Cause(ctx))
		})
		l.event(op, "decided")
		if p != nil {
			panic(p)
		}
	}()
	if mind.think > 0 {
		var over <-chan struct{}
		if mind.heeds {
			over = ctx.Done()
		}
		select {
		case <-time.After(mind.think):
		case <-over:
			return hitl.Decision{}, context.Cause(ctx)
		}
	}
	answers := map[string]string{}
	for _, q := range r.Questions {
		answers[q.Question] = "x"
		if len(q.Options) > 0 {
			answers[q.Question] = q.Options[n%2].Label
		}
	}
	d = hitl.Deny("ops", "no")
	switch mind.kind {
	case "fit":
		d = hitl.Approve("ops", "yes")
		if r.Kind == duvo.Question {
			d = hitl.Answer("ops", answers)
		}
	case "approve":
		d = hitl.Approve("ops", "yes")
	case "answer":
		d = hitl.Answer("ops", answers)
	case "pass":
		d = hitl.Pass()
	case "leave":
		d = hitl.Leave()
	case "err":
		return hitl.Approve("ops", "in spite of an error"), errors.New("down")
	case "panic":
		panic("boom")
	case "zero":
		d = hitl.Decision{}
	case "nobody":
		d = hitl.Approve("", "yes")
	case "wrong":
		d = hitl.Answer("ops", map[string]string{"Which size?": "XXL"})
	}
	d.Source = mind.source
	return d, nil
}

func (l *life) call(reg *duvotool.Registry, process, op int, c callPlan) {
	time.Sleep(c.at)
	ctx, cancel := context.WithTimeout(context.Background(), c.patience)
	defer cancel()
	switch l.plan.ops[op].naming {
	case namedByKey:
		ctx = duvotool.WithOperationKey(ctx, "key-"+strconv.Itoa(op))
	case namedByScope:
		ctx = duvotool.WithOperationScope(ctx, "scope-"+strconv.Itoa(op))
	}
	k := &lifeCall{op: op, asModel: c.asModel, process: process}
	k.deadline, _ = ctx.Deadline()
	l.log(func(m moment) {
		k.began = m
		l.calls = append(l.calls, k)
		l.say("op %d: called for %v", op, c.patience)
	})
	if c.asModel {
		k.text, k.err = mustTool(reg, "refunds").Call(ctx, lifeInput(op))
	} else {
		k.res, k.err = mustTool(reg, "refunds").Run(ctx, lifeInput(op))
	}
	l.log(func(m moment) {
		k.end = m
		l.say("op %d: returned %v %v %.60q", op, k.err, k.res != nil, k.text)
		if k.res != nil {
			l.say("op %d: outcome %s %s, %+v", op, k.res.Outcome, k.res.Note, k.res.Decisions)
		}
	})
}

// event counts something that happened to an operation, and lets other people
// do what they do on it.
func (l *life) event(op int, name string) {
	l.mu.Lock()
	id := name + strconv.Itoa(op)
	l.events[id]++
	n := l.events[id]
	l.mu.Unlock()
	for _, d := range l.plan.deeds {
		if d.op != op || d.on != name || d.nth != n && name != "start" {
			continue
		}
		if d.after == 0 {
			l.do(d)
		} else {
			time.AfterFunc(d.after, func() { l.do(d) })
		}
	}
}

func (l *life) do(d otherDeed) {
	yes, no := true, false
	for _, j := range l.duvo.Jobs() {
		if j.Input != lifeInput(d.op) {
			continue
		}
		var err error
		pending := l.duvo.Pending(j.ID)
		switch d.what {
		case "yes", "no":
			r := duvo.Response{Approved: &yes}
			if d.what == "no" {
				r.Approved = &no
			}
			if pending != nil && pending.Type == duvo.Question {
				r = duvo.Response{Answers: map[string]string{"Which size?": d.what}}
			}
			err = l.duvo.AnswerElsewhere(j.ID, r)
		case "text":
			err = l.duvo.ChangeRequest(j.ID, func(q *duvo.HumanRequest) { q.Title = d.title })
		case "ID":
			id := fmt.Sprintf("7d3f0c3a-58a5-4f0e-9e0a-%012d", len(j.Requests))
			err = l.duvo.ChangeRequest(j.ID, func(q *duvo.HumanRequest) { q.ID = id })
		case "ID back":
			err = l.duvo.ChangeRequest(j.ID, func(q *duvo.HumanRequest) { q.ID = j.Requests[0].ID })
		case "stop":
			err = l.duvo.StopJob(j.ID)
		case "delete":
			err = l.duvo.DeleteJob(j.ID)
		}
		l.log(func(m moment) {
			if err == nil {
				l.acts = append(l.acts, lifeAct{m, d.op, j.ID, d.what})
				l.say("op %d: somebody: %s %s", d.op, d.what, d.title)
			}
		})
	}
}

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
		q := w.Pending
		if q == nil {
			q = w.Run.Pending
		}
		if q != nil && w.Run.Status == duvo.StatusWaiting {
			read.kind, read.request, read.digest = q.Type, q.ID, digestOf(jobID, *q)
		}
		l.say("op %d: read: %s %.8s", read.op, w.Run.Status, read.request)
		l.reads = append(l.reads, read)
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

func digestOf(jobID string, q duvo.HumanRequest) string {
	return hitl.Request{JobID: jobID, ID: q.ID, Kind: q.Type, Title: q.Title, Description: q.Description, Questions: q.Questions}.Digest()
}

// check returns what did not hold.
func (l *life) check() []string {
	fail := func(format string, args ...any) { l.bad = append(l.bad, fmt.Sprintf(format, args...)) }
	for _, p := range l.posts {
		switch p.name {
		case "respond":
			l.checkPost(p, fail)
		case "stop":
			l.checkStop(p, fail)
		case "messages":
			fail("(d) a message was posted")
		}
		l.checkHeld(p, fail)
	}
	for _, j := range l.jobs {
		l.checkJob(j, fail)
	}
	for op := range l.plan.ops {
		l.checkOperation(op, fail)
	}
	for _, c := range l.calls {
		if !l.unheard(c) {
			l.checkCall(c, fail)
		}
	}
	l.checkAudit(fail)
	l.checkTakenUp(fail)
	return l.bad
}

// unheard tells whether a call did not return before its process died.
func (l *life) unheard(c *lifeCall) bool {
	return c.process == 1 && l.dead.seq > 0 && (c.end.seq == 0 || c.end.seq > l.dead.seq)
}

// inFlight tells whether calls of an operation were under way when the first
// process ended, or else, when the last one had left it.
func (l *life) inFlight(op int) (yes bool, left time.Time) {
	for _, c := range l.calls {
		if c.op != op || c.process != 1 || c.began.seq > l.ended.seq {
			continue
		}
		if c.end.seq == 0 || c.end.seq > l.ended.seq {
			yes = true
		} else if c.end.at.After(left) {
			left = c.end.at
		}
	}
	return yes, left
}

// checkTakenUp is about the second process: (h) it takes up what was under way,
// and leaves alone what its callers had left.
func (l *life) checkTakenUp(fail failFunc) {
	if l.ended.seq == 0 || l.plan.down == 0 {
		return
	}
	for op, o := range l.plan.ops {
		called := time.Time{} // in the second process
		var last *lifeCall
		for _, c := range l.calls {
			if c.op == op && c.process == 2 {
				called, last = sooner(called, c.began.at), c
			}
		}
		touched := time.Time{}
		for _, r := range l.reads {
			if r.op == op && r.process == 2 {
				touched = sooner(touched, r.began.at)
			}
		}
		for _, p := range l.posts {
			if p.op == op && p.process == 2 {
				touched = sooner(touched, p.began.at)
			}
		}
		under, left := l.inFlight(op)
		if !under && !touched.IsZero() && l.ended.at.Sub(left) > 3*time.Minute && (called.IsZero() || touched.Before(called)) {
			fail("(h) op %d was left by its callers, and taken up all the same", op)
		}
		done := last == nil || last.res == nil || last.res.Outcome == outcome.OutcomeUnknown || last.res.Outcome == outcome.OutcomeGone || last.res.EndedAt.Before(l.second.at)
		sent := slices.ContainsFunc(l.posts, func(p *lifePost) bool { return p.op == op && p.process == 1 && p.name == "runs" })
		if under && left.IsZero() && sent && !done && o.naming != unnamed && l.clean(op) && called.Sub(l.second.at) >= 10*time.Minute && (touched.IsZero() || touched.Sub(l.second.at) > 5*time.Minute) {
			fail("(h) op %d was under way, and not taken up before it was called", op)
		}
	}
}

// clean tells that nothing ended an operation by an error.
func (l *life) clean(op int) bool {
	for _, f := range l.plan.faults {
		if f.Status >= 400 && f.Status < 500 || f.Op == "startRun" || f.Op == "getRun" {
			return false
		}
	}
	for _, a := range l.asks {
		if a.op == op && !a.valid() && a.decision.Verdict != hitl.Left {
			return false
		}
	}
	return true
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// checkAudit holds the audit against what the wire saw and the policy said: (f)
// every response was preceded by a record of the very decision that it carries
// and by one of its sending, and what was accepted is told as accepted.
func (l *life) checkAudit(fail failFunc) {
	type request struct{ job, id string }
	decided, sent, accepted, posts := map[request]audit.Record{}, map[request]int{}, map[request]int{}, map[request]int{}
	for _, r := range l.audit.records {
		q := request{r.JobID, r.RequestID}
		switch r.Event {
		case audit.Decided:
			decided[q] = r
			if !slices.ContainsFunc(l.asks, func(a *lifeAsk) bool { return a.digest == r.Digest && a.end.seq > 0 && a.err == nil }) {
				fail("(f) the audit tells of a decision on %.8s that the policy did not make", r.RequestID)
			}
		case audit.Sent:
			if d, ok := decided[q]; !ok || d.Digest != r.Digest || d.Verdict != r.Verdict {
				fail("(f) the audit tells of a response to %.8s, %s, without that decision before", r.RequestID, r.Verdict)
			}
			sent[q]++
		case audit.Delivered:
			if r.Delivery == hitl.Accepted {
				accepted[q]++
			}
		}
	}
	for _, p := range l.posts {
		if p.name != "respond" {
			continue
		}
		q := request{p.jobID, p.request}
		posts[q]++
		var body struct {
			Approved *bool
			Answers  map[string]string
		}
		_ = json.Unmarshal([]byte(p.body), &body)
		want := hitl.Answered
		if body.Approved != nil {
			want = hitl.Denied
			if *body.Approved {
				want = hitl.Approved
			}
		}
		if decided[q].Verdict != want.String() {
			fail("(f) %.8s got %s, and the audit's last decision on it is %q", p.request, p.body, decided[q].Verdict)
		}
	}
	for q, n := range posts {
		if n > sent[q] {
			fail("(f) %.8s was sent %d responses, and the audit tells of %d", q.id, n, sent[q])
		}
	}
	for q, n := range accepted {
		if n != 1 || !slices.ContainsFunc(l.posts, func(p *lifePost) bool { return p.jobID == q.job && p.request == q.id && p.status == http.StatusOK }) {
			fail("(f) the audit tells %d times that the response to %.8s was accepted", n, q.id)
		}
	}
}

type failFunc = func(format string, args ...any)

// settles tells how long after an attempt without an answer it may be repeated.
func (l *life) settles() time.Duration { return l.plan.settle + 45*time.Second }

func (l *life) lax() bool { return l.plan.profile.Respond != duvotest.CheckRequest }

// tooLate tells whether an effect may land after the settle time, where nothing
// holds it back.
func (l *life) tooLate() bool {
	return l.lax() && l.plan.profile.Idempotency == duvotest.KeysIgnored && slices.ContainsFunc(l.plan.faults, func(f duvotest.Fault) bool {
		return f.Op == "respondToHumanRequest" && f.Kind == duvotest.LateEffect && f.Latency+f.EffectDelay >= l.settles()
	})
}

// lies tells whether the server says of a response that it refused it, and
// takes it.
func (l *life) lies() bool {
	return slices.ContainsFunc(l.plan.faults, func(f duvotest.Fault) bool {
		return f.Op == "respondToHumanRequest" && f.Kind == duvotest.StatusAfter && f.Status >= 400 && f.Status < 500 && f.Status != 408
	})
}

// twin tells whether a second request came under an ID, after a response to the
// first that may have been taken unseen.
func (l *life) twin(jobID, request string) bool {
	return slices.ContainsFunc(l.acts, func(a lifeAct) bool { return a.jobID == jobID && a.what == "ID back" }) &&
		slices.ContainsFunc(l.posts, func(p *lifePost) bool {
			return p.name == "respond" && p.jobID == jobID && p.request == request && (unclear(p) || l.lies())
		})
}

// askedBefore returns the latest question to the policy about a request before a
// moment.
func (l *life) askedBefore(jobID, request string, seq int) *lifeAsk {
	var last *lifeAsk
	for _, a := range l.asks {
		if a.req.JobID == jobID && a.req.ID == request && a.began.seq < seq {
			last = a
		}
	}
	return last
}

// valid tells whether a decision may be sent at all.
func (a *lifeAsk) valid() bool {
	if a.end.seq == 0 || a.err != nil || a.panicked {
		return false
	}
	switch d := a.decision; d.Verdict {
	case hitl.Denied, hitl.Passed:
		return a.req.Kind == duvo.Approval
	case hitl.Approved:
		return a.req.Kind == duvo.Approval && d.By != "" && len(d.Answers) == 0
	case hitl.Answered:
		return a.req.Kind == duvo.Question && d.By != "" && a.req.CheckAnswers(d.Answers) == nil
	}
	return false
}

// body returns what must be sent for a decision.
func (a *lifeAsk) body() string {
	var b any = map[string]any{"approved": a.decision.Verdict == hitl.Approved}
	if a.decision.Verdict == hitl.Answered {
		b = map[string]any{"answers": a.decision.Answers}
	}
	out, _ := json.Marshal(b)
	return string(out)
}

// checkPost is about one response on the wire.
func (l *life) checkPost(p *lifePost, fail failFunc) {
	a := l.askedBefore(p.jobID, p.request, p.began.seq)
	switch {
	case a == nil:
		fail("(a) a response to %.8s, about which nobody was asked", p.request)
		return
	case !a.valid() || a.end.seq > p.began.seq:
		fail("(a)(d) a response to %.8s without a valid decision", p.request)
		return
	case !sameJSON(a.body(), p.body):
		fail("(a) the response to %.8s is %s, and %s was decided", p.request, p.body, a.body())
	case p.key == "":
		fail("(b) a response to %.8s without a key", p.request)
	}
	before := a.end
	for _, o := range l.posts {
		if o.name != "respond" || o == p {
			continue
		}
		same := o.request == p.request && o.jobID == p.jobID
		if same != (o.key == p.key) || same && o.body != p.body {
			fail("(b) %.8s got %s with key %.20s, %.8s %s with key %.20s", o.request, o.body, o.key, p.request, p.body, p.key)
		}
		if same && o.began.seq < p.began.seq {
			if o.end.seq == 0 || o.end.seq > p.began.seq {
				fail("(b) two responses to %.8s at once", p.request)
			}
			before = o.end
			if unclear(o) && p.began.at.Sub(o.began.at) < l.plan.settle {
				fail("(b) %.8s was sent again %v after an attempt with an unclear fate", p.request, p.began.at.Sub(o.began.at))
			}
		}
	}
	r := l.readBefore(p, before)
	switch {
	case r == nil:
		fail("(c) a response to %.8s without a read just before", p.request)
	case r.request != p.request || r.digest != a.digest:
		fail("(c) a response to %.8s, decided on %.8s, and the read just before showed %.8s %.8s", p.request, a.digest, r.request, r.digest)
	}
}

// readBefore returns the latest read that a response could go by: it began
// after the decision and any earlier attempt, and it is fresh.
func (l *life) readBefore(p *lifePost, after moment) *lifeRead {
	var last *lifeRead
	for _, r := range l.reads {
		if r.jobID == p.jobID && r.process == p.process && !r.began.at.Before(after.at) && r.end.seq < p.began.seq && p.began.at.Sub(r.began.at) <= 5*time.Second {
			if last == nil || r.began.seq > last.began.seq {
				last = r
			}
		}
	}
	return last
}

// unclear tells whether an attempt may have taken effect unseen.
func unclear(p *lifePost) bool {
	return p.status == 0 || p.status == 408 || p.status >= 500 || p.status >= 300 && p.status < 400
}

// checkStop is about one request to stop a Job.
func (l *life) checkStop(p *lifePost, fail failFunc) {
	for _, c := range l.plan.stopOn {
		switch c {
		case outcome.Cancelled:
			for _, k := range l.calls {
				if k.op == p.op && k.err != nil && !k.end.at.After(p.began.at) && l.callers(p.op, k.end) == 0 {
					return // the last one had left
				}
			}
		case outcome.TimedOut:
			if l.plan.timeout > 0 {
				return
			}
		case outcome.PolicyFailed, outcome.QuestionDenied:
			for _, a := range l.asks {
				denied := a.err == nil && !a.panicked && a.req.Kind == duvo.Question && (a.decision.Verdict == hitl.Denied || a.decision.Verdict == hitl.Passed)
				if a.req.JobID == p.jobID && a.end.seq > 0 && a.end.seq < p.began.seq && (c == outcome.QuestionDenied && denied || c == outcome.PolicyFailed && !denied && !a.valid()) {
					return
				}
			}
		}
	}
	fail("(d) op %d was stopped without a cause", p.op)
}

// callers counts the calls of an operation that wait beyond a moment.
func (l *life) callers(op int, m moment) int {
	n := 0
	for _, c := range l.calls {
		if c.op == op && c.began.at.Before(m.at) && c.end.at.After(m.at) {
			n++
		}
	}
	return n
}

// checkHeld is about when something was sent: not while nobody waits, and not
// after the end.
func (l *life) checkHeld(p *lifePost, fail failFunc) {
	if p.name == "stop" {
		return
	}
	closed := l.closed
	if p.process == 1 && l.plan.down > 0 {
		closed = l.ended.at
	}
	if !closed.IsZero() && p.began.at.After(closed) {
		fail("(d) POST %s after Close", p.name)
	}
	for _, c := range l.calls {
		if c.op == p.op && c.process == p.process && !c.began.at.After(p.began.at) && !c.end.at.Before(p.began.at) {
			return
		}
	}
	if under, left := l.inFlight(p.op); p.process == 2 && (under || l.ended.at.Sub(left) <= 3*time.Minute) {
		return
	}
	fail("(d) op %d: POST %s while nobody waited", p.op, p.name)
}

// checkJob is about what the emulator took.
func (l *life) checkJob(j duvotest.JobRecord, fail failFunc) {
	taken := map[string]int{}
	for _, q := range j.Requests {
		if q.Bypassed {
			fail("(d) a message walked past a request")
		}
		if q.Response == nil || q.Response.Elsewhere {
			continue
		}
		named := q.Response.RequestID
		if taken[named]++; taken[named] > 1 && !l.tooLate() && !l.twin(j.ID, named) {
			fail("(b) two responses to %.8s were taken", named)
		}
		var a *lifeAsk
		var r *lifeRead
		for _, p := range l.posts {
			if p.name == "respond" && p.jobID == j.ID && p.request == named && !p.began.at.After(q.Response.At) {
				if last := l.askedBefore(j.ID, named, p.began.seq); a == nil && last != nil {
					a, r = last, l.readBefore(p, last.end)
				}
			}
		}
		if a == nil || r == nil {
			fail("(a) a response to %.8s was taken without a decision", named)
			continue
		}
		approved := q.Response.Approved != nil && *q.Response.Approved
		if approved != (a.decision.Verdict == hitl.Approved) || a.decision.Verdict == hitl.Answered && !maps.Equal(q.Response.Answers, a.decision.Answers) {
			fail("(a) the response to %.8s was taken as another than was decided", named)
		}
		if named == q.ID && digestOf(j.ID, q.HumanRequest) == a.digest {
			continue
		}
		// It was taken for what it was not made for. That nobody can help where
		// the Job was led on after the last read.
		led := l.tooLate()
		for _, x := range l.acts {
			led = led || x.jobID == j.ID && x.seq > r.began.seq && !x.at.After(q.Response.At)
		}
		for _, o := range j.Requests { // a response that came late
			led = led || o.Response != nil && o.Response.RequestID != named && o.Response.At.After(r.began.at) && !o.Response.At.After(q.Response.At) && l.lax()
		}
		if !led || named != q.ID && !l.lax() {
			fail("(c) the response to %.8s, decided on %.8s, was taken for %.8s %q", named, a.digest, q.ID, q.Title)
		}
	}
}

// checkOperation is about all calls of an operation together.
func (l *life) checkOperation(op int, fail failFunc) {
	jobs := 0
	for _, j := range l.jobs {
		if j.Input == lifeInput(op) {
			jobs++
		}
	}
	var first *outcome.Result
	var text string
	var starts []*lifePost
	for _, c := range l.calls {
		if c.op != op || c.err != nil || l.unheard(c) {
			continue
		}
		if c.res == nil {
			if strings.Contains(c.text, "No Job was started:") {
				continue
			}
			own := strings.TrimSpace(strings.ReplaceAll(c.text+"\n", "This call repeats an earlier one. No new Job was started, and repeating it again will start none.\n", ""))
			if text != "" && own != text {
				fail("(e) one call read %q, another %q", text, own)
			}
			text = own
			continue
		}
		res := *c.res
		res.Repeated = false
		if first == nil {
			first = &res
		}
		if !alike(*first, res) { // by its meaning: one may come from the journal
			fail("(e) one call got %+v, another %+v", *first, res)
		}
	}
	for _, p := range l.posts {
		if p.op == op && p.name == "runs" {
			starts = append(starts, p)
			if p.body != starts[0].body || p.key != starts[0].key || p.key == "" {
				fail("(e) op %d was started with %q and %q", op, starts[0].key, p.key)
			}
		}
	}
	most := 1
	if l.plan.profile.Idempotency == duvotest.KeysIgnored {
		for _, p := range starts {
			if p.status != http.StatusCreated || p.process == 1 && l.dead.seq > 0 {
				most++
			}
		}
	}
	if jobs > most {
		fail("(e) op %d has %d Jobs", op, jobs)
	}
}

// checkCall is about how a call ended.
func (l *life) checkCall(c *lifeCall, fail failFunc) {
	if c.end.seq == 0 {
		fail("(g) a call of op %d did not return", c.op)
		return
	}
	if c.end.at.After(c.deadline) {
		fail("(g) a call of op %d returned %v after its deadline", c.op, c.end.at.Sub(c.deadline))
	}
	var je *outcome.JobError
	var ie *outcome.InputError
	if c.err != nil && !errors.As(c.err, &je) && !errors.As(c.err, &ie) {
		fail("(g) a call ended with %v", c.err)
	}
	if c.res != nil {
		l.checkResult(c.res, fail)
	}
	if je != nil && c.end.at.Equal(c.deadline) && je.JobID != "" {
		l.checkForgotten(c, je.JobID, fail)
	}
}

// checkForgotten is about a call that waited to its last moment: not for a
// request that nobody was asked about.
func (l *life) checkForgotten(c *lifeCall, jobID string, fail failFunc) {
	var last *lifeRead
	since := time.Time{} // that the same request was read
	for _, r := range l.reads {
		if r.jobID != jobID || !r.began.at.After(c.began.at) || r.end.seq > c.end.seq {
			continue
		}
		if last == nil || r.digest != last.digest {
			since = r.end.at
		}
		last = r
	}
	if last == nil || last.kind != duvo.Approval && last.kind != duvo.Question || last.end.at.Sub(since) < time.Minute {
		return
	}
	for _, a := range l.asks {
		if a.digest == last.digest && a.began.seq < c.end.seq && (a.end.seq == 0 || !a.end.at.Before(c.end.at) || a.err == nil && a.decision.Verdict == hitl.Left) {
			return
		}
	}
	for _, p := range l.posts {
		if p.name == "respond" && p.request == last.request {
			return
		}
	}
	fail("(g) a call of op %d waited for %.8s in vain", c.op, last.request)
}

// checkResult is about what a Result tells.
func (l *life) checkResult(res *outcome.Result, fail failFunc) {
	if res.Outcome == outcome.OutcomeUnknown {
		return
	}
	at := slices.IndexFunc(l.jobs, func(j duvotest.JobRecord) bool { return j.ID == res.JobID })
	if at < 0 {
		fail("(f) the Result names the Job %q", res.JobID)
		return
	}
	job := l.jobs[at]
	wrong := false
	switch res.Outcome {
	case outcome.OutcomeCompleted, outcome.OutcomeFailed, outcome.OutcomeInterrupted, outcome.OutcomeStopped:
		wrong = string(res.Outcome) != string(job.Status)
	case outcome.OutcomeGone:
		wrong = !job.Deleted && !slices.ContainsFunc(l.plan.faults, func(f duvotest.Fault) bool { return f.Op == "getRun" && f.Status == 404 })
	}
	if wrong {
		fail("(f) the outcome is %s, and the Job has %s", res.Outcome, job.Status)
	}
	for i := range res.Decisions {
		l.checkEntry(job, res, i, fail)
	}
}

func (l *life) checkEntry(job duvotest.JobRecord, res *outcome.Result, i int, fail failFunc) {
	d := res.Decisions[i]
	var worst []string
	for _, a := range l.asks {
		if a.req.JobID == job.ID && a.req.ID == d.RequestID && a.digest == d.Digest && a.end.seq > 0 && a.end.at.Equal(d.DecidedAt) {
			// Two at one time look the same: one of them must fit.
			worst = nil
			l.checkStory(job, d, a, func(format string, args ...any) { worst = append(worst, fmt.Sprintf(format, args...)) })
			if worst == nil {
				return
			}
		}
	}
	if worst == nil {
		fail("(f) the Result tells of a decision on %.8s that was not made", d.RequestID)
	}
	l.bad = append(l.bad, worst...)
}

// checkStory compares what a Result tells of a decision with what happened.
func (l *life) checkStory(job duvotest.JobRecord, d hitl.DecisionEntry, a *lifeAsk, fail failFunc) {
	verdict := a.decision.Verdict
	if verdict == hitl.Passed {
		verdict = hitl.Denied
	} else if d.By != a.decision.By || d.Reason != a.decision.Reason {
		fail("(f) %q decided, and the Result tells %q", a.decision.By, d.By)
	}
	if d.Verdict != verdict || !maps.Equal(d.Answers, a.decision.Answers) {
		fail("(f) %v was decided, and the Result tells %v", verdict, d.Verdict)
	}
	var posts []*lifePost // for this decision
	for _, p := range l.posts {
		if p.name == "respond" && p.jobID == job.ID && p.request == d.RequestID && l.askedBefore(job.ID, p.request, p.began.seq) == a {
			posts = append(posts, p)
		}
	}
	taken, proper, astray := false, false, false // astray: the server took it for another request, and said so unless that came late
	for _, q := range job.Requests {
		proper = proper || q.Response != nil && !q.Response.Elsewhere && q.Response.RequestID == d.RequestID && q.ID == d.RequestID
		astray = astray || q.Response != nil && !q.Response.Elsewhere && q.Response.RequestID == d.RequestID && q.ID != d.RequestID
		taken = taken || q.Response != nil && !q.Response.Elsewhere && q.Response.RequestID == d.RequestID && len(posts) > 0
	}
	toSend := verdict == hitl.Approved || verdict == hitl.Answered || verdict == hitl.Denied && d.Kind == duvo.Approval
	switch d.Delivery {
	case hitl.NotSent:
		if len(posts) > 0 || toSend {
			fail("(f) %v of %.8s is told as not sent; it was sent %d times", verdict, d.RequestID, len(posts))
		}
	case hitl.Accepted:
		if !taken || astray && !proper || posts[len(posts)-1].status != http.StatusOK {
			fail("(f) %v of %.8s is told as accepted, and was not taken", verdict, d.RequestID)
		}
	case hitl.Superseded:
		if taken && !l.lies() {
			fail("(f) %v of %.8s is told as superseded, and was taken", verdict, d.RequestID)
		}
	case hitl.Refused:
		if taken && !l.lies() || len(posts) == 0 {
			fail("(f) %v of %.8s is told as refused, and was taken", verdict, d.RequestID)
		}
	case hitl.Unconfirmed:
		died := l.dead.seq > 0 && a.end.seq < l.dead.seq // perhaps while it was sent
		if !died && !astray && !slices.ContainsFunc(posts, unclear) {
			fail("(f) %v of %.8s is told as unconfirmed, and no attempt was unclear", verdict, d.RequestID)
		}
	default:
		fail("(f) %v of %.8s is told as %q at the end", verdict, d.RequestID, d.Delivery)
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

// A request that one read does not show, and the next one does, is asked about
// again: a read may come from a replica that lags behind.
func TestRequestThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{messages: []duvo.Message{{Role: "assistant", Text: "the end"}}}
		f.job = func(n int) (duvo.Job, error) {
			switch {
			case f.responds > 0:
				return duvo.Job{Status: duvo.StatusCompleted}, nil
			case n == 2:
				return duvo.Job{Status: duvo.StatusRunning}, nil
			}
			return duvo.Job{Status: duvo.StatusWaiting, Pending: &approval}, nil
		}
		asked := 0
		reg := discover(t, f, policy(func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
			if asked++; asked == 1 {
				<-ctx.Done()
				return hitl.Decision{}, context.Cause(ctx)
			}
			return hitl.Approve("ops", ""), nil
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		res, err := mustTool(reg, "refunds").Run(ctx, "4711")
		require.NoError(t, err)
		require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
		require.Equal(t, 2, asked)
		require.Len(t, f.sent, 1)
	})
}

// Where the rate limit is used up by the read just before a response, the
// response must not be held back and then sent all the same: the request may
// read differently by then, and the caller may have left.
func TestRateLimitDoesNotHoldBackAResponse(t *testing.T) {
	for name, patience := range map[string]time.Duration{"the text changes": time.Hour, "the caller leaves": 10 * time.Second} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				next, reads := d.HTTPClient().Transport, 0
				usedUp := wireFunc(func(r *http.Request) (*http.Response, error) {
					resp, err := next.RoundTrip(r)
					if strings.Count(r.URL.Path, "/") == 3 && strings.HasPrefix(r.URL.Path, "/v2/runs/") {
						if reads++; reads == 2 { // the one just before
							resp.Header.Set("X-RateLimit-Remaining", "0")
							resp.Header.Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(30*time.Second).Unix(), 10))
						}
					}
					return resp, err
				})
				var seen []string
				reg := discover(t, d.Client(duvo.WithHTTPClient(&http.Client{Transport: usedUp})), policy(func(_ context.Context, r hitl.Request) (hitl.Decision, error) {
					if seen = append(seen, r.Title); len(seen) > 1 {
						return hitl.Deny("ops", "too much"), nil
					}
					time.AfterFunc(20*time.Second, func() {
						_ = d.ChangeRequest(r.JobID, func(q *duvo.HumanRequest) { q.Title = "Refund 1200 EUR" })
					})
					return hitl.Approve("ops", "little enough"), nil
				}))
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				_, _ = mustTool(reg, "refunds").Run(ctx, "4711")
				left := time.Now()
				time.Sleep(5 * time.Minute)
				_, approved := responses(d)
				require.False(t, approved, "an approval of %q was taken for %q", seen[0], d.Jobs()[0].Requests[0].Title)
				for _, r := range d.Requests() {
					if r.Op == "respondToHumanRequest" {
						require.False(t, r.At.After(left), "sent %v after the caller left", r.At.Sub(left))
					}
				}
			}, duvotest.WithAssignment(refunds))
		})
	}
}

// count adds up what was reached.
func (l *life) count(tally map[string]int) {
	tally["asked"] += len(l.asks)
	tally["reads"] += len(l.reads)
	tally["Jobs"] += len(l.jobs)
	tally["calls"] += len(l.calls)
	tally["deeds"] += len(l.acts)
	for _, p := range l.posts {
		tally["POST "+p.name]++
	}
	for _, c := range l.calls {
		if c.res == nil {
			continue
		}
		tally["outcome "+string(c.res.Outcome)]++
		for _, d := range c.res.Decisions {
			tally["told "+string(d.Delivery)]++
		}
	}
}

// alike reports whether two values are written alike.
func alike(a, b any) bool {
	x, err := json.Marshal(a)
	y, other := json.Marshal(b)
	return err == nil && other == nil && bytes.Equal(x, y)
}
