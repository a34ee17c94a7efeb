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
