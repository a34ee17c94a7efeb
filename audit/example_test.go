package audit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

var noon = time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)

// decided is what a registry records of a decision.
func decided(by, title string) audit.Record {
	return audit.Record{Event: audit.Decided, At: noon, Key: "order 4711", JobID: "job 1", Assignment: "Refunds", Kind: duvo.Approval, Title: title,
		Verdict: "approved", By: by, Source: hitl.SourcePerson, DecidedAt: noon, InputDigest: audit.InputDigest("Order 4711 arrived broken.")}
}

// An audit that goes on in a second file, and is asked and verified as one.
func ExampleFile() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path, ctx := filepath.Join(dir, "audit.jsonl"), context.Background()
	file, err := audit.OpenFile(path, audit.MaxSize(100<<20)) // bytes, then it goes on in another by itself
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	_, err = audit.OpenFile(path)
	fmt.Println(errors.Is(err, audit.ErrLocked), file.Ready(ctx))

	for i, r := range []audit.Record{decided("kim@example.com", "Refund 120 EUR"), decided("lee@example.com", "Refund 20 EUR")} {
		if err := file.Record(ctx, r); err != nil {
			fmt.Println(err)
			return
		}
		if i == 0 {
			if _, err := file.Rotate(); err != nil {
				fmt.Println(err)
				return
			}
		}
	}
	count, hash := file.Head() // keep it elsewhere

	all, err := audit.Open(path) // and the files that it continues
	if err != nil {
		fmt.Println(err)
		return
	}
	defer all.Close()
	by, err := audit.Decisions(all, audit.Filter{By: "Kim@example.com", Since: noon.AddDate(0, 0, -7)})
	for _, d := range by {
		fmt.Println(d.By, d.Verdict, d.Title, d.Line)
	}
	_, err = all.(io.Seeker).Seek(0, io.SeekStart)
	if err != nil {
		fmt.Println(err)
	}
	lines, _, err := audit.Verify(all, count, hash)
	fmt.Println(lines == count, err)
	// Output:
	// true <nil>
	// kim@example.com approved Refund 120 EUR 1
	// true <nil>
}

// Somebody who follows an audit reads on from where they were.
func ExamplePosition() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path, ctx := filepath.Join(dir, "audit.jsonl"), context.Background()
	file, err := audit.OpenFile(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	var at audit.Position
	for _, who := range []string{"kim@example.com", "lee@example.com"} {
		if err := file.Record(ctx, decided(who, "Refund 20 EUR")); err != nil {
			fmt.Println(err)
			return
		}
		reader, err := os.Open(path)
		if err != nil {
			fmt.Println(err)
			return
		}
		for e, err := range at.ReadOn(reader) {
			if errors.Is(err, audit.ErrMoved) {
				fmt.Println("it is another file now")
			}
			fmt.Println("new:", e.Line, e.By)
		}
		reader.Close()
	}
	reader, err := os.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reader.Close()
	picks := audit.Filter{Events: []audit.Event{audit.Decided}}
	for e, err := range audit.Read(reader) { // from the beginning
		fmt.Println(e.Line, picks.Match(e.Record), err)
	}
	// Output:
	// new: 1 kim@example.com
	// new: 2 lee@example.com
	// 1 true <nil>
	// 2 true <nil>
}

// What a record tells to whom.
func ExampleRecord() {
	r := decided("kim@example.com", "Refund 120 EUR")
	d, ok := r.Decision()
	fmt.Println(r.Decides(), d.Verdict, d.By, ok, r.CheckRequest())
	for _, e := range []audit.Event{audit.Requested, audit.Undecided, audit.Decided, audit.Sent, audit.Failed, audit.Delivered,
		audit.Elsewhere, audit.Outcome, audit.Held, audit.Released, audit.Reconciled, audit.Continued} {
		switch e {
		case audit.Decided, audit.Elsewhere:
			fmt.Print("decided: ")
		case audit.Sent, audit.Failed, audit.Delivered:
			fmt.Print("what became of it: ")
		}
		fmt.Print(e, " ")
	}
	fmt.Println()
	// Output:
	// true approved kim@example.com true <nil>
	// requested undecided decided: decided what became of it: sent what became of it: failed what became of it: delivered decided: elsewhere outcome held released reconciled continued
}

