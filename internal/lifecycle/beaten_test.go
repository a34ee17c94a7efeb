package lifecycle

import "testing"

// TestWhoComesSecondIsTold: two decide while something else is in flight. The first
// counts, and the second hears that it was decided, not that nothing waits.
func TestWhoComesSecondIsTold(t *testing.T) {
	x := newScript(t, quick()).decided(&Decision{Verdict: Suspended})
	if x.s.Live.Exchange.Kind != Saving || x.s.Live.Callers != 1 {
		t.Fatalf("%+v: callers go once it is recorded", x.s.Live.Exchange)
	}
	wantNone[Interim](x)
	p := x.s.Record.Requests[0]
	for _, who := range []string{"first", "second", "third"} {
		x.do(Decide{Request: p.ID, Digest: p.Digest, Build: p.Build, Decision: approval(), Reply: who})
		wantNone[TellReply](x)
	}
	x.save()
	told := map[string]Fate{}
	for _, f := range x.last {
		if r, ok := f.(TellReply); ok {
			told[r.Reply] = r.Fate
		}
	}
	if len(told) != 2 || told["second"] != FateDecided || told["third"] != FateDecided {
		t.Fatalf("%v", told)
	}
	if d := x.s.Record.Requests[0].Decision; d == nil || d.Verdict != Approved {
		t.Fatalf("%+v", d)
	}

	x = newScript(t, quick()).decided(&Decision{Verdict: Suspended}).saves()
	if x.s.Live.Callers != 0 || !x.s.Live.Detached {
		t.Fatalf("%+v", x.s.Live)
	}
	want[Interim](x)
}
