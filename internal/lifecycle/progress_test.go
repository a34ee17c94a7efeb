package lifecycle

import (
	"strings"
	"testing"
)

func TestAListTellsOfProgress(t *testing.T) {
	x := newScript(t, quick()).started()
	if x.do(Progress{Status: "executing"}); want[Tell](x).Text != "executing" || x.s.Record.Status != "executing" || x.s.Live.Dirty {
		t.Fatalf("%+v", x.s.Record)
	}
	x.do(Progress{Status: "executing"})
	wantNone[Tell](x)
	x.read("waiting", "", ticket()).save()
	if x.do(Progress{Status: "executing"}); x.s.Record.Status != "waiting" {
		t.Fatal("a list counts more than a read")
	}
	x.read("completed", Completed, nil)
	if x.do(Progress{Status: "executing"}); x.s.Record.Status != "completed" {
		t.Fatal("a list counts more than a read")
	}
}

func TestAStopIsSentOnceMoreAfterADeath(t *testing.T) {
	r := &Record{Order: firstOrder, Stage: Watching, Job: "job", Ours: true, Writer: "Z", Holders: []string{"Z"}, Stopping: &Stop{Asked: true, By: "who"}}
	x := recovered(t, quick(), r).do(Resumed{Alone: true}).save()
	x.do(Sent{Name: want[StopJob](x).Name}).pass(1).read("running", "", nil)
	for x.s.Live.Exchange.Kind == Saving {
		x.save()
		wantNone[StopJob](x)
	}
	x.pass(5).do(Tick{})
	wantNone[StopJob](x)
	if s := x.s.Record.Stop(); !s.Done || !strings.Contains(x.s.Record.Note, "it has not ended") {
		t.Fatalf("%+v, %s", s, x.s.Record.Note)
	}
}

func TestACredentialThatIsRefusedIsWaitedOut(t *testing.T) {
	x := newScript(t, quick()).decided(approval()).save().save()
	x.do(Sent{Name: want[Respond](x).Name, Reply: NoAccess, Text: "401"})
	if f := want[Save](x); !f.LinesOnly || len(linesOf(f, LineFailed)) != 1 {
		t.Fatalf("%+v", f)
	}
	wantNone[Release](x.save())
	if p := x.s.Record.Requests[0]; p.Stage != Decided {
		t.Fatalf("%+v", p)
	}
	x.pass(3).read("waiting", "", ticket())
	x.do(Checked{Name: want[CheckRules](x).Name, Allowed: true}).save()
	want[Respond](x)
}

func TestARefusedResponseEndsTheRun(t *testing.T) {
	x := newScript(t, quick()).decided(approval()).save().save()
	x.do(Sent{Name: want[Respond](x).Name, Reply: Refusal, Text: "400"})
	wantNone[Release](x) // a read tells whether somebody else has answered
	x.read("waiting", "", ticket()).saves()
	if f := want[Release](x); f.Cause != CauseResponse || x.s.Record.Requests[0].Delivery != Refused {
		t.Fatalf("%+v", f)
	}
}

// What the server has refused is not in doubt for the next process, however late that
// one looks, and is not sent again.
func TestARefusedResponseIsKnownToTheNextProcess(t *testing.T) {
	o := with(func(o *Options) { o.DecisionMax = 20 })
	x := newScript(t, o).decided(approval()).save().save()
	respond := want[Respond](x)
	x.do(Closed{})
	x.do(Sent{Name: respond.Name, Reply: NotThere, Text: "404"}).saves()
	x.s, x.now = Recover(x.put.Record, x.put.Revision+1, &o, "B0", "own", x.now), x.now.Add(100)
	x.do(Resumed{Alone: true}).saves().read("waiting", "", ticket())
	wantNone[Respond](x)
	x.saves()
	if f := want[Release](x); f.Cause != CauseResponse || x.s.Record.Requests[0].Delivery != Refused {
		t.Fatalf("%+v, %s", f, x.s.Record.Requests[0].Delivery)
	}
}
