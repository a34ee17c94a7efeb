package lifecycle

import (
	"encoding/json"
	"slices"
	"testing"
)

// linesOf returns the lines of a kind that a save writes.
func linesOf(f Save, kind LineKind) (out []Line) {
	for _, l := range f.Lines {
		if l.Kind == kind {
			out = append(out, l)
		}
	}
	return out
}

// Where there is nowhere to record to, all goes as it does where recording works, and
// without asking for it.
func TestWhereNothingIsRecordedAllElseIsAsked(t *testing.T) {
	play := func(forgets bool) (asked []string, end State) {
		x := newScript(t, with(func(o *Options) { o.Forgets = forgets }))
		do := func(e Event) {
			x.do(e)
			for {
				for _, f := range x.last {
					if _, save := f.(Save); !save {
						asked = append(asked, typeName(f))
					} else if forgets {
						t.Fatal("asked to record")
					}
				}
				if x.s.Live.Exchange.Kind != Saving {
					return
				}
				x.save()
			}
		}
		read := func(status string, end Outcome, q *Ticket) {
			x.pass(1)
			do(Read{Began: x.now, Ours: true, Status: status, End: end, Human: q != nil, Pending: q, Updated: Time(x.now.Mono)})
		}
		turn := func() uint64 { a, _ := x.s.Live.Ask("r0"); return a.Turn }
		do(Called{Caller: 1, Order: firstOrder})
		do(Sent{Name: x.s.Live.Exchange.Name, Job: "job", Status: "running", Ours: true})
		read("waiting", "", ticket())
		do(Answered{Request: "r0", Digest: "r0v0", Turn: turn(), Decision: approval()})
		for x.s.Live.Exchange.Kind != Responding {
			x.now.Mono++
			read("waiting", "", ticket())
			if x.now.Mono > 1100 {
				t.Fatalf("not sent: %v", asked)
			}
		}
		do(Sent{Name: x.s.Live.Exchange.Name})
		read("completed", Completed, nil)
		do(Collected{Name: x.s.Live.Exchange.Name, Count: 1, Part: TranscriptIn(json.RawMessage(`["m"]`)), Output: "done"})
		return asked, x.s
	}
	asked, end := play(true)
	wanted, ended := play(false)
	if !slices.Equal(asked, wanted) {
		t.Fatalf("asked for\n%v\ninstead of\n%v", asked, wanted)
	}
	if r := end.Record.Result; r == nil || r.Output != "done" || end.Live.Revision != ended.Live.Revision {
		t.Fatalf("%+v at %d, instead of %d", r, end.Live.Revision, ended.Live.Revision)
	}
}

func TestADecisionThatCannotBeRecordedIsTakenBack(t *testing.T) {
	x := newScript(t, quick()).decided(approval())
	lost := want[Save](x)
	x.do(SaveFailed{Name: lost.Name})
	wantNone[Release](x)
	if p := x.s.Record.Requests[0]; p.Stage != Unasked || p.Decision != nil {
		t.Fatalf("%+v", p)
	}
	x.pass(1).do(Tick{})
	again := want[Save](x)
	if n := linesOf(again, LineNotCounted); len(n) != 1 || n[0].About.Decision == nil || len(linesOf(again, LineDecided)) != 1 {
		t.Fatalf("%+v", again.Lines)
	}
	want[AskPolicy](x.save())
}

func TestADecisionThatWasRecordedAllTheSameCounts(t *testing.T) {
	x := newScript(t, quick()).decided(approval())
	lost := want[Save](x)
	x.do(SaveFailed{Name: lost.Name}).pass(1).do(Tick{})
	x.do(Conflict{Name: want[Save](x).Name, Record: lost.Record, Revision: lost.Revision + 1})
	if p := x.s.Record.Requests[0]; p.Stage != Decided || p.Decision != lost.Record.Requests[0].Decision {
		t.Fatalf("%+v", p)
	}
}

func TestADecisionFromOutsideThatCannotBeRecorded(t *testing.T) {
	x := newScript(t, quick()).decided(&Decision{Verdict: Suspended}).save()
	x.do(Decide{Request: "r0", Digest: "r0v0", Decision: approval(), Reply: "who"})
	x.do(SaveFailed{Name: want[Save](x).Name})
	if f := want[TellReply](x); f.Fate != FateUnrecorded || f.Reply != "who" {
		t.Fatalf("%+v", f)
	}
	x.pass(1).do(Tick{}).save()
	wantNone[AskPolicy](x) // it is put off as before
	x.do(Decide{Request: "r0", Digest: "r0v0", Decision: approval(), Reply: "again"})
	if f := want[Save](x); f.Record.Requests[0].Stage != Decided || len(linesOf(f, LineDecided)) != 1 {
		t.Fatalf("%+v", f)
	}
	wantNone[TellReply](x)
}

