package lifecycle

import (
	"strings"
	"testing"
)

// met lets the Save that is in flight meet a record of another process.
func (x *script) met(f func(r *Record)) *script {
	x.t.Helper()
	mine := want[Save](x)
	theirs := *mine.Record
	theirs.Requests = append([]Request(nil), theirs.Requests...)
	theirs.Writer, theirs.Holders = "B0", []string{"A0", "B0"}
	f(&theirs)
	return x.do(Conflict{Name: mine.Name, Record: &theirs, Revision: 9})
}

// A stop that somebody has asked for outlives a conflict: whoever asked was told
// nothing else.
func TestAStopOutlivesAConflict(t *testing.T) {
	x := newScript(t, quick()).started().do(StopAsked{By: "kim"})
	x.met(func(r *Record) { r.Stopping, r.Note = nil, "" })
	f := want[Save](x)
	if s := f.Record.Stop(); !s.Asked || s.By != "kim" || !strings.Contains(f.Record.Note, "asked for by kim") {
		t.Fatalf("%+v %q", s, f.Record.Note)
	}
	want[StopJob](x.save())

	x = newScript(t, quick()).started().do(StopAsked{By: "kim"})
	x.met(func(r *Record) { r.Stopping = &Stop{Asked: true, By: "lee", Done: true} })
	if s := x.s.Record.Stop(); s.By != "lee" || !s.Done {
		t.Fatalf("what came of another's stop is lost: %+v", s)
	}
}

// How a request was whose decision was thrown away is kept in a conflict, once.
func TestThePastOutlivesAConflict(t *testing.T) {
	x := newScript(t, quick()).decided(approval()).save()
	other := ticket()
	other.Digest = "r0v1"
	x.pass(1).read("waiting", "", other)
	x.saves().pass(1)
	if len(x.s.Record.Past) != 1 {
		t.Fatalf("%+v", x.s.Record)
	}
	x.do(StopAsked{By: "kim"})
	x.met(func(r *Record) { r.Past = nil })
	if p := want[Save](x).Record.Past; len(p) != 1 || p[0].Digest != "r0v0" {
		t.Fatalf("%+v", p)
	}
	x.met(func(*Record) {})
	if p := x.s.Record.Past; len(p) != 1 {
		t.Fatalf("%+v", p)
	}
}

// A conflict makes nothing wait longer that this process waits out already; an
// attempt that it learns of only now is waited out from now on.
func TestAConflictDoesNotBeginTheWaitAnew(t *testing.T) {
	o := with(func(o *Options) { o.Post, o.Settle = 10, 20 })
	x := newScript(t, o).decided(approval()).save().save()
	x.do(Sent{Name: want[Respond](x).Name, Reply: Doubt, Local: true}).saves()
	at, _ := x.s.Live.Ask("r0")
	x.pass(25).do(StopAsked{By: "kim"})
	x.met(func(*Record) {})
	if a, _ := x.s.Live.Ask("r0"); a.NotBefore != at.NotBefore {
		t.Fatalf("it waits until %d, not %d", a.NotBefore, at.NotBefore)
	}
	x.saves().do(StopAsked{By: "kim"})

	x = newScript(t, o).decided(approval()).save().save()
	x.do(Sent{Name: want[Respond](x).Name, Reply: Doubt, Local: true}).saves()
	x.pass(25).do(StopAsked{By: "kim"})
	x.met(func(r *Record) { r.Requests[0].Attempt.Until += 3 })
	if a, _ := x.s.Live.Ask("r0"); a.NotBefore < x.now.Mono+20 {
		t.Fatalf("another's attempt is waited for until %d, at %d", a.NotBefore, x.now.Mono)
	}
}

// A Job that is silent after its correction was taken has the settle time, whatever a
// post may take, and however keys are trusted.
func TestHowLongASilentJobIsWaitedFor(t *testing.T) {
	for _, trust := range []bool{false, true} {
		x := correcting(t, with(func(o *Options) { o.Post, o.Settle, o.KeysHonoured, o.Resend = 50, 7, trust, 1 }))
		x.do(Sent{Name: want[Post](x).Name}).saves().pass(2).read("completed", Completed, nil).saves()
		e := unfit(x)
		e.Silent = true
		x.do(e)
		if w := want[Wake](x); w.At <= x.now.Mono+1 || w.At > x.now.Mono+7 {
			t.Fatalf("at %d: %+v", x.now.Mono, w)
		}
	}
}
