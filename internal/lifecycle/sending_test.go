package lifecycle

import (
	"strings"
	"testing"
	"time"
)

// doubtful is a start of another process in doubt.
func doubtful(box string) *Record {
	return &Record{Order: firstOrder, Stage: Starting, Writer: "Z", Serial: 3, Start: Attempt{First: 990, Until: 991, Earlier: true}, Sandbox: box, Credential: "own", Holders: []string{"Z"}}
}

// searching brings a start in doubt to where its Job is looked for.
func searching(t *testing.T, box string, f func(*Options)) *script {
	x := recovered(t, with(f), doubtful(box)).do(Resumed{Alone: true}).save()
	for range 10 {
		switch x.s.Live.Exchange.Kind {
		case Loading:
			x.do(Loaded{Name: want[Load](x).Name})
		case "":
			x.pass(1).do(Tick{})
		default:
			return x
		}
	}
	t.Fatal("nothing is looked for")
	return x
}

func TestAWebhookMayHaveToldOfTheJob(t *testing.T) {
	x := searching(t, "", func(o *Options) { o.Hinted = true })
	f := want[Locate](x)
	if f.Sandbox != "" || f.Since != 990 {
		t.Fatalf("%+v", f)
	}
	x.do(Located{Name: f.Name, Job: "job", Created: 995, Build: "b1", Status: "running"})
	if r := want[Save](x).Record; r.Job != "job" || r.Created != 995 || r.Build != "b1" || r.Status != "running" || r.Ours {
		t.Fatalf("%+v", r)
	}
	x = searching(t, "", func(o *Options) { o.Hinted = true })
	if x.do(Located{Name: want[Locate](x).Name}); x.s.Record.Result != nil || !want[Save](x).Record.Start.Open {
		t.Fatal("nothing is proven, and it is not sent again")
	}
	x = searching(t, "", func(o *Options) { o.Hinted = true })
	x.do(Located{Name: want[Locate](x).Name, Failed: true, Odd: true})
	wantNone[Save](x) // it is looked for again, for a while
	x.pass(3).do(Tick{})
	x.do(Located{Name: want[Locate](x).Name, Failed: true, Odd: true}).pass(3)
	if x.do(Tick{}); x.s.Record.Result != nil || !want[Save](x).Record.Start.Open {
		t.Fatal("it cannot be looked for, and is not sent again")
	}
	x = searching(t, "", func(o *Options) { o.Hinted = true })
	x.do(Located{Name: want[Locate](x).Name, Failed: true})
	wantNone[Save](x) // it is looked for again
	x.pass(3).do(Tick{})
	want[Locate](x)
	if x = searching(t, "", func(*Options) {}); x.s.Live.Exchange.Kind != Saving {
		t.Fatalf("%+v", x.s.Live.Exchange)
	}
}

func TestASearchThatIsOfNoUseLeavesTheOutcomeUnknown(t *testing.T) {
	x := searching(t, "box", marked)
	x.do(Located{Name: want[Locate](x).Name, Failed: true, Odd: true})
	wantNone[Save](x) // one proves nothing
	x.pass(3).do(Tick{})
	x.do(Located{Name: want[Locate](x).Name, Failed: true, Odd: true}).save()
	if r := x.s.Record; r.Result == nil || r.Result.Outcome != Unknown || !strings.Contains(r.Note, "its Job cannot be looked for") {
		t.Fatalf("%+v", r)
	}
}

func TestARefusedStartInDoubtIsLookedForOnceMore(t *testing.T) {
	x := searching(t, "", func(o *Options) { o.Hinted = true })
	x.do(Located{Name: want[Locate](x).Name}).save()
	x.do(Sent{Name: want[StartJob](x).Name, Reply: Refusal})
	x.do(Located{Name: want[Locate](x).Name, Job: "job"})
	if want[Save](x).Record.Job != "job" {
		t.Fatal("it was found, and is not known")
	}
}

