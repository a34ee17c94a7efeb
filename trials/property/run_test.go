package property

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
)

// live lets a plan happen.
func live(t *testing.T, p plan) *life {
	l := &life{plan: p, events: map[string]int{}, opOf: map[string]int{}}
	synctest.Test(t, func(t *testing.T) {
		l.t0, l.died = time.Now(), make(chan struct{})
		opts := []duvotest.Option{duvotest.WithProfile(p.profile), duvotest.WithQuirks(p.quirks), duvotest.WithRateLimit(p.rate), duvotest.WithPace(p.pace),
			duvotest.WithAssignment(duvotest.Assignment{ID: refundsID, Name: "Refunds", Description: "Refunds an order.", Script: l.script, Resume: l.answer})}
		l.duvo = duvotest.New(opts...)
		defer l.duvo.Close()
		var jn journal.Journal
		if p.journal {
			jn = journal.NewMemory()
		}
		var calls [][]callPlan
		for _, o := range p.ops {
			calls = append(calls, o.calls)
		}
		over := l.process(t, 1, jn, calls)
		if p.down > 0 {
			time.Sleep(p.down)
			l.log(func(m moment) { l.second = m; l.say("a second process") })
			<-l.process(t, 2, jn, p.later)
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
func (l *life) process(t *testing.T, number int, jn journal.Journal, calls [][]callPlan) <-chan struct{} {
	p, over := l.plan, make(chan struct{})
	mine := &oneProcess{l: l, number: number, journal: jn}
	client := l.duvo.Client(duvo.WithHTTPClient(&http.Client{Transport: mine.wire(l.duvo.HTTPClient().Transport)}))
	regOpts := []duvotool.Option{duvotool.WithPolicy(hitl.PolicyFunc(mine.decide)), duvotool.StopOn(p.stopOn...),
		duvotool.WithSettleTime(p.settle), duvotool.WithJobTimeout(p.timeout), duvotool.WithAudit(mine)}
	if jn != nil {
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
		for i, c := range calls[op] {
			c.says = number == 1 && i == 0
			if number == 1 || p.ops[op].naming != unnamed {
				wg.Go(func() { l.call(reg, number, op, c) })
			}
		}
		l.event(op, "start")
	}
	done, idle := make(chan struct{}), make(chan struct{})
	var others sync.WaitGroup
	for _, who := range p.people[number-1] {
		others.Go(func() { l.person(reg, mine, who) })
	}
	for _, look := range p.looks {
		others.Go(func() { l.look(reg, number, look) })
	}
	go func() { wg.Wait(); close(done); others.Wait(); close(idle) }()
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
		<-idle
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
			l.quiet(reg, number, idle, died)
		}
	case <-died:
	case <-time.After(24 * time.Hour):
		panic("(g) a call hangs:\n" + l.story())
	}
	go finish() // what ignores its context runs on
	return over
}

// quiet waits until all is quiet, in a process that lives on, and then comes for
// what became of what was put off.
func (l *life) quiet(reg *duvotool.Registry, process int, idle, died <-chan struct{}) {
	select {
	case <-idle:
	case <-died:
		return
	}
	select {
	case <-time.After(20 * time.Minute): // what comes late, comes
	case <-died:
		return
	}
	l.list(reg, process, true)
	keys := map[string]int{}
	l.log(func(moment) {
		for _, c := range l.calls {
			if c.process == process && c.putOff && c.res != nil && c.said == "" {
				keys[c.res.Key] = c.op
			}
		}
	})
	var wg sync.WaitGroup
	for key, op := range keys {
		wg.Go(func() { l.call(reg, process, op, callPlan{patience: time.Hour, key: key}) })
	}
	wg.Wait()
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
func (o *oneProcess) decide(ctx context.Context, r hitl.Request) (d hitl.Decision, err error) {
	l := o.l
	op, convErr := strconv.Atoi(strings.TrimPrefix(r.Input, "order-"))
	if convErr != nil {
		panic("a request of no operation: " + r.Input)
	}
	a := &lifeAsk{op: op, req: r, digest: r.Digest(), process: o.number}
	var n int
	l.log(func(m moment) {
		a.began = m
		for _, other := range l.asks {
			if other.op == op && other.later == nil {
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
	d, err = makeUp(mind.kind, r, n, "ops")
	d.Source = mind.source
	return d, err
}

// makeUp makes up a mind about a request.
func makeUp(kind string, r hitl.Request, n int, by string) (hitl.Decision, error) {
	answers := map[string]string{}
	for _, q := range r.Questions {
		answers[q.Question] = "x"
		if len(q.Options) > 0 {
			answers[q.Question] = q.Options[n%2].Label
		}
	}
	d := hitl.Deny(by, "no")
	switch kind {
	case "fit":
		d = hitl.Approve(by, "yes")
		if r.Kind == duvo.Question {
			d = hitl.Answer(by, answers)
		}
	case "approve":
		d = hitl.Approve(by, "yes")
	case "answer":
		d = hitl.Answer(by, answers)
	case "pass":
		d = hitl.Pass()
	case "suspend":
		d = hitl.Suspend()
	case "leave":
		d = hitl.Leave()
	case "err":
		return hitl.Approve(by, "in spite of an error"), errors.New("down")
	case "panic":
		panic("boom")
	case "zero":
		d = hitl.Decision{}
	case "nobody":
		d = hitl.Approve("", "yes")
	case "wrong":
		d = hitl.Answer(by, map[string]string{"Which size?": "XXL"})
	}
	return d, nil
}

func (l *life) call(reg *duvotool.Registry, process, op int, c callPlan) {
	time.Sleep(c.at)
	ctx, cancel := context.WithTimeout(context.Background(), c.patience)
	defer cancel()
	switch {
	case c.key != "":
		ctx = duvotool.WithOperationKey(ctx, c.key)
	case l.plan.ops[op].naming == namedByKey:
		ctx = duvotool.WithOperationKey(ctx, "key-"+strconv.Itoa(op))
	case l.plan.ops[op].naming == namedByScope:
		ctx = duvotool.WithOperationScope(ctx, "scope-"+strconv.Itoa(op))
	}
	k := &lifeCall{op: op, asModel: c.asModel, start: c.start, collects: c.key != "", process: process}
	k.deadline, _ = ctx.Deadline()
	l.log(func(m moment) {
		k.began = m
		l.calls = append(l.calls, k)
		l.say("op %d: called for %v", op, c.patience)
	})
	tool, err := reg.Tool("refunds")
	if err != nil {
		panic(err)
	}
	if c.start {
		k.res, k.err = tool.Start(ctx, lifeInput(op))
	} else if c.asModel {
		k.text, k.err = tool.Call(ctx, lifeInput(op))
	} else {
		k.res, k.err = tool.Run(ctx, lifeInput(op))
	}
	l.log(func(m moment) {
		k.end = m
		k.putOff = !k.start && k.err == nil && strings.Contains(k.text, "was put off") || k.res != nil && !k.start && strings.Contains(k.res.Note, "was put off")
		l.say("op %d: returned %v %v %.60q", op, k.err, k.res != nil, k.text)
		if k.res != nil {
			l.say("op %d: outcome %s %s, %+v", op, k.res.Outcome, k.res.Note, k.res.Decisions)
		}
	})
	if c.says && k.res != nil {
		l.goOn(reg, process, op, k.res)
	}
}
