package lifecycle

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// A script drives one operation by hand.
type script struct {
	t    *testing.T
	s    State
	now  Moment
	last []Effect // of the latest event
	put  Save     // the latest
}

func newScript(t *testing.T, o Options) *script {
	return &script{t: t, s: Make(&o, "A0", "own"), now: Moment{Wall: 1000, Mono: 1000}}
}

func (x *script) do(e Event) *script {
	x.t.Helper()
	before := x.s
	x.s, x.last = traced(before, e, x.now, stages{})
	for _, f := range x.last {
		if s, ok := f.(Save); ok {
			x.put = s
		}
	}
	return x
}

func (x *script) pass(d time.Duration) *script { x.now = x.now.Add(d); return x }

// want returns the effect of a type that the latest event has had.
func want[T Effect](x *script) T {
	x.t.Helper()
	for _, f := range x.last {
		if e, ok := f.(T); ok {
			return e
		}
	}
	var none T
	x.t.Fatalf("no %T among %s", none, kinds(x.last))
	return none
}

func wantNone[T Effect](x *script) {
	x.t.Helper()
	for _, f := range x.last {
		if e, ok := f.(T); ok {
			x.t.Fatalf("unwanted: %T", e)
		}
	}
}

func kinds(effects []Effect) string {
	var b strings.Builder
	for _, f := range effects {
		b.WriteString(strings.TrimPrefix(typeName(f), "lifecycle.") + " ")
	}
	return b.String()
}

// save answers the Save that was asked for.
func (x *script) save() *script {
	x.t.Helper()
	if x.s.Live.Exchange.Kind != Saving {
		x.t.Fatalf("no Save is in flight; last came %s", kinds(x.last))
	}
	if x.put.LinesOnly {
		return x.do(Saved{Name: x.put.Name, Revision: x.put.Revision})
	}
	return x.do(Saved{Name: x.put.Name, Revision: x.put.Revision + 1})
}

// saves answers Saves until there is none.
func (x *script) saves() *script {
	for x.s.Live.Exchange.Kind == Saving {
		x.save()
	}
	return x
}

func (x *script) read(status string, end Outcome, q *Ticket) *script {
	x.t.Helper()
	x.now.Mono++
	x.now.Wall++
	return x.do(Read{Began: x.now, Ours: true, Status: status, End: end, Human: q != nil, Pending: q, Updated: Time(x.now.Mono)})
}

// started starts the Job.
func (x *script) started() *script {
	x.t.Helper()
	x.do(Called{Caller: 1, Order: firstOrder}).save()
	return x.do(Sent{Name: want[StartJob](x).Name, Job: "job", Status: "running", Ours: true}).save()
}

func ticket() *Ticket { return &Ticket{ID: "r0", Digest: "r0v0", Kind: "approval", Known: true} }

func approval() *Decision {
	return &Decision{Verdict: Approved, Body: json.RawMessage(`{"approved":true}`), Key: "k"}
}

// decided brings the Job to a request and lets the policy approve it.
func (x *script) decided(d *Decision) *script {
	x.t.Helper()
	x.started().read("waiting", "", ticket()).save()
	return x.do(Answered{Request: "r0", Digest: "r0v0", Turn: want[AskPolicy](x).Turn, Decision: d})
}

func TestAnswersThatNobodyWaitsForAreIgnored(t *testing.T) {
	x := newScript(t, quick()).do(Called{Caller: 1, Order: firstOrder}).save()
	start := want[StartJob](x)
	x.do(Sent{Name: start.Name, Job: "job", Ours: true})
	save := want[Save](x)
	for _, e := range []Event{Sent{Name: start.Name, Job: "other"}, Sent{Name: save.Name, Job: "other"}, Saved{Name: start.Name, Revision: 9},
		Conflict{Name: 0}, Sent{}, Located{Job: "other"}, Checked{Allowed: true}, Collected{}, Staged{}} {
		if x.do(e); len(x.last) != 0 || x.s.Record.Job != "job" {
			t.Fatalf("%T: %s, Job %s", e, kinds(x.last), x.s.Record.Job)
		}
	}
	x.do(Saved{Name: save.Name, Revision: 2})
	x.read("waiting", "", ticket()).save()
	turn := want[AskPolicy](x).Turn
	x.do(Answered{Request: "r0", Digest: "r0v0", Turn: turn + 1, Decision: approval()})
	wantNone[Save](x)
	x.do(Answered{Request: "r0", Digest: "r0v0", Turn: turn, Decision: approval()})
	save = want[Save](x)
	x.do(Answered{Request: "r0", Digest: "r0v0", Turn: turn, Decision: &Decision{Verdict: Denied}})
	x.do(Saved{Name: save.Name, Revision: save.Revision + 1})
	if v := x.s.Record.Requests[0].Decision.Verdict; v != Approved {
		t.Fatalf("the second answer counted: %s", v)
	}
}

