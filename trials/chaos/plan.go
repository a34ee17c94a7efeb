package main

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// A plan is what the Job of an operation key does, and what people and callers do
// about it. It follows from the seed and the key, so that every process of the
// harness knows it, and a Job's input need only be its key.
type plan struct {
	Assignment int    // which of the Assignments
	Turns      []turn // what the Job is started with, and the messages that follow

	AtOnce    bool          // the messages are posted at once, not one after the other
	Twice     bool          // two callers share the key
	Both      bool          // two processes do, where two share a journal
	Impatient time.Duration // after which the first caller leaves and calls again; zero: it waits
	StopAfter time.Duration // after which somebody stops the Job; zero: nobody does
	Refused   refusal       // of reads of the Job
	Place     uint64        // draws the replicas that it is called on
}

// A turn is what a Job does about one thing that it is told. What it is told is the
// key of the operation that says it: the plan's key, or that of a follow-up.
type turn struct {
	Name string
	Asks []ask           // in order
	Work []time.Duration // before each ask, and after the last
	End  duvo.Status
	Lost lostAnswer
}

// An ask is one human request of a Job.
type ask struct {
	Mode  askMode
	Title string        // begins with its number, from zero
	Delay time.Duration // of whoever answers
}

// askMode tells who answers a request, and how.
type askMode string

const (
	asksRule      askMode = "rule"      // the policy decides at once
	asksNever     askMode = "never"     // the policy denies, whatever comes
	asksSlowly    askMode = "slowly"    // the policy takes its time
	asksQuestion  askMode = "question"  // the policy answers a question
	asksOperators askMode = "operators" // the policy puts it off, and two people decide at once
	asksInbox     askMode = "inbox"     // the policy leaves it to Duvo's own inbox
	asksRace      askMode = "race"      // the policy decides while the inbox answers
)

// A refusal is a while in which a Job cannot be read.
type refusal struct {
	After time.Duration // since the Job was started
	For   time.Duration // zero: it can be read always
	Kind  refusalKind
}

// A lostAnswer is a start or message of which no answer comes, and whose repetition
// is refused: nobody can tell what became of it, until somebody looks.
type lostAnswer string

const (
	notLost     lostAnswer = ""
	lostWithout lostAnswer = "without effect"
	lostWith    lostAnswer = "with effect"
)

// assignments is how many Assignments there are.
const assignments = 24

// theQuestion is what a question asks.
var theQuestion = duvo.QuestionItem{Question: "Which size?", Options: []duvo.Choice{{Label: "S"}, {Label: "M"}, {Label: "L"}}}

func assignmentName(n int) string { return fmt.Sprintf("Assignment %d", n) }

func keyName(n int) string { return fmt.Sprintf("key-%06d", n) }

// keyNumber is the opposite of keyName.
func keyNumber(key string) (int, bool) {
	digits, ok := strings.CutPrefix(key, "key-")
	n, err := strconv.Atoi(digits)
	return n, ok && err == nil
}

// followUpName is the key of a follow-up, and what it says.
func followUpName(key string, n int) string { return fmt.Sprintf("%s/more-%d", key, n) }

// keyOf is the plan's key of an operation.
func keyOf(name string) string {
	key, _, _ := strings.Cut(name, "/")
	return key
}

// A dice draws the parts of a plan.
type dice struct{ *rand.Rand }

func (d dice) one(of int) bool { return d.IntN(of) == 0 }

func (d dice) between(least, most time.Duration) time.Duration {
	return least + time.Duration(d.Int64N(int64(most-least)))
}

// planOf makes the plan of a key.
func planOf(seed uint64, key string) plan {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	d := dice{rand.New(rand.NewPCG(seed, h.Sum64()))}
	p := plan{Assignment: d.IntN(assignments), Twice: d.one(20), Both: d.one(2)}
	if d.one(10) {
		p.Impatient = d.between(50*time.Millisecond, time.Second)
	}
	if d.one(12) {
		p.StopAfter = d.between(50*time.Millisecond, 4*time.Second)
	}
	if d.one(4) {
		p.Refused = refusal{d.between(0, 2*time.Second), d.between(200*time.Millisecond, 3*time.Second), refusalKinds[d.IntN(len(refusalKinds))]}
	}
	more := []int{0, 0, 0, 0, 0, 0, 1, 1, 1, 2}[d.IntN(10)]
	p.AtOnce = more > 1 && d.one(2)
	for i := range more + 1 {
		name := key
		if i > 0 {
			name = followUpName(key, i)
		}
		p.Turns = append(p.Turns, d.turn(name, i == more))
	}
	p.Place = d.Uint64()
	return p
}

// turn draws a turn.
func (d dice) turn(name string, last bool) turn {
	t := turn{Name: name, End: duvo.StatusCompleted}
	switch d.IntN(12) {
	case 0:
		t.End = duvo.StatusFailed
	case 1:
		t.End = duvo.StatusInterrupted
	}
	switch d.IntN(50) {
	case 0, 1:
		t.Lost = lostWithout
	case 2:
		t.Lost = lostWith
	}
	asks := []int{0, 1, 1, 1, 1, 1, 2, 3}[d.IntN(8)]
	for i := range asks {
		modes := []askMode{asksRule, asksRule, asksNever, asksSlowly, asksQuestion, asksOperators}
		if i == asks-1 {
			// What is sent for a request that the inbox answers at the same
			// moment may reach whatever the Job waits for next. That nobody can
			// help, so these come last, and the race last of all.
			modes = append(modes, asksInbox)
			if last {
				modes = append(modes, asksRace)
			}
		}
		mode := modes[d.IntN(len(modes))]
		t.Asks = append(t.Asks, ask{mode, fmt.Sprintf("%d %s for %s", i, mode, name), d.between(50*time.Millisecond, time.Second)})
		t.Work = append(t.Work, d.between(0, 400*time.Millisecond))
	}
	t.Work = append(t.Work, d.between(0, 400*time.Millisecond))
	return t
}

// turnNamed finds the turn of an operation.
func (p plan) turnNamed(name string) (turn, bool) {
	for _, t := range p.Turns {
		if t.Name == name {
			return t, true
		}
	}
	return turn{}, false
}

// asked finds the ask that a request's title tells of.
func (p plan) asked(title string) (ask, error) {
	for _, t := range p.Turns {
		for _, a := range t.Asks {
			if a.Title == title {
				return a, nil
			}
		}
	}
	return ask{}, fmt.Errorf("no plan has the request %q", title)
}
