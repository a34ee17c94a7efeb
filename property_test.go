package duvotool_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

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
