// The drawn lives. A plan is drawn (property_plan_test.go): Jobs, policies,
// callers, people and faults. It is lived through (property_run_test.go) against
// the emulator, by one process or by two in turn (property_process_test.go), while
// other people answer, change and stop what they like (property_people_test.go),
// some decide what a policy has put off (property_later_test.go) and some only look
// (property_lookup_test.go). All that passes on the wire is noted
// (property_wire_test.go), with all else that happened (property_life_test.go). At
// the end what was noted is held against what was meant:
//
//   - property_sent_test.go: what was sent, and what the emulator took
//   - property_told_test.go: what callers were told
//   - property_audit_test.go: what the audit was told
//   - property_check_test.go: the second process, and what no client can attain
//
// A finding names the rule that it breaks: (a) nothing is sent that nobody decided,
// (b) a request gets one decision, (c) for the text that was decided on, (d) nothing
// is sent but while it may be, (e) one Job for one operation and one outcome for all
// its callers, (f) what is told is so, (g) all comes to an end, (h) a second process
// takes up what was under way. What was found so far and is worth a test of its own
// is in property_found_test.go.

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
// A policy may put its decision off. Then the callers are released, and people
// decide through the registry: at once or late, alone or at the same moment as
// others, on what they read before it changed or was answered in Duvo's inbox, or
// on what they read in the first life; or nobody decides. What they decide is
// theirs, is sent at most once and for that text, and is listed until then and no
// longer; those who come with the key get the outcome.
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
	for _, a := range l.asks {
		if a.putOff() {
			tally["put off"]++
		}
	}
	for _, x := range l.laters {
		tally["decided later"]++
		if x.taken != nil {
			tally["decided later, taken"]++
		}
	}
	for _, v := range l.looks {
		if v.res != nil {
			tally["looked up "+string(v.res.Outcome)]++
		}
	}
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
