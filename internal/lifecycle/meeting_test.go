package lifecycle

import "testing"

// A decision that was to be recorded when another process put its record first
// counts where that one has decided nothing: the person need not decide again.
func TestADecisionOutlivesAConflict(t *testing.T) {
	for _, outside := range []bool{false, true} {
		x := newScript(t, quick())
		if outside {
			x.decided(&Decision{Verdict: Suspended}).save().do(Decide{Request: "r0", Digest: "r0v0", Build: x.s.Record.Requests[0].Build, Decision: approval(), Reply: "who"})
		} else {
			x.decided(approval())
		}
		mine := want[Save](x)
		theirs := *mine.Record
		theirs.Writer, theirs.Holders = "B0", []string{"A0", "B0"}
		theirs.Requests = []Request{{ID: "r0", Digest: "r0v0", Kind: mine.Record.Requests[0].Kind, Build: mine.Record.Requests[0].Build, FirstSeen: 1}}
		x.do(Conflict{Name: mine.Name, Record: &theirs, Revision: 9})
		wantNone[TellReply](x)
		f := want[Save](x)
		if p := f.Record.Requests[0]; f.LinesOnly || f.Revision != 9 || p.Stage != Decided || p.Decision.Verdict != Approved || len(linesOf(f, LineNotCounted)) != 0 {
			t.Fatalf("%+v", f)
		}
		if x.save(); x.s.Live.Revision != 10 {
			t.Fatal(x.s.Live.Revision)
		}
		x.read("waiting", "", ticket()).saves()
		want[Respond](x)

		// About another text it does not.
		theirs.Requests[0].Digest = "r0v1"
		x = newScript(t, quick()).decided(approval())
		x.do(Conflict{Name: want[Save](x).Name, Record: &theirs, Revision: 9})
		if f := want[Save](x); !f.LinesOnly || len(linesOf(f, LineNotCounted)) != 1 || x.s.Record.Requests[0].Decision != nil {
			t.Fatalf("%+v", f)
		}
	}
}

// What comes while the record is put is put after it.
func TestAWishDuringASaveIsRecorded(t *testing.T) {
	x := newScript(t, quick()).decided(approval())
	x.do(StopAsked{By: "kim"})
	wantNone[Save](x)
	if f := want[Save](x.save()); f.LinesOnly || !f.Record.Stop().Asked {
		t.Fatalf("%+v", f)
	}
	x = newScript(t, quick())
	x.s.Record.Unkeyed = true
	x.do(Called{Caller: 1, Order: firstOrder})
	if !want[Save](x).Record.Unkeyed {
		t.Fatal("nobody was told the key")
	}
	x.do(Named{})
	if f := want[Save](x.save()); f.Record.Unkeyed {
		t.Fatalf("%+v", f)
	}
}

// What is for the audit alone puts no record, which others would meet as a conflict.
func TestLinesAloneNeedNoRecord(t *testing.T) {
	x := newScript(t, quick()).decided(&Decision{Verdict: Suspended})
	f, before := want[Save](x), x.s.Record.Serial
	if !f.LinesOnly || len(linesOf(f, LineDecided)) != 1 {
		t.Fatalf("%+v", f)
	}
	x.do(SaveFailed{Name: f.Name})
	x.pass(x.s.Live.SaveAfter - x.now.Mono).do(Tick{})
	if f := want[Save](x); !f.LinesOnly || len(linesOf(f, LineDecided)) != 1 || x.s.Record.Serial != before {
		t.Fatalf("%+v", f)
	}
	revision := x.s.Live.Revision
	if x.save(); x.s.Live.Revision != revision || x.s.Live.LinesDue || x.s.Live.Exchange.Name != 0 {
		t.Fatalf("%+v", x.s.Live)
	}
}

// Messages that make no sense for long are given up, as reads are; a disk that is
// full keeps nobody from being told what the Job has come to.
func TestMessagesThatMakeNoSense(t *testing.T) {
	x := newScript(t, quick()).started().read("completed", Completed, nil).saves()
	for n := 0; ; n++ {
		x.do(Collected{Name: want[Collect](x).Name, Failed: Odd})
		if x.s.Live.Exchange.Kind == Saving {
			break
		}
		if n > 1000 {
			t.Fatal("it is never given up")
		}
		x.pass(x.s.Live.NotBefore - x.now.Mono).do(Tick{})
	}
	if f := want[Release](x.saves()); f.Cause != CauseGivenUp || x.s.Record.Trouble != Odd {
		t.Fatalf("%+v", f)
	}
}

func TestAFullDiskKeepsNobodyFromTheResult(t *testing.T) {
	x := newScript(t, quick()).decided(approval()).save().save()
	x.do(Sent{Name: want[Respond](x).Name})
	x.do(SaveFailed{Name: want[Save](x).Name})
	x.read("completed", Completed, nil)
	x.do(SaveFailed{Name: want[Save](x).Name})
	x.do(Collected{Name: want[Collect](x).Name, Output: "done"})
	if f := want[Finish](x); f.Recorded {
		t.Fatal("it is not")
	}
}

// A response that may have been sent by code that panicked ends the run.
func TestABrokenBackendEndsTheRun(t *testing.T) {
	x := newScript(t, quick()).decided(approval()).save().save()
	x.do(Sent{Name: want[Respond](x).Name, Reply: Doubt, Broken: true, Text: "panic"})
	if f := want[Release](x.saves()); f.Cause != CauseFailed || f.Text != "panic" {
		t.Fatalf("%+v", f)
	}
	if p := x.s.Record.Requests[0]; p.Stage != Sending || !p.Attempt.Earlier {
		t.Fatalf("%+v", p)
	}
}

// A record that the journal holds is this process's own only where this process has
// written it, whatever its number: numbers go on from those of others.
func TestAnothersRecordIsNotTakenForOnesOwn(t *testing.T) {
	x := newScript(t, with(func(o *Options) { o.Leases, o.Follow = true, 5 })).do(Called{Caller: 1, Order: firstOrder})
	x.do(Owned{Name: want[Own](x).Name, Term: 1}).save()
	x.do(Sent{Name: want[StartJob](x).Name, Job: "job", Ours: true}).saves()
	theirs := x.s.Record
	theirs.Writer, theirs.Serial = "B0", 1
	x.do(PutElsewhere{Revision: 8})
	x.do(Loaded{Name: want[Load](x).Name, Record: theirs.sealed(), Revision: 8}).saves()
	theirs = x.s.Record // its number is above all that either has written
	theirs.Writer, theirs.Stopping = "B0", &Stop{Asked: true, By: "kim"}
	x.do(PutElsewhere{Revision: 20})
	x.do(Loaded{Name: want[Load](x).Name, Record: theirs.sealed(), Revision: 20})
	if !x.s.Record.Stop().Asked {
		t.Fatal("what another process has recorded is overwritten by the next save")
	}
}