// Approvals that took a proof are verified years later.
func ExampleVerifyProofs() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path, ctx := filepath.Join(dir, "audit.jsonl"), context.Background()
	file, err := audit.OpenFile(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	if err := file.Record(ctx, decided("kim@example.com", "Refund 5000 EUR")); err != nil { // without a proof
		fmt.Println(err)
		return
	}
	reader, err := os.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reader.Close()
	verify := func(context.Context, hitl.Statement, hitl.Proof) error { return nil } // such as that of inbox/passkey
	needed := func(r audit.Record) bool { return r.Assignment == "Refunds" }
	good, err := audit.VerifyProofs(ctx, reader, verify, needed)
	fmt.Println(good, err != nil)
	r := decided("kim@example.com", "Refund 5000 EUR")
	fmt.Println(r.VerifyProofs(ctx, verify) != nil)
	// Output:
	// 0 true
	// true
}

// A Log of one's own says what may be tried again.
func ExampleLog() {
	var log audit.Log = audit.Slog(slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key != "by" && a.Key != "reason" {
			return slog.Attr{}
		}
		return a
	}})))
	hold := hitl.NewHold(hitl.HoldFile(filepath.Join(os.TempDir(), "duvotool-example-hold.json")), audit.Switches(log))
	state, err := hold.State(context.Background())
	fmt.Println(state.On, err)
	_, probes := log.(audit.Prober)
	fmt.Println(probes)
	for _, err := range []error{audit.ErrUnavailable, &outcome.JobError{Err: audit.ErrWrite}} {
		switch {
		case errors.Is(err, audit.ErrUnavailable):
			fmt.Println("tried again, and what waits goes on by itself")
		case errors.Is(err, audit.ErrWrite):
			fmt.Println("of a call: no Job was started")
		}
	}
	// Output:
	// false <nil>
	// false
	// tried again, and what waits goes on by itself
	// of a call: no Job was started
}

// A person's data is found, and erased; who decided what stays, and the chain holds.
func ExampleFile_Erase() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path, ctx := filepath.Join(dir, "audit.jsonl"), context.Background()
	file, err := audit.OpenFile(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	if err := file.Record(ctx, decided("kim@example.com", "Refund 120 EUR to Jo")); err != nil {
		fmt.Println(err)
		return
	}
	count, hash := file.Head()

	jobs := map[string]bool{} // not every text of a Job has the name
	find := func() {
		all, err := audit.Open(path)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer all.Close()
		for e, err := range audit.Read(all) {
			if err != nil {
				fmt.Println(err)
				return
			}
			if (audit.Filter{Text: "jo"}).Match(e.Record) {
				jobs[e.JobID] = true
			}
			if e.Event != audit.Continued {
				fmt.Printf("%s by %s: %q, erased: %t\n", e.Event, e.By, e.Title, e.Erased)
			}
		}
	}
	find()
	n, earlier, err := file.Erase(ctx, audit.Erasure{By: "lee@example.com", Reason: "request 17", Match: func(r audit.Record) bool { return jobs[r.JobID] }})
	fmt.Println(n, len(earlier), err)
	find()

	all, err := audit.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer all.Close()
	_, _, err = audit.Verify(all, count, hash) // with what was kept before
	fmt.Println(err, audit.Erased)
	// Output:
	// decided by kim@example.com: "Refund 120 EUR to Jo", erased: false
	// 1 0 <nil>
	// decided by kim@example.com: "", erased: true
	// erased by lee@example.com: "", erased: false
	// <nil> erased
}
