package property

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestProperties draws plans, lives through them and checks them; see the package's
// doc. DUVOTOOL_PROPERTY_STEPS sets how many steps are tried.
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
		if c.said != "" {
			tally["said"]++
		}
		if c.res == nil {
			continue
		}
		tally["outcome "+string(c.res.Outcome)]++
		for _, d := range c.res.Decisions {
			tally["told "+string(d.Delivery)]++
		}
	}
}