func TestOnesOwnWriteIsKnownAgain(t *testing.T) {
	x := newScript(t, quick()).started().read("waiting", "", ticket())
	lost := want[Save](x)
	x.do(SaveFailed{Name: lost.Name})
	wantNone[Release](x)
	x.pass(5).do(Tick{})
	again := want[Save](x)
	if again.Record.Serial == lost.Record.Serial {
		t.Fatal("two writes of one serial")
	}
	x.do(Conflict{Name: again.Name, Record: again.Record, Revision: 4})
	want[AskPolicy](x)
	if x.s.Live.Revision != 4 {
		t.Fatalf("at revision %d", x.s.Live.Revision)
	}
}

func TestADecisionOfAnotherProcessWins(t *testing.T) {
	x := newScript(t, with(func(o *Options) { o.DecisionMax = 100 })).decided(approval())
	save := want[Save](x)
	theirs := *save.Record
	theirs.Writer, theirs.Requests = "B0", slices.Clone(theirs.Requests)
	denial := &Decision{Verdict: Denied, Body: json.RawMessage(`{"approved":false}`), Key: "k"}
	theirs.Requests[0].Decision = denial
	x.do(Conflict{Name: save.Name, Record: &theirs, Revision: 7})
	if x.s.Record.Requests[0].Decision != denial {
		t.Fatal("the other decision is lost")
	}
}

func TestAStrangersRecordEndsTheRun(t *testing.T) {
	x := newScript(t, quick()).do(Called{Caller: 1, Order: firstOrder})
	x.do(Conflict{Name: want[Save](x).Name, Record: &Record{Order: &Order{Key: "one", Assignment: &duvo.Assignment{ID: "b"}}, Writer: "B0"}, Revision: 1})
	x.saves()
	if f := want[Release](x); f.Cause != CauseKeyReused {
		t.Fatalf("released: %s", f.Cause)
	}
	wantNone[StartJob](x)
}

func TestAFencedProcessSendsNothing(t *testing.T) {
	x := newScript(t, quick()).decided(approval())
	x.do(SaveFailed{Name: want[Save](x).Name, Fenced: true})
	if f := want[Release](x); f.Cause != CauseFenced {
		t.Fatalf("released: %s", f.Cause)
	}
	wantNone[Save](x)
}

func TestPagesThatAreTooLargeAreAskedForInSmallerOnes(t *testing.T) {
	x := newScript(t, with(func(o *Options) { o.PageSize = 4; o.MaxMessages = 10 })).started().read("completed", Completed, nil)
	var limits []int
	for range 3 {
		c := want[Collect](x)
		limits = append(limits, c.Limit)
		x.do(Collected{Name: c.Name, Failed: TooLarge})
	}
	c := want[Collect](x)
	if !slices.Equal(limits, []int{4, 2, 1}) || c.After != 1 {
		t.Fatalf("asked for %v, then after %d", limits, c.After)
	}
	x.do(Collected{Name: c.Name, Count: 1, More: true, Part: TranscriptIn(json.RawMessage(`["a"]`)), Output: "first"})
	c = want[Collect](x)
	x.do(Collected{Name: c.Name, Failed: Down})
	wantNone[Finish](x)
	x.pass(5).do(Tick{})
	x.do(Collected{Name: want[Collect](x).Name, Count: 1, Part: TranscriptIn(json.RawMessage(`["b","c"]`)), Output: "last"}).save()
	r := x.s.Record.Result
	if want[Finish](x); r.Output != "last" || string(r.Messages.text) != `["a","b","c"]` || !strings.Contains(x.s.Record.Note, "too large") {
		t.Fatalf("%+v, %s", r, x.s.Record.Note)
	}
}

func TestMessagesThatAreTooManyAreCutOff(t *testing.T) {
	x := newScript(t, with(func(o *Options) { o.PageSize = 4; o.MaxMessages = 4 })).started().read("failed", Failed, nil)
	x.do(Collected{Name: want[Collect](x).Name, Count: 4, More: true, Part: TranscriptIn(json.RawMessage(`["a"]`)), Output: "so far"}).save()
	r := x.s.Record.Result
	if r.Outcome != Failed || r.Output != "so far" || string(r.Messages.text) != `["a"]` || !strings.Contains(x.s.Record.Note, "more messages") {
		t.Fatalf("%+v, %s", r, x.s.Record.Note)
	}
}

func TestACorrectionIsAskedForOnce(t *testing.T) {
	x := newScript(t, with(func(o *Options) { o.Correct = true; o.Lag = 100 })).started().read("completed", Completed, nil)
	bad := Collected{Count: 2, Output: "words", Problem: "it holds no JSON", Correct: "once more"}
	bad.Name = want[Collect](x).Name
	x.do(bad).pass(2).save()
	want[ReadNow](x)
	x.read("completed", Completed, nil).save()
	post := want[Post](x)
	if post.Text != "once more" || post.Window.To.Mono > x.now.Mono+1 {
		t.Fatalf("%+v", post)
	}
	before := x.s.Record.Message().Before
	if x.s.Record.ReasonsPosted {
		t.Fatal("no reasons were told")
	}
	x.do(Sent{Name: post.Name}).save()
	x.do(Read{Began: x.now, Status: "completed", End: Completed, Updated: before})
	wantNone[Collect](x) // of its first end
	x.read("completed", Completed, nil)
	bad.Name = want[Collect](x).Name
	x.do(bad).save()
	wantNone[Post](x)
	if want[Finish](x); x.s.Record.Result.Data != nil || !strings.Contains(x.s.Record.Note, "also after it was asked to correct it: it holds no JSON") {
		t.Fatalf("%+v", x.s.Record)
	}
}

