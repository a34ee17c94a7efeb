package lifecycle

import (
	"slices"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/hitl"
)

// built is a ticket of a Build.
func built(build string) *Ticket { q := ticket(); q.Build = build; return q }

func TestAnotherBuildIsAnotherRequest(t *testing.T) {
	x := newScript(t, quick()).started().read("waiting", "", built("b1")).save()
	if ask := want[AskPolicy](x); x.s.Record.Requests[0].Build != "b1" || ask.Ticket.Build != "b1" {
		t.Fatalf("%+v", x.s.Record.Requests)
	}
	turn := want[AskPolicy](x).Turn
	x.pass(2).do(Answered{Request: "r0", Digest: "r0v0", Turn: turn, Decision: approval()}).save()
	want[ReadNow](x)
	decidedAt := x.s.Record.Requests[0].DecidedAt
	x.read("waiting", "", built("B1")) // the same
	if p := want[Save](x).Record.Requests[0]; p.Stage != Sending {
		t.Fatalf("%+v", p)
	}
	x.pass(3).save()
	x.read("waiting", "", built("b2"))
	r := want[Save](x).Record
	if p := r.Requests[0]; p.Stage != Unasked || p.Build != "b2" || p.FirstSeen != x.now.Wall {
		t.Fatalf("%+v", p)
	}
	if len(r.Past) != 1 || r.Past[0].DecidedAt != decidedAt || r.Past[0].Delivery != Superseded || r.Past[0].Build != "b1" {
		t.Fatalf("%+v", r.Past)
	}
	x.save()
	wantNone[Respond](x)
	if ask := want[AskPolicy](x); ask.Ticket.Build != "b2" {
		t.Fatalf("%+v", ask.Ticket)
	}
}

func TestADecisionIsAboutTheBuildThatWasShown(t *testing.T) {
	x := newScript(t, quick()).started().read("waiting", "", built("b1")).save()
	x.do(Answered{Request: "r0", Digest: "r0v0", Turn: want[AskPolicy](x).Turn, Decision: &Decision{Verdict: Suspended}}).save()
	if x.do(Decide{Request: "r0", Digest: "r0v0", Build: "b0", Decision: approval(), Reply: "who"}); want[TellReply](x).Fate != FateChanged {
		t.Fatal("of another Build, and taken")
	}
	x.do(Decide{Request: "R0", Digest: "r0v0", Build: "B1", Decision: approval(), Reply: "who"})
	if p := want[Save](x).Record.Requests[0]; p.Decision == nil {
		t.Fatal("written in another case, and not taken")
	}
}

func TestARequestIsKnownInWhateverCase(t *testing.T) {
	upper := ticket()
	upper.ID = "R0"
	x := newScript(t, quick()).started().read("waiting", "", ticket()).save()
	turn := want[AskPolicy](x).Turn
	x.pass(2).do(Answered{Request: "R0", Digest: "r0v0", Turn: turn, Decision: approval()}).save()
	x.read("waiting", "", upper)
	if r := want[Save](x).Record; len(r.Requests) != 1 || r.Requests[0].Stage != Sending || r.Requests[0].ID != "r0" {
		t.Fatalf("%+v", r.Requests)
	}
	if want[Respond](x.save()).Request != "r0" {
		t.Fatal("answered as another")
	}
	if a, ok := x.s.Live.Ask("R0"); !ok || a.Ticket != upper {
		t.Fatalf("%+v", a)
	}
	if _, ok := x.s.Live.Ask("r1"); ok || x.s.Record.Request("R1") != nil || !x.s.Wanted() {
		t.Fatal("there is no such request")
	}
}

// nobody is a denial for want of anybody to ask.
func nobody() *Decision {
	return &Decision{Verdict: Denied, Given: hitl.Decision{Source: hitl.SourceNobody}, Nobody: true, Why: "nobody could be asked, and the Job still waits"}
}

