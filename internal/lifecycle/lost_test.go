package lifecycle

import (
	"strings"
	"testing"
)

// missing answers what is asked about messages until nothing more is.
func (x *script) missing(most int) *script {
	x.t.Helper()
	for range most {
		if x.s.Live.Exchange.Kind != Fetching {
			break
		}
		x.do(Collected{Name: x.s.Live.Exchange.Name, Failed: Missing}).pass(2).do(Tick{})
	}
	return x
}

func TestMessagesThatAreNotFoundOnceAreReadAgain(t *testing.T) {
	x := newScript(t, quick()).started().read("completed", Completed, nil).missing(2)
	if x.s.Record.Result != nil {
		t.Fatalf("%+v", x.s.Record)
	}
	x.do(Collected{Name: x.s.Live.Exchange.Name, Count: 2, Output: "done"}).saves()
	if r := x.s.Record; r.Result == nil || r.Result.Output != "done" || r.Note != "" {
		t.Fatalf("%+v, %s", r.Result, r.Note)
	}
}

func TestMessagesThatAreNotFoundForLongAreLost(t *testing.T) {
	x := newScript(t, with(func(o *Options) { o.Correct = true })).started().read("completed", Completed, nil).missing(5).saves()
	if r := x.s.Record; r.Result == nil || r.Result.Outcome != Completed || r.Note != "its messages are no longer there" {
		t.Fatalf("%+v, %s", r.Result, r.Note)
	}
	x = newScript(t, quick()).started().read("completed", Completed, nil).do(Renewed{Print: "other"}).missing(5)
	if x.s.Record.Result != nil {
		t.Fatal("another credential may not see them")
	}
}

func TestAJobThatGoesBeforeItsMessagesAreReadHasEndedAsItHad(t *testing.T) {
	x := newScript(t, quick()).started().read("completed", Completed, nil)
	for range 4 {
		x.do(Collected{Name: x.s.Live.Exchange.Name, Failed: Down})
		x.pass(1).do(Read{Began: x.now, Failed: Missing}).pass(1).do(Tick{})
	}
	x.saves()
	if r := x.s.Record; r.Result == nil || r.Result.Outcome != Completed || !strings.Contains(r.Note, "no longer there") {
		t.Fatalf("%+v, %s", r.Result, r.Note)
	}
}

func TestAJobThatIsGoneIsNotTalkedTo(t *testing.T) {
	x := newScript(t, quick()).do(Called{Caller: 1, Order: followOrder})
	for range 4 {
		if x.s.Live.Exchange.Kind == Fetching {
			x.do(Collected{Name: x.s.Live.Exchange.Name, Failed: Missing})
		}
		x.pass(1).do(Read{Began: x.now, Failed: Missing}).pass(1).do(Tick{})
	}
	x.saves()
	if r := x.s.Record; r.Result == nil || r.Result.Outcome != Gone {
		t.Fatalf("%s, %+v", r.Stage, r.Result)
	}
}

func TestARequestThatComesBackAfterARefusalIsNotDecidedAgain(t *testing.T) {
	for _, text := range []string{"r0v0", "r0v1"} {
		x := newScript(t, quick()).decided(approval()).save().save()
		x.do(Sent{Name: want[Respond](x).Name, Reply: Refusal}).saves().pass(1).read("running", "", nil).saves()
		if p := x.s.Record.Requests[0]; p.Stage != Settled || p.Delivery != Superseded {
			t.Fatalf("%+v", p)
		}
		q := ticket()
		q.Digest = text
		x.pass(1).read("waiting", "", q).saves()
		wantNone[AskPolicy](x)
		if p := x.s.Record.Requests[0]; p.Stage != Settled {
			t.Fatalf("%+v", p)
		}
	}
}
