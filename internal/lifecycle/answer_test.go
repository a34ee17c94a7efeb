package lifecycle

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/hitl"
)

// unfit is an answer that does not fit.
func unfit(x *script) Collected {
	x.t.Helper()
	return Collected{Name: want[Collect](x).Name, Count: 2, Output: "words", Problem: "it holds no JSON", Correct: "once more"}
}

// correcting brings a Job to where its correction is to be posted.
func correcting(t *testing.T, o Options) *script {
	o.Correct = true
	x := newScript(t, o).started().read("completed", Completed, nil)
	x.do(unfit(x)).pass(2).save().read("completed", Completed, nil).save()
	return x
}

func TestAJobThatIsSilentHasTimeToCorrectItsAnswer(t *testing.T) {
	x := correcting(t, with(func(o *Options) { o.Post, o.Settle = 3, 7 }))
	x.do(Sent{Name: want[Post](x).Name}).save().pass(2).read("completed", Completed, nil)
	e := unfit(x)
	e.Silent = true
	x.do(e)
	wantNone[Save](x)
	if w := want[Wake](x); w.At <= x.now.Mono || w.At > x.now.Mono+10 {
		t.Fatalf("%+v", w)
	}
	x.pass(10).do(Tick{})
	fits := Collected{Name: want[Collect](x).Name, Count: 4, Data: json.RawMessage(`1`)}
	if x.do(fits).save(); string(x.s.Record.Result.Data) != "1" || x.s.Record.Note != "" {
		t.Fatalf("%+v", x.s.Record)
	}

	x = correcting(t, with(func(o *Options) { o.Post, o.Settle = 3, 7 }))
	x.do(Sent{Name: want[Post](x).Name}).save().pass(20).read("completed", Completed, nil)
	e = unfit(x)
	e.Silent = true
	if x.do(e).save(); x.s.Record.Result == nil {
		t.Fatal("it is waited for without end")
	}
}

func TestWhatIsNotedOfAnAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		sent   Proof
		end    Outcome
		status string
		note   string
	}{
		"silent":    {OK, Completed, "completed", "its answer is not what was asked for, also after it was asked to correct it: it holds no JSON"},
		"fails":     {OK, Failed, "failed", "it had completed, and ended so after it was asked to correct the form of its answer"},
		"not asked": {Refusal, Completed, "completed", "it could not be asked to correct its answer; its answer is not what was asked for: it holds no JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			x := correcting(t, quick())
			x.do(Sent{Name: want[Post](x).Name, Reply: c.sent}).saves().pass(5).read(c.status, c.end, nil).saves()
			x.do(unfit(x)).saves()
			if r := x.s.Record; r.Result == nil || r.Result.Outcome != c.end || r.Note != c.note || r.Result.Data != nil {
				t.Fatalf("%+v: %s", r.Result, r.Note)
			}
		})
	}
	x := newScript(t, with(func(o *Options) { o.Correct = true })).started().read("failed", Failed, nil)
	if x.do(unfit(x)).saves(); x.s.Record.Note != "" || x.s.Record.Result == nil {
		t.Fatalf("%q", x.s.Record.Note)
	}
}

func TestReasonsThatAreNotTold(t *testing.T) {
	denial := func() *Decision {
		return &Decision{Verdict: Denied, Body: json.RawMessage(`{}`), Given: hitl.Decision{Reason: "no"}}
	}
	for note, e := range map[string]Sent{
		"the reasons of denials could not be told to the Job": {Reply: Refusal},
		"": {},
	} {
		x := newScript(t, with(func(o *Options) { o.TellReason = true })).decided(denial()).save().save()
		x.do(Sent{Name: want[Respond](x).Name}).save().read("completed", Completed, nil).saves()
		x.do(Collected{Name: want[Collect](x).Name, Count: 2}).saves()
		e.Name = want[Post](x).Name
		x.do(e).saves().pass(3).read("completed", Completed, nil).saves()
		x.do(Collected{Name: want[Collect](x).Name, Count: 3}).saves()
		if r := x.s.Record; r.Result == nil || r.Note != note {
			t.Fatalf("%+v: %q", r.Result, r.Note)
		}
	}
	x := newScript(t, with(func(o *Options) { o.TellReason = true })).decided(denial()).save().save()
	x.do(Sent{Name: want[Respond](x).Name}).save().read("completed", Completed, nil).saves()
	page := want[Collect](x).Name
	x.pass(3).do(Collected{Name: page, Count: 2}).saves().read("failed", Failed, nil).saves().read("failed", Failed, nil)
	x.do(Collected{Name: want[Collect](x).Name, Count: 2}).saves()
	if r := x.s.Record; r.Result == nil || r.Note != "the reasons of denials were not told to the Job" {
		t.Fatalf("%+v: %q", r.Result, r.Note)
	}
}