func TestNothingIsSentForADecisionWithoutAResponse(t *testing.T) {
	x := newScript(t, with(func(o *Options) { o.StopOnDeniedQuestion = true })).decided(nobody()).save()
	wantNone[Respond](x)
	wantNone[StopJob](x) // that is wished for where a question is denied
	x.pass(2).do(Tick{}).save()
	if f := want[EndCalls](x); f.Note != nobody().Why+"; somebody must look in Duvo" {
		t.Fatalf("%+v", f)
	}

	for name, o := range map[string]Options{"nobody": with(func(o *Options) { o.StopOnNobody = true }), "denied": with(func(o *Options) { o.StopOnDeniedQuestion = true })} {
		d := nobody()
		d.Nobody = name == "nobody"
		x := newScript(t, o).decided(d)
		if want[Save](x).Record.Stop().Asked {
			t.Fatal("a stop is wished for before the decision is recorded")
		}
		if x.save(); !want[Save](x).Record.Stop().Asked {
			t.Fatal("no stop is wished for")
		}
		want[StopJob](x.save())
	}
}

func TestWhatNobodyDecidedIsAskedAgain(t *testing.T) {
	x := newScript(t, quick()).decided(nobody()).save()
	if x.do(Called{Caller: 2, Order: firstOrder}); x.s.Record.Requests[0].Stage != Stuck {
		t.Fatal("asked again while it is worked on")
	}
	x.pass(2).do(Tick{}).save()
	want[EndCalls](x)
	first := x.s.Record.Requests[0].FirstSeen
	x.do(Called{Caller: 3, Order: firstOrder})
	r := want[Save](x).Record
	if p := r.Requests[0]; p.Stage != Unasked || p.Decision != nil || p.FirstSeen != first {
		t.Fatalf("%+v", p)
	}
	if len(r.Past) != 1 || r.Past[0].Delivery != Superseded || !r.Past[0].Decision.Nobody {
		t.Fatalf("%+v", r.Past)
	}
	x.save().read("waiting", "", ticket())
	want[AskPolicy](x)

	denied := nobody()
	denied.Nobody = false // somebody denied a question: that counts
	x = newScript(t, quick()).decided(denied).save().pass(2).do(Tick{}).save()
	if x.do(Called{Caller: 3, Order: firstOrder}); x.s.Record.Requests[0].Stage != Stuck || x.s.Record.Past != nil {
		t.Fatalf("%+v", x.s.Record)
	}
}

func TestWhatNobodyDecidedAndSomebodyElseDoes(t *testing.T) {
	for _, stop := range []bool{false, true} {
		x := newScript(t, quick()).decided(nobody()).save()
		if stop {
			x.do(StopAsked{By: "who"}).save()
			x.do(Sent{Name: want[StopJob](x).Name})
		}
		x.read("running", "", nil)
		p := x.s.Record.Requests[0]
		if p.Stage != Settled || (p.Delivery == Superseded) == stop {
			t.Fatalf("%v: %+v", stop, p)
		}
		if f := want[Save](x); !slices.ContainsFunc(f.Lines, func(l Line) bool { return l.Kind == LineElsewhere }) {
			t.Fatalf("%+v", f.Lines)
		}
	}
}

func TestReasonsTellWhyInWordsThatAreSafe(t *testing.T) {
	denied := func(title, reason string, from hitl.Source, d Delivery) Request {
		return Request{ID: title, Title: title, Delivery: d, Decision: &Decision{Verdict: Denied, Given: hitl.Decision{Reason: reason, Source: from}}}
	}
	r := Record{Requests: []Request{denied("a\nb", "too\nmuch", "", Accepted), denied("late", "nobody came", hitl.SourceTimeout, Unconfirmed),
		denied("gone", "no", "", Superseded), denied("silent", "", "", Accepted)}}
	got := r.reasons()
	if n := strings.Count(got, "\n"); n != 1 || !strings.Contains(got, `The request "late" was not approved in time: nobody came`) || !strings.Contains(got, " was denied: ") {
		t.Fatalf("%q", got)
	}
	if strings.Contains(got, "gone") || strings.Contains(got, "silent") {
		t.Fatalf("%q", got)
	}
}