func TestWhatCannotBeginInTimeEndsTheRun(t *testing.T) {
	x := newScript(t, quick()).decided(approval()).save().save()
	for n := 1; n <= 2; n++ {
		x.do(Sent{Name: want[Respond](x).Name, Reply: TooLate, Text: "it took long"})
		if n == 1 {
			f := want[Save](x)
			if not := linesOf(f, LineNotSent); !f.LinesOnly || len(not) != 1 || not[0].Text != "it took long" || len(linesOf(f, LineFailed)) != 0 {
				t.Fatalf("%+v", f.Lines)
			}
			x.save().read("waiting", "", ticket())
			if f := want[Save](x); f.LinesOnly || len(linesOf(f, LineSent)) != 1 {
				t.Fatalf("%+v", f.Lines)
			}
			x.save()
		}
	}
	if f := want[Save](x); len(linesOf(f, LineNotSent)) != 1 || f.Record.Requests[0].Stage != Decided {
		t.Fatalf("%+v", f)
	}
	if f := want[Release](x.save()); f.Cause != CauseTooLate || f.Text != "it took long" || !x.s.Record.Parked() {
		t.Fatalf("%+v", f)
	}
	if x.s.Record.Requests[0].Decision == nil {
		t.Fatal("the decision is lost")
	}

	x = newScript(t, quick()).do(Called{Caller: 1, Order: followOrder})
	x.do(Collected{Name: want[Collect](x).Name, Count: 2})
	for range 2 {
		x.read("completed", Completed, nil)
		x.saves()
		x.do(Sent{Name: want[Post](x).Name, Reply: TooLate})
	}
	x.saves()
	if f := want[Release](x); f.Cause != CauseTooLate || x.s.Record.Stage != New {
		t.Fatalf("%+v", f)
	}

	x = newScript(t, quick()).do(Called{Caller: 1, Order: firstOrder}).save()
	x.do(Sent{Name: want[StartJob](x).Name, Reply: TooLate}).save()
	x.do(Sent{Name: want[StartJob](x).Name, Reply: TooLate}).save()
	if f := want[Release](x); f.Cause != CauseTooLate {
		t.Fatalf("%+v", f)
	}
}

func TestALateSendThatNobodyWantsIsNotCounted(t *testing.T) {
	x := newScript(t, quick()).decided(approval()).save().save()
	send := want[Respond](x).Name
	x.do(Left{Caller: 1}).do(Sent{Name: send, Reply: TooLate, Text: "the call ended"}).save()
	if f := want[Release](x); f.Cause != CauseLeft {
		t.Fatalf("%+v", f)
	}
}

func TestTheAuditIsToldOnceWhatIsSentAndWhatIsNot(t *testing.T) {
	x := newScript(t, quick()).decided(approval()).save()
	announced := want[Save](x)
	if n := linesOf(announced, LineSent); len(n) != 1 || n[0].Request != "r0" {
		t.Fatalf("%+v", announced.Lines)
	}
	x.do(Left{Caller: 1}).save() // of the announcement
	if n := linesOf(want[Save](x), LineNotSent); len(n) != 1 || n[0].Text != callEnded {
		t.Fatalf("%+v", n)
	}

	x = newScript(t, quick()).decided(approval()).save().pass(3).save()
	x.read("waiting", "", ticket())
	f := want[Save](x)
	if n := linesOf(f, LineNotSent); len(n) != 1 || n[0].Text != readAgain || len(linesOf(f, LineSent)) != 1 {
		t.Fatalf("%+v", f.Lines)
	}

	x = newScript(t, quick()).decided(approval()).save()
	f = want[Save](x)
	theirs := *f.Record
	theirs.Writer = "B0"
	x.do(Conflict{Name: f.Name, Record: &theirs, Revision: f.Revision + 1})
	if n := linesOf(want[Save](x), LineNotSent); len(n) != 1 || n[0].Text != inOtherHands {
		t.Fatalf("%+v", n)
	}
}

// Where the server has answered, nothing is on its way any more: only the settle time
// is waited out before what is in doubt is sent again.
func TestAnAnsweredDoubtIsRepeatedSooner(t *testing.T) {
	for local, wait := range map[bool]time.Duration{false: 7, true: 37} {
		o := with(func(o *Options) { o.Post, o.Settle = 30, 7 })
		x := newScript(t, o).decided(approval()).save().save()
		x.do(Sent{Name: want[Respond](x).Name, Reply: Doubt, Local: local}).saves()
		begin := x.now.Mono
		x.read("waiting", "", ticket())
		if w := want[Wake](x); w.At != begin+wait {
			t.Fatalf("a response, local %v: %v", local, w.At-begin)
		}
		x.pass(wait).read("waiting", "", ticket())
		x.do(Checked{Name: want[CheckRules](x).Name, Allowed: true})
		if r := want[Save](x).Record.Requests[0]; r.Stage != Sending || !r.Attempt.Open {
			t.Fatalf("it is announced again: %+v", r)
		}

		x = correcting(t, o)
		x.do(Sent{Name: want[Post](x).Name, Reply: Doubt, Local: local}).saves()
		if w := x.s.Live.NotBefore - x.now.Mono; w != wait {
			t.Fatalf("a message, local %v: %v", local, w)
		}
	}
}