func TestADecisionFromOutsideThatCannotBeAnnouncedIsHeld(t *testing.T) {
	x := newScript(t, quick()).decided(&Decision{Verdict: Suspended}).save()
	x.do(Decide{Request: "r0", Digest: "r0v0", Decision: approval(), Reply: "who"}).save()
	f := want[Save](x)
	if f.Record.Requests[0].Stage != Sending {
		t.Fatalf("%+v", f.Record.Requests)
	}
	x.do(SaveFailed{Name: f.Name})
	if f := want[TellReply](x); f.Fate != FateHeld {
		t.Fatalf("%+v", f)
	}
	for range 3 {
		x.pass(2).do(Tick{})
		x.do(SaveFailed{Name: want[Save](x).Name})
		wantNone[TellReply](x)
		wantNone[Respond](x)
	}
	x.pass(2).do(Tick{}).save().read("waiting", "", ticket())
	x.saves()
	if want[Respond](x); x.s.Record.Requests[0].Stage != Sending {
		t.Fatal("it counts, and is not sent")
	}
}

func TestWhatBecomesOfDecisionsInAConflict(t *testing.T) {
	suspended := func() *script {
		return newScript(t, quick()).decided(&Decision{Verdict: Suspended}).save().do(Decide{Request: "r0", Digest: "r0v0", Decision: approval(), Reply: "who"})
	}
	others := func(f Save, change func(*Request)) Conflict {
		r := *f.Record
		r.Writer, r.Requests = "B0", slices.Clone(r.Requests)
		change(&r.Requests[0])
		return Conflict{Name: f.Name, Record: &r, Revision: f.Revision + 1}
	}

	x := suspended()
	x.do(others(want[Save](x), func(p *Request) { p.Decision, p.DecidedAt = approval(), p.DecidedAt+1 }))
	if want[TellReply](x).Fate != FateDecided {
		t.Fatal("the other has decided")
	}
	if n := linesOf(want[Save](x), LineNotCounted); len(n) != 1 || n[0].About.Decision == nil {
		t.Fatalf("%+v", n)
	}

	x = suspended()
	x.do(others(want[Save](x), func(p *Request) { p.Stage, p.Decision, p.Digest = Unasked, nil, "r0v1" }))
	if want[TellReply](x).Fate != FateChanged {
		t.Fatal("it reads differently now")
	}

	x = suspended()
	x.do(others(want[Save](x), func(*Request) {}))
	wantNone[TellReply](x)
	for x.s.Live.Exchange.Kind == Saving {
		if f := want[Save](x); len(linesOf(f, LineNotCounted)) != 0 {
			t.Fatalf("%+v", f.Lines)
		}
		x.save()
	}
	x.pass(1).do(Tick{}).read("waiting", "", ticket())
	for x.s.Live.Exchange.Kind != Responding {
		switch x.s.Live.Exchange.Kind {
		case Saving:
			x.save()
		case Checking:
			x.do(Checked{Name: want[CheckRules](x).Name, Allowed: true})
		default:
			t.Fatalf("%+v", x.s.Live.Exchange)
		}
	}
	x.do(Sent{Name: want[Respond](x).Name}).save()
	if want[TellReply](x).Fate != FateTaken {
		t.Fatal("it was taken")
	}
}

func TestWhoTakesUpWhatAClosedProcessHasLeft(t *testing.T) {
	x := newScript(t, quick()).started().do(Closed{})
	left := want[Save](x).Record
	y := recovered(t, quick(), left).do(Resumed{})
	if h := want[Save](y).Record.Holders; !slices.Equal(h, []string{"A0"}) {
		t.Fatal(h)
	}
	two := *left
	two.Holders = []string{"B0", Orphan}
	y = recovered(t, quick(), &two).do(Called{Caller: 1, Order: firstOrder})
	if h := want[Save](y).Record.Holders; !slices.Equal(h, []string{"B0", "A0"}) {
		t.Fatal(h)
	}
	x = newScript(t, quick()).do(Called{Caller: 1, Order: firstOrder}).do(Closed{})
	x.do(Saved{Name: x.s.Live.Exchange.Name, Revision: 1})
	x.saves()
	if want[Release](x); !x.s.Record.Parked() {
		t.Fatal("nothing was sent, and the next process takes it up")
	}
}