func TestAStoppedJobIsToldNothingMore(t *testing.T) {
	x := newScript(t, with(func(o *Options) { o.Correct = true })).started().do(StopAsked{By: "who"}).save()
	x.do(Sent{Name: want[StopJob](x).Name}).read("completed", Completed, nil)
	if x.do(unfit(x)).saves(); x.s.Record.Result == nil {
		t.Fatal("it was to be stopped, and is told to go on")
	}
	wantNone[Post](x)
}

func TestWhatAFollowUpAddsAndGetsBack(t *testing.T) {
	x := newScript(t, with(func(o *Options) { o.Correct = true })).do(Called{Caller: 1, Order: followOrder})
	x.do(Collected{Name: want[Collect](x).Name, Count: 3, Added: "go on"}).read("completed", Completed, nil)
	if m := want[Save](x).Record.Message(); m.Added != "go on" || m.After != 3 {
		t.Fatalf("%+v", m)
	}
	x.saves()
	x.do(Sent{Name: want[Post](x).Name}).saves().pass(2).read("completed", Completed, nil).saves()
	if c := want[Collect](x); c.After != 3 {
		t.Fatalf("%+v", c)
	}
	x.do(Collected{Name: want[Collect](x).Name, Count: 2, Part: TranscriptIn(json.RawMessage(`["m"]`)), Problem: "it holds no JSON"}).saves()
	if r := x.s.Record; r.Note != "" || string(r.Result.Messages.text) != `["m"]` {
		t.Fatalf("%+v: %s", r.Result, r.Note)
	}

	x = newScript(t, quick()).do(Called{Caller: 1, Order: followOrder})
	x.do(Collected{Name: want[Collect](x).Name, Count: 3, Problem: "it is too much"}).saves()
	x.do(Loaded{Name: want[Load](x).Name}) // another process has recorded nothing
	if f := want[Release](x); f.Cause != CauseRefused || f.Text != "it is too much" || x.s.Record.Stage != New {
		t.Fatalf("%+v", f)
	}
}

func TestOneExchangeReadsAllMessages(t *testing.T) {
	for limit, half := range map[int]int{0: 1, 80: 40} {
		x := newScript(t, with(func(o *Options) { o.PageSize, o.MaxMessages = 0, limit })).started().read("completed", Completed, nil)
		c := want[Collect](x)
		if c.Limit != limit {
			t.Fatalf("%+v", c)
		}
		if x.do(Collected{Name: c.Name, Failed: TooLarge}); want[Collect](x).Limit != half {
			t.Fatalf("%+v", want[Collect](x))
		}
	}
}

func TestAnotherOperationHasTheJobOrTheRequest(t *testing.T) {
	o := with(func(o *Options) { o.Claims = true })
	x := newScript(t, o).do(Called{Caller: 1, Order: followOrder}).save()
	x.do(Claimed{Name: want[Claim](x).Name, TakenBy: "other"}).saves()
	if f := want[Release](x); f.Cause != CauseTaken || f.Text != "other" || !x.s.Record.Parked() {
		t.Fatalf("%+v", f)
	}

	x = newScript(t, o).decided(&Decision{Verdict: Suspended}).save()
	x.do(Decide{Request: "r0", Digest: "r0v0", Decision: approval(), Reply: "who"}).save()
	x.do(Claimed{Name: want[Claim](x).Name, TakenBy: "denied by kim"})
	if want[TellReply](x).Fate != FateDecided {
		t.Fatal("who decided is not told that another had")
	}
	f := want[Save](x)
	p := f.Record.Requests[0]
	if p.Stage != Settled || p.Delivery != Superseded || !strings.HasSuffix(f.Record.Note, `was decided by another operation on the same Job: denied by kim`) {
		t.Fatalf("%+v: %s", p, f.Record.Note)
	}
	if len(linesOf(f, LineNotCounted)) != 1 || len(linesOf(f, LineElsewhere)) != 1 || len(linesOf(f, LineSent)) != 0 {
		t.Fatalf("%+v", f.Lines)
	}
	x.save().do(Called{Caller: 2, Order: firstOrder}).read("waiting", "", ticket()).pass(3).do(Tick{}).saves()
	if f := want[EndCalls](x); f.Note != "another operation has decided the request, and the Job still waits; somebody must look in Duvo" {
		t.Fatalf("%+v", f)
	}
}