func TestADeniedQuestionIsNeverAnswered(t *testing.T) {
	q := ticket()
	q.Question = true
	x := newScript(t, quick()).started().read("waiting", "", q).save()
	x.do(Answered{Request: "r0", Digest: "r0v0", Turn: want[AskPolicy](x).Turn, Decision: &Decision{Verdict: Denied, Why: "it was denied"}}).save()
	wantNone[Respond](x)
	x.pass(2).do(Tick{}).save()
	if f := want[EndCalls](x); f.Outcome != Pending || !strings.Contains(f.Note, "denied") || x.s.Record.Result != nil {
		t.Fatalf("%+v, %+v", f, x.s.Record)
	}
}

func TestAGoneJobIsTakenUpWhenItIsSeen(t *testing.T) {
	x := newScript(t, quick()).started()
	for range 4 {
		if x.pass(1).do(Read{Began: x.now, Failed: Missing}); x.s.Record.Result != nil {
			break
		}
	}
	x.save()
	if x.s.Record.Result.Outcome != Gone {
		t.Fatalf("%+v", x.s.Record.Result)
	}
	x.do(Seen{}).save()
	want[Watch](x)
	if x.s.Record.Result != nil || x.s.Record.Stage != Watching || x.s.Record.Parked() {
		t.Fatalf("%+v", x.s.Record)
	}
}

func TestWhatComesAfterClose(t *testing.T) {
	x := newScript(t, quick()).started().read("waiting", "", ticket()).save()
	x.do(Closed{})
	if want[EndAsk](x).Cause != AskClosed {
		t.Fatal("it is asked on")
	}
	if r := want[Save](x).Record; r.Parked() || !slices.Equal(r.Holders, []string{Orphan}) {
		t.Fatalf("the next process does not take it up: %v", r.Holders)
	}
	x.save()
	if f := want[Release](x); f.Cause != CauseClosed {
		t.Fatalf("released: %s", f.Cause)
	}
	x.do(Decide{Request: "r0", Digest: "r0v0", Decision: approval(), Reply: "who"})
	if f := want[TellReply](x); f.Fate != FateClosed {
		t.Fatalf("told: %s", f.Fate)
	}
	x.do(Called{Caller: 2, Order: firstOrder})
	if f := want[Release](x); f.Cause != CauseClosed || !slices.Equal(f.Callers, []int{2}) {
		t.Fatalf("%+v", f)
	}
}

func TestADecisionFromOutside(t *testing.T) {
	x := newScript(t, quick()).decided(&Decision{Verdict: Suspended}).save()
	want[Interim](x)
	fate := func(digest string) Fate {
		x.pass(2).do(Decide{Request: "r0", Digest: digest, Decision: approval(), Reply: "who"})
		for _, f := range x.last {
			if r, ok := f.(TellReply); ok {
				return r.Fate
			}
		}
		return ""
	}
	if f := fate("another"); f != FateChanged {
		t.Fatal(f)
	}
	if f := fate("r0v0"); f != "" {
		t.Fatal(f)
	}
	x.pass(2).save()
	if f := fate("r0v0"); f != FateDecided {
		t.Fatal(f)
	}
	x.read("waiting", "", ticket()).save()
	x.do(Sent{Name: want[Respond](x).Name}).save()
	if f := want[TellReply](x); f.Fate != FateTaken {
		t.Fatal(f.Fate)
	}
}

func TestAPersonFindsThatNothingWasStarted(t *testing.T) {
	o := with(func(o *Options) { o.StartMax = 3 })
	doubt := &Record{Order: firstOrder, Stage: Starting, Writer: "Z", Start: Attempt{First: 900, Until: 901, Open: true}, Holders: []string{"Z"}}
	x := &script{t: t, now: Moment{Wall: 1000, Mono: 1000}}
	x.s = Recover(doubt, 1, &o, "A0", "own", x.now)
	x.do(Resumed{Alone: true}).save()
	for x.s.Record.Result == nil {
		x.pass(1).do(Tick{})
	}
	x.save()
	if !x.s.Record.Barred() || x.s.Record.Result.Outcome != Unknown {
		t.Fatalf("%+v", x.s.Record)
	}
	x.do(Called{Caller: 1, Order: firstOrder})
	wantNone[StartJob](x)
	x.do(Reconciled{By: "who"}).save()
	if f := want[Release](x); f.Cause != CauseNotStarted || x.s.Record.Barred() || x.s.Record.Stage != New {
		t.Fatalf("%s, %+v", f.Cause, x.s.Record)
	}
	x.do(Called{Caller: 1, Order: firstOrder}).save().save()
	want[StartJob](x)
}
