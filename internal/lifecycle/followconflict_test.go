package lifecycle

import (
	"slices"
	"testing"
)

// A follow-up that another process has given up, because a third one talked to the
// Job, says its message again: it never starts a Job.
func TestAFollowUpGivenUpElsewhereStartsNoJob(t *testing.T) {
	for _, job := range []string{"job", ""} { // as it is given up before and after the Job was claimed
		x := newScript(t, with(func(o *Options) { o.Claims = true })).do(Called{Caller: 1, Order: followOrder})
		mine := want[Save](x)
		theirs := *mine.Record
		theirs.Writer, theirs.Serial, theirs.Holders = "B0", 7, nil
		theirs.Stage, theirs.Job, theirs.Latest = New, job, nil
		x.do(Conflict{Name: mine.Name, Record: &theirs, Revision: 9})
		wantNone[StartJob](x)
		for x.s.Live.Exchange.Kind == Saving {
			x.save()
			wantNone[StartJob](x)
		}
		if f := want[Claim](x); f.Job != "job" {
			t.Fatalf("%+v", f)
		}
		x.do(Claimed{Name: want[Claim](x).Name})
		wantNone[StartJob](x)
		if r := x.s.Record; r.Stage != Posting || r.Job != "job" || r.Message().Text != followOrder.After.Text {
			t.Fatalf("%+v", r)
		}
	}
}

// What a person has found about a message, and could not record, does not count
// against what the journal holds all the same: neither this person's word that landed
// nor another's.
func TestAMessageThatAPersonHasFoundElsewhere(t *testing.T) {
	lost := &Record{Order: followOrder, Stage: Ended, Writer: "Z", Serial: 4, Job: "job", Note: "its message was sent",
		Latest: &Message{Kind: FollowUpMessage, Text: "go on", Key: "key", Attempt: Attempt{First: 900, Until: 901, Earlier: true}}, Result: &Result{Outcome: Unknown}}
	for _, e := range []Reconciled{{By: "kim"}, {By: "kim", Job: "job"}} {
		for _, writer := range []string{"A0", "B0"} {
			x := recovered(t, quick(), lost).do(e)
			landed, revision := *x.put.Record, x.put.Revision
			if writer == "B0" {
				landed.Writer, landed.Serial = "B0", 1
			}
			x.do(SaveFailed{Name: x.put.Name})
			x.do(Conflict{Name: x.put.Name, Record: &landed, Revision: revision + 1})
			r := x.s.Record
			if r.Result != nil || r.Stage != landed.Stage && r.Stage != Posting {
				t.Fatalf("%s found %q: %+v", writer, e.Job, r)
			}
			wantNone[StartJob](x)
		}
	}
}

// What a Job does after its outcome is known, because somebody goes on with it, is
// nothing of this operation's, however long the outcome waits for a full disk.
func TestWhatFollowsTheOutcomeIsNotTold(t *testing.T) {
	x := newScript(t, quick()).started().read("completed", Completed, nil).saves()
	x.do(Collected{Name: want[Collect](x).Name, Output: "done"})
	x.do(SaveFailed{Name: want[Save](x).Name})
	want[Finish](x)
	x.read("running", "", nil)
	wantNone[Tell](x)
	if r := x.s.Record; r.Status != "completed" || r.Result == nil {
		t.Fatalf("%+v", r)
	}
	x.do(Read{Began: x.now.Add(1), Failed: Missing})
	wantNone[Tell](x)
}