func TestWhatARuleDeniesByNow(t *testing.T) {
	earlier := func(stage RequestStage) *script {
		r := &Record{Order: firstOrder, Stage: Watching, Job: "job", Ours: true, Writer: "Z", Credential: "own",
			Requests: []Request{{ID: "r0", Digest: "r0v0", Stage: stage, Decision: approval(), DecidedAt: 999}}}
		r.Requests[0].Attempt.Earlier = stage == Sending
		x := recovered(t, with(func(o *Options) { o.Settle = 0 }), r).do(Called{Caller: 1, Order: firstOrder}).save().pass(5).read("waiting", "", ticket())
		return x.do(Checked{Name: want[CheckRules](x).Name})
	}
	x := earlier(Decided)
	if r := want[Save](x).Record; r.Requests[0].Stage != Unasked || len(r.Past) != 1 || r.Past[0].Delivery != Superseded || r.Note != "" {
		t.Fatalf("%+v", r)
	}
	want[AskPolicy](x.save())
	x = earlier(Sending)
	if r := want[Save](x).Record; r.Requests[0].Stage != Stuck || r.Requests[0].Delivery != Unconfirmed || !strings.Contains(r.Note, "the policy denies by now what it says") {
		t.Fatalf("%+v", r)
	}
}

// lost is an operation whose outcome is unknown.
func lost() *Record {
	return &Record{Order: firstOrder, Stage: Ended, Writer: "Z", Serial: 4, Start: Attempt{First: 900, Until: 901, Earlier: true}, Note: "its start was sent", Result: &Result{Outcome: Unknown}}
}

func TestWhatAPersonHasFoundCountsOnceItIsRecorded(t *testing.T) {
	found := Reconciled{Job: "job", By: "kim", Created: 950, Build: "b1", Status: "running"}
	x := recovered(t, quick(), lost()).do(found)
	if r := want[Save](x).Record; r.Created != 950 || r.Build != "b1" || r.Status != "running" || r.Result != nil {
		t.Fatalf("%+v", r)
	}
	if x.save(); x.s.Live.Reconciling != nil {
		t.Fatal("it is recorded")
	}
	want[Watch](x)

	for _, e := range []Reconciled{found, {By: "kim"}} {
		x := recovered(t, quick(), lost()).do(e)
		x.do(SaveFailed{Name: x.put.Name})
		r := x.s.Record
		if r.Result == nil || r.Result.Outcome != Unknown || r.Job != "" || r.Note != "its start was sent" || !r.Barred() {
			t.Fatalf("%+v", r)
		}
		if n := linesOf(want[Save](x), LineNotCounted); len(n) != 1 || n[0].Request != "" {
			t.Fatalf("%+v", n)
		}
		x.do(SaveFailed{Name: x.put.Name})
		if f := want[Release](x); f.Cause != CauseJournal {
			t.Fatalf("%+v", f)
		}
		x.do(found).save()
		want[Watch](x)
	}
}

func TestWhatAPersonHasFoundAndTheJournalHoldsAllTheSame(t *testing.T) {
	x := recovered(t, quick(), lost()).do(Reconciled{Job: "job", By: "kim"})
	landed := x.put
	x.do(SaveFailed{Name: landed.Name})
	x.do(Conflict{Name: x.put.Name, Record: landed.Record, Revision: landed.Revision + 1})
	if x.s.Record.Job != "job" || x.s.Record.Result != nil || !x.s.Wanted() {
		t.Fatalf("%+v", x.s.Record)
	}
}

func TestAPersonMayBeWrongAboutTheJob(t *testing.T) {
	x := recovered(t, with(func(o *Options) { o.Claims = true }), lost()).do(Reconciled{Job: "job", By: "kim"}).save()
	x.do(Claimed{Name: want[Claim](x).Name, TakenBy: "other"}).saves()
	if f := want[Release](x); f.Cause != CauseTaken {
		t.Fatalf("%+v", f)
	}
	if r := x.s.Record; r.Job != "" || r.Result == nil || r.Result.Outcome != Unknown {
		t.Fatalf("%+v", r)
	}
}
