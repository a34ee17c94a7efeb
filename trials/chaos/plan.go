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
	Assignment int             // which of the Assignments
	Asks       []ask           // in order
	Work       []time.Duration // before each ask, and after the last
	End        duvo.Status

	Twice     bool          // two callers share the key
	Impatient time.Duration // after which the first caller leaves and calls again; zero: it waits
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

// planOf makes the plan of a key.
func planOf(seed uint64, key string) plan {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	r := rand.New(rand.NewPCG(seed, h.Sum64()))
	between := func(least, most time.Duration) time.Duration {
		return least + time.Duration(r.Int64N(int64(most-least)))
	}
	p := plan{Assignment: r.IntN(assignments), End: duvo.StatusCompleted, Twice: r.IntN(20) == 0}
	if r.IntN(10) == 0 {
		p.Impatient = between(50*time.Millisecond, time.Second)
	}
	switch r.IntN(12) {
	case 0:
		p.End = duvo.StatusFailed
	case 1:
		p.End = duvo.StatusInterrupted
	}
	asks := []int{0, 1, 1, 1, 1, 1, 2, 3}[r.IntN(8)]
	for i := range asks {
		modes := []askMode{asksRule, asksRule, asksNever, asksSlowly, asksQuestion, asksOperators}
		if i == asks-1 {
			// What is sent for a request that the inbox answers at the same
			// moment may reach whatever the Job waits for next. That nobody can
			// help, so these come last.
			modes = append(modes, asksInbox, asksRace)
		}
		mode := modes[r.IntN(len(modes))]
		p.Asks = append(p.Asks, ask{mode, fmt.Sprintf("%d %s for %s", i, mode, key), between(50*time.Millisecond, time.Second)})
		p.Work = append(p.Work, between(0, 400*time.Millisecond))
	}
	p.Work = append(p.Work, between(0, 400*time.Millisecond))
	return p
}

// asked finds the ask that a request's title tells of.
func (p plan) asked(title string) (ask, error) {
	number, _, _ := strings.Cut(title, " ")
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(p.Asks) || p.Asks[i].Title != title {
		return ask{}, fmt.Errorf("no plan has the request %q", title)
	}
	return p.Asks[i], nil
}