// A follow-up whose message was posted keeps that, also where its turn cannot be had
// when it is taken up again: another one may be looking whether it is free.
func TestWhatWasPostedOutlivesATurnThatIsTaken(t *testing.T) {
	posted := &Record{Order: followOrder, Stage: Watching, Writer: "Z", Serial: 4, Job: "job", Status: "waiting", Ours: true, Holders: []string{"Z"},
		Latest: &Message{Kind: FollowUpMessage, Text: "go on", Key: "key", Posted: true, Attempt: Attempt{Until: 900}}}
	x := recovered(t, with(func(o *Options) { o.Claims, o.Attempts = true, 3 }), posted).do(Resumed{}).save()
	for n := range 3 {
		x.do(Claimed{Name: want[Claim](x).Name, TakenBy: "another call"})
		if r := x.s.Record; r.Stage != Watching || !r.Message().Posted || r.Job != "job" {
			t.Fatalf("%+v", r)
		}
		if n < 2 {
			x.pass(x.s.Live.NotBefore - x.now.Mono).do(Tick{})
		}
	}
	if f := want[Release](x.saves()); f.Cause != CauseTaken {
		t.Fatalf("%+v", f)
	}
	if r := x.s.Record; r.Stage != Watching || !r.Message().Posted || slices.Contains(r.Holders, "A0") {
		t.Fatalf("%+v", r)
	}
	x.do(Called{Caller: 1, Order: followOrder}).saves()
	x.do(Claimed{Name: want[Claim](x).Name})
	want[Watch](x.saves())
	wantNone[Post](x)
}

// An outcome that cannot be recorded is told only once it is looked whether another
// process has recorded one: somebody may have gone on with the Job since, and what was
// read then is what came of that.
func TestAnOutcomeThatAnotherProcessWasFirstToRecord(t *testing.T) {
	for _, theirs := range []bool{true, false} {
		x := newScript(t, with(func(o *Options) { o.Claims = true })).started().read("completed", Completed, nil).saves()
		x.do(Collected{Name: want[Collect](x).Name, Output: "what follows"})
		f := want[Save](x)
		x.do(SaveFailed{Name: f.Name})
		wantNone[Finish](x)
		load := want[Load](x)
		if !theirs {
			x.do(Loaded{Name: load.Name})
			if f := want[Finish](x); f.Recorded || x.s.Record.Result.Output != "what follows" {
				t.Fatalf("%+v", x.s.Record.Result)
			}
			continue
		}
		first := *f.Record
		first.Writer, first.Result = "B0", &Result{Outcome: Completed, Output: "the answer"}
		x.do(Loaded{Name: load.Name, Record: &first, Revision: 9}).saves()
		want[Finish](x)
		if r := x.s.Record.Result; r.Output != "the answer" {
			t.Fatalf("%+v", r)
		}
	}
}

// An outcome that was told as unknown, and could not be recorded, does not stand where
// another process has found the Job: what it comes to then is told as well.
func TestWhatWasToldAsUnknownIsToldAgain(t *testing.T) {
	x := newScript(t, quick()).do(Called{Caller: 1, Order: firstOrder}).save()
	x.do(Sent{Name: want[StartJob](x).Name, Reply: Doubt}).saves()
	x.s.Live.NoRepeat = true // the server refuses it
	x.pass(10).do(Tick{})
	x.do(SaveFailed{Name: want[Save](x).Name})
	if f := want[Finish](x); f.Recorded || x.s.Record.Result.Outcome != Unknown {
		t.Fatalf("%+v", x.s.Record)
	}
	theirs := x.s.Record
	theirs.Writer, theirs.Serial, theirs.Holders = "B0", 1, []string{"B0"}
	theirs.Result, theirs.Stage, theirs.Job, theirs.Start, theirs.Ours, theirs.Note = nil, Watching, "job", Attempt{}, true, ""
	x.pass(x.s.Live.SaveAfter - x.now.Mono).do(Tick{})
	x.do(Conflict{Name: want[Save](x).Name, Record: &theirs, Revision: 9}).saves()
	x.read("completed", Completed, nil).saves()
	x.do(Collected{Name: want[Collect](x).Name, Output: "done"}).saves()
	if f := want[Finish](x); !f.Recorded || x.s.Record.Result.Output != "done" {
		t.Fatalf("%+v", x.s.Record)
	}
}
