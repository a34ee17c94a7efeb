package lifecycle

import (
	"slices"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/duvo"
)

// recovered takes up a record in a process of its own.
func recovered(t *testing.T, o Options, r *Record) *script {
	x := &script{t: t, now: Moment{Wall: 1000, Mono: 1000}}
	x.s = Recover(r, 1, &o, "A0", "own", x.now)
	return x
}

func TestCallsEndAndTheOperationDoesNot(t *testing.T) {
	odd := ticket()
	odd.Known, odd.Kind = false, "riddle"
	for name, c := range map[string]struct {
		read Read
		note string
		out  Outcome
	}{
		"not shown":  {Read{Status: "waiting", Human: true}, "something that Duvo's API does not show; somebody must look", Pending},
		"not known":  {Read{Status: "waiting", Human: true, Pending: odd}, `a request of kind "riddle", which this program cannot answer; somebody must look`, Pending},
		"takes long": {Read{Status: "running"}, "the time limit of 5ns is over", Expired},
	} {
		t.Run(name, func(t *testing.T) {
			x := newScript(t, with(func(o *Options) { o.JobTimeout = 5; o.Stale = 10; o.StopOnLeave = true })).started()
			for round := range 2 {
				x.pass(1)
				c.read.Began, c.read.Ours = x.now, true
				x.do(c.read).pass(5).do(Tick{})
				save := want[Save](x)
				if r := save.Record; r.Result != nil || !r.Parked() || r.Note != "" || r.Stage != Watching {
					t.Fatalf("%+v", r)
				}
				x.do(SaveFailed{Name: save.Name}) // and nobody waits for ever
				f := want[EndCalls](x)
				if wantNone[Release](x); f.Outcome != c.out || !strings.Contains(f.Note, c.note) {
					t.Fatalf("%+v", f)
				}
				want[Unwatch](x)
				x.pass(10).do(Called{Caller: 2 + round, Order: firstOrder}).save()
				if want[Watch](x); x.s.Record.Parked() || x.s.Record.Job != "job" {
					t.Fatalf("%+v", x.s.Record)
				}
				if wantNone[EndCalls](x); c.out == Expired && x.s.Record.Worked != 0 {
					t.Fatal("its time is over already")
				}
			}
		})
	}
}

func TestAResultOfAnEarlierVersionThatEndedTheCallsAlone(t *testing.T) {
	for _, o := range []Outcome{Pending, Expired} {
		x := recovered(t, quick(), &Record{Order: firstOrder, Stage: Ended, Job: "job", Holders: []string{"Z"}, Result: &Result{Outcome: o}})
		if r := x.s.Record; r.Result != nil || !r.Parked() || r.Done() {
			t.Fatalf("%+v", r)
		}
		x.do(Called{Caller: 1, Order: firstOrder}).save()
		want[Watch](x)
	}
}

func TestWhoIsToldTheKeyMayComeBack(t *testing.T) {
	begin := func() *script {
		x := newScript(t, quick())
		x.s.Record.Unkeyed = true
		return x.started()
	}
	if x := begin(); !x.s.Record.Unkeyed {
		t.Fatal("nobody was told the key")
	}
	x := begin().do(Left{Caller: 1})
	if r := want[Save](x).Record; r.Unkeyed || r.Done() {
		t.Fatal("whoever left has the key")
	}
	x = begin().do(Closed{})
	if want[Save](x).Record.Unkeyed {
		t.Fatal("whoever was released has the key")
	}
	x = begin().read("waiting", "", nil)
	x.do(Read{Began: x.now, Status: "waiting", Human: true}).pass(2).do(Tick{}).save()
	if want[EndCalls](x); !x.s.Record.Done() {
		t.Fatal("nobody was told the key, and it is kept")
	}
	x.do(Named{})
	if r := want[Save](x).Record; r.Unkeyed || r.Done() || !r.Parked() {
		t.Fatalf("%+v", r)
	}
	x.save()
	if wantNone[Release](x); x.s.Live.Running {
		t.Fatal("it runs on")
	}
	x = begin()
	if x.do(Named{}); want[Save](x).Record.Unkeyed {
		t.Fatal("somebody was told the key")
	}
}

