package journal_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/duvotool/duvotool/journal"
)

// What a registry asks of a journal: records change by compare-and-set.
func ExampleJournal() {
	var j journal.Journal = journal.NewMemory() // bolt.Open keeps it on disk
	ctx := context.Background()
	r := journal.Record{Key: "order-4711", At: time.Now(), Data: []byte("started")}
	fmt.Println(r.CheckKey(), journal.Record{Key: "order 4711"}.CheckKey() != nil)

	revision, err := j.Put(ctx, r)
	fmt.Println(revision, err)
	_, err = j.Put(ctx, r) // somebody else, who knows nothing of it
	fmt.Println(errors.Is(err, journal.ErrConflict))

	for r, err := range j.Unfinished(ctx) {
		fmt.Println(r.Key, string(r.Data), err)
	}
	r, err = j.Get(ctx, "order-4711")
	if err != nil {
		fmt.Println(err)
		return
	}
	r.Done = true
	if _, err := j.Put(ctx, r); err != nil {
		fmt.Println(err)
		return
	}
	n, err := j.Forget(ctx, time.Now().Add(time.Hour))
	fmt.Println("forgotten:", n, err)
	_, err = j.Get(ctx, "order-4711")
	fmt.Println(errors.Is(err, journal.ErrNoRecord))
	// Output:
	// <nil> true
	// 1 <nil>
	// true
	// order-4711 started <nil>
	// forgotten: 1 <nil>
	// true
}

// A journal of one's own tells what can be tried again from what needs a person.
func ExampleProber() {
	for _, err := range []error{journal.ErrUnavailable, journal.ErrTooLarge, journal.ErrFailed} {
		switch {
		case errors.Is(err, journal.ErrUnavailable):
			fmt.Println("a full disk, say: it is tried again, and a Prober tells when it is over")
		case errors.Is(err, journal.ErrTooLarge):
			fmt.Println("the record does not fit: it is kept without its text")
		case errors.Is(err, journal.ErrFailed):
			fmt.Println("nothing is started until somebody has looked")
		}
	}
	_, probes := journal.NewMemory().(journal.Prober)
	fmt.Println(probes)
	// Output:
	// a full disk, say: it is tried again, and a Prober tells when it is over
	// the record does not fit: it is kept without its text
	// nothing is started until somebody has looked
	// false
}

// Two replicas on one journal: one works on an operation at a time.
func ExampleLeases() {
	var j journal.Leases = journal.NewShared() // a database in earnest
	ctx := context.Background()
	fmt.Println(journal.CheckOwner("replica-a"), journal.CheckLasts(time.Minute), journal.CheckTold("hello"), journal.MaxTold)
	for _, replica := range []string{"replica-a", "replica-b"} {
		var r journal.Renewal
		r, err := j.Renew(ctx, replica, time.Minute) // again and again
		fmt.Println(replica, "is one of", r.Replicas, err)
	}
	first, err := j.Own(ctx, "replica-a", "order-4711")
	if err != nil {
		fmt.Println(err)
		return
	}
	r := journal.Record{Key: first.Key, At: time.Now(), Stage: journal.Running, Term: first.Term}
	if r.Revision, err = j.Put(ctx, r); err != nil {
		fmt.Println(err)
		return
	}
	_, err = j.Own(ctx, "replica-b", "order-4711")
	fmt.Println("b has to wait:", errors.Is(err, journal.ErrOwned))

	if err := j.Release(ctx, "replica-a"); err != nil { // it ends; one that is killed runs out
		fmt.Println(err)
		return
	}
	taken, err := j.TakeOver(ctx, "replica-b", 10)
	for _, l := range taken {
		fmt.Println("b takes over", l.Key, l.Term > first.Term, err)
	}
	_, err = j.Put(ctx, r) // what a had still on its way
	fmt.Println(errors.Is(err, journal.ErrFenced))
	_, err = j.Own(ctx, "replica-a", "order-4711")
	fmt.Println(errors.Is(err, journal.ErrLapsed))
	for _, s := range []journal.Stage{journal.Running, journal.Waiting, journal.Ended, journal.Parked} {
		fmt.Println(s == journal.Running || s == journal.Waiting, s) // whether anybody takes it over
	}
	// Output:
	// <nil> <nil> <nil> 7000
	// replica-a is one of 1 <nil>
	// replica-b is one of 2 <nil>
	// b has to wait: true
	// b takes over order-4711 true <nil>
	// true
	// true
	// true running
	// true waiting
	// false ended
	// false
}
