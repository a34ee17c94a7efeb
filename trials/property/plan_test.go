package property

import (
	"math/bits"
	"time"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"pgregory.net/rapid"
)

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
	looks   []lookPlan    // in each process
	closeAt time.Duration // zero: when all is over
	journal bool
	dieAt   int             // the step of the first process that it dies at; zero: it does not
	down    time.Duration   // between two processes; zero: there is one
	later   [][]callPlan    // what the second one is called for, by operation
	people  [2][]personPlan // who decide later, in each process
}

type opPlan struct {
	naming naming
	script []scriptMove
	minds  []mind // what the policy makes of the requests, in turn
	calls  []callPlan
	says   []sayPlan // to the Job, once the first call has its Result
}

func (p plan) steps() int {
	n := len(p.looks) + len(p.people[0]) + len(p.people[1]) + len(p.faults) + len(p.deeds) + bits.OnesCount(uint(p.refused))
	for _, o := range p.ops {
		n += len(o.script) + len(o.minds) + len(o.calls) + len(o.says)
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
	asModel      bool   // by Call, not Run
	start        bool   // by Start, not Run
	key          string // another's; empty: its own
	says         bool   // then it goes on with the Job
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

// refundsID is the only Assignment's.
const refundsID = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8a11"

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
	putsOff := upTo("puts off", 2) == 0 // whatever it is asked
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
				kind:  pick("mind", "fit", "fit", "fit", "fit", "deny", "deny", "suspend", "suspend", "suspend", "approve", "answer", "pass", "leave", "err", "panic", "zero", "nobody", "wrong"),
				think: dur("thinks", 0, 0, 10*ms, s, 7*s, 40*s, 20*m), heeds: upTo("ignores its context", 3) > 0,
				source: rapid.SampledFrom([]hitl.Source{"", hitl.SourcePerson}).Draw(t, "source"),
			})
		}
		if putsOff {
			o.minds = []mind{{kind: "suspend", think: dur("puts off after", 0, 0, s)}}
		}
		calls := 1 + upTo("more calls", 3)
		if o.naming == unnamed {
			calls = 1 // each would be an operation of its own
		}
		for range calls {
			o.calls = append(o.calls, callPlan{
				at: dur("call at", 0, 0, 0, s, 8*s, 50*s, 10*m), patience: dur("patience", 2*time.Hour, 2*time.Hour, 2*time.Hour, 10*m, 40*s, 6*s, s, 10*ms),
				asModel: upTo("as a model", 4) == 0, start: upTo("by Start", 7) == 0,
			})
		}
		p.ops = append(p.ops, o)
	}
	for range upTo("faults", 4) {
		f := duvotest.Fault{
			Op:    pick("fault of", "respondToHumanRequest", "respondToHumanRequest", "respondToHumanRequest", "getRun", "getRun", "startRun", "listRunMessages", "stopRun", "postRunMessage"),
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
			op: upTo("whose", ops-1), on: pick("on", "start", "ask", "decided", "decided", "read", "post", "post", "later", "later"), nth: 1 + upTo("nth", 3),
			after: dur("after", 0, 0, 0, 10*ms, s, 3*s, 6*s, 40*s, 5*m),
			what:  pick("deed", "text", "text", "text", "yes", "no", "yes", "ID", "ID back", "stop", "delete"),
			title: pick("new title", "Refund 1200 EUR", "Refund 120 EUR", "Refund 9999 EUR"),
		})
	}
	p.people[0] = drawPeople(t, ops, false)
	for range upTo("lookups", 2) {
		p.looks = append(p.looks, lookPlan{upTo("looks up", ops-1), dur("looked up at", 0, 10*ms, s, 8*s, 50*s, 17*m)})
	}
	if upTo("closing early", 7) == 0 {
		p.closeAt = dur("close at", s, 7*s, 31*s, 10*m)
	}
	if p.journal && upTo("one life", 4) > 0 {
		p.down = dur("down for", 10*ms, s, 20*s, 3*m, 14*m, 20*m, 5*time.Hour)
		if upTo("ends well", 4) > 0 {
			p.dieAt = 1 + upTo("dies at", 60)
		}
		p.people[1] = drawPeople(t, ops, true)
		for range p.ops {
			var calls []callPlan
			for range upTo("later calls", 2) {
				calls = append(calls, callPlan{at: dur("later at", 0, s, m), patience: dur("later patience", 2*time.Hour, 40*s, s), asModel: upTo("later as a model", 4) == 0})
			}
			p.later = append(p.later, append(calls, callPlan{at: 15 * m, patience: 2 * time.Hour}))
		}
	}
	if p.down == 0 && upTo("follow-ups", 1) == 1 {
		for op := range p.ops {
			p.ops[op].says = drawSays(t)
		}
	}
	return p
}

func drawPeople(t *rapid.T, ops int, again bool) (people []personPlan) {
	dur := func(label string, of ...time.Duration) time.Duration { return rapid.SampledFrom(of).Draw(t, label) }
	const ms, s, m = time.Millisecond, time.Second, time.Minute
	for range rapid.IntRange(0, 4).Draw(t, "people") {
		people = append(people, personPlan{
			op: rapid.IntRange(0, ops-1).Draw(t, "decides for"), at: dur("looks at", 0, 0, s, 9*s, m, 16*m), hold: dur("holds for", 0, 0, 10*ms, s, 7*s, m, 12*m),
			kind:     rapid.SampledFrom([]string{"fit", "fit", "fit", "deny", "leave", "other text", "pass", "nobody", "wrong", "approve", "suspend"}).Draw(t, "later mind"),
			patience: dur("decides within", time.Hour, time.Hour, m, s, 10*ms), rivals: rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "rivals"),
			remembers: again && rapid.Bool().Draw(t, "remembers"),
		})
	}
	return people
}