func TestACallWhileTheKeyIsWrittenDownGoesOn(t *testing.T) {
	r := &Record{Order: firstOrder, Stage: Watching, Job: "job", Ours: true, Unkeyed: true, Writer: "Z"}
	x := recovered(t, quick(), r).do(Named{})
	save := want[Save](x)
	x.do(Called{Caller: 1, Order: firstOrder}).do(Saved{Name: save.Name, Revision: 2}).save()
	want[Watch](x)
	wantNone[Release](x)
}

func TestAnOrderOfWhichNothingWasSentMayBeAnother(t *testing.T) {
	other := &Order{Key: "one", Assignment: &duvo.Assignment{ID: "a"}, Input: "do that", StartKey: "key"}
	x := newScript(t, quick()).do(Called{Caller: 1, Order: firstOrder, Queued: true}).do(Left{Caller: 1})
	x.do(Called{Caller: 2, Order: other, Reword: true}).save()
	if o := want[StartJob](x).Order; o.Input != "do that" {
		t.Fatalf("%+v", o)
	}
	if x.do(Called{Caller: 3, Order: firstOrder, Reword: true}); want[Release](x).Cause != CauseKeyReused {
		t.Fatal("it runs, and another order counted")
	}
	x = newScript(t, quick()).started().do(Left{Caller: 1}).save()
	if x.do(Called{Caller: 2, Order: other, Reword: true}); want[Release](x).Cause != CauseKeyReused {
		t.Fatal("a Job was started, and another order counted")
	}
	x = newScript(t, quick()).do(Called{Caller: 1, Order: followOrder})
	page := want[Collect](x).Name
	x.do(Left{Caller: 1}).do(Collected{Name: page, Failed: Down})
	want[Release](x)
	again := *followOrder
	again.After = &FollowUp{Job: "job", Turn: "zero", Text: "and on"}
	if x.do(Called{Caller: 2, Order: &again, Reword: true}); x.s.Record.Message().Text != "and on" {
		t.Fatalf("%+v", x.s.Record.Message())
	}
}

func TestWhoCallsWhileADecisionIsPutOffGetsWhatIsKnown(t *testing.T) {
	x := newScript(t, quick()).decided(&Decision{Verdict: Suspended}).save()
	x.do(Called{Caller: 7, Order: firstOrder})
	if f := want[Interim](x); f.Request != "r0" || !slices.Equal(f.Callers, []int{7}) || x.s.Live.Callers != 0 {
		t.Fatalf("%+v", f)
	}
	x.do(Decide{Request: "r0", Digest: "r0v0", Decision: approval(), Reply: "who"}).save()
	if x.do(Called{Caller: 8, Order: firstOrder}); x.s.Live.Callers != 1 {
		t.Fatal("it was decided, and the caller does not wait")
	}
	wantNone[Interim](x)
}

func TestWhatIsNotOursIsNotTouched(t *testing.T) {
	x := newScript(t, quick()).started().pass(1)
	x.do(Read{Began: x.now, Failed: Foreign}).save()
	if want[Release](x).Cause != CauseForeign || x.s.Record.Result != nil || !x.s.Record.Parked() {
		t.Fatalf("%+v", x.s.Record)
	}

	x = newScript(t, quick()).do(Called{Caller: 1, Order: firstOrder}).save()
	x.do(Sent{Name: want[StartJob](x).Name, Reply: Elsewhere, Text: "of another"}).save()
	if f := want[Release](x); f.Cause != CauseForeign || f.Text != "of another" || !x.s.Record.Start.Earlier || x.s.Record.Job != "" {
		t.Fatalf("%+v", x.s.Record)
	}

	x = newScript(t, quick()).do(Called{Caller: 1, Order: firstOrder}).save()
	x.do(Sent{Name: want[StartJob](x).Name, Job: "job", Status: "running"}).save().pass(1)
	x.do(Read{Began: x.now, Status: "waiting", Human: true, Pending: ticket()}).save()
	wantNone[AskPolicy](x)
	if want[Release](x).Cause != CauseNobodys || len(x.s.Record.Requests) != 0 {
		t.Fatalf("%+v", x.s.Record)
	}
	x.do(Called{Caller: 2, Order: firstOrder}).save().pass(1)
	x.do(Read{Began: x.now, Ours: true, Status: "waiting", Human: true, Pending: ticket()})
	if !want[Save](x).Record.Ours {
		t.Fatal("it is told whose it is, and not recorded")
	}
	want[AskPolicy](x.save())
}
