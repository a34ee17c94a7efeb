package journal

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode/utf8"
)

// Leases is a [Journal] for several replicas, in which each operation has one owner
// at a time. Only the owner reads its Job, asks its policy and sends. The lease decides
// who works; that nothing is done twice rests on [Journal.Put], which refuses what is
// put under a lease that another replica has taken. [NewShared] makes one in memory, and so does
// package adapters/postgres; duvotooltest.TestLeases tests others.
//
// An owner is a replica: one registry of one process, under a name that no other has
// or had. One renewal keeps all that it owns, so that renewing costs the same for one
// operation and for ten thousand. Whose renewal is not renewed in time may be
// replaced, one operation at a time; what nobody has taken meanwhile stays its own.
// How long a lease lasts is measured by the journal's clock alone. An owner counts
// its own from the moment before it asked for the renewal.
//
// All methods may be called at once. After an error, what was asked for is done or not.
type Leases interface {
	Journal

	// Renew lets the owner's lease last from now on. The first renewal begins it.
	Renew(ctx context.Context, owner string, lasts time.Duration) (Renewal, error)

	// Own makes a replica with a lease the owner of a key, whether there is a record
	// with it or not. If it is that already, the lease it has is returned. Where
	// another one owns it whose lease lasts, that one's lease is returned, with an
	// error that matches ErrOwned. Otherwise the new lease has a higher term than all
	// before it. A replica whose own lease has run out gets ErrLapsed.
	Own(ctx context.Context, owner, key string) (Lease, error)

	// TakeOver makes a replica with a lease the owner of at most n operations that
	// have none: whose records tell of them as [Running] or [Waiting], and whose owner
	// has released them or has let its lease run out. It returns what it has taken; fewer
	// than n: there are no more now. No two replicas take the same.
	TakeOver(ctx context.Context, owner string, n int) ([]Lease, error)

	// Release ends the ownership of these keys, as far as the replica has it. Nothing is
	// put under their terms from then on. Without keys it releases all, and ends the
	// replica's lease.
	Release(ctx context.Context, owner string, keys ...string) error

	// Owned lists what is owned, in any order, also by those whose lease has run out.
	// An empty owner: by anybody.
	Owned(ctx context.Context, owner string) iter.Seq2[Lease, error]

	// Heads is [Journal.Unfinished] without the records' data.
	Heads(ctx context.Context) iter.Seq2[Record, error]

	// Tell sends a text of at most [MaxTold] bytes to all replicas that listen. It may
	// be lost: what must be known is in the records.
	Tell(ctx context.Context, text string) error

	// Listen calls f with each text that is told from now on, one at a time, until the
	// context ends, and then returns its cause. The replica's own texts come too. When
	// texts may have been lost, because a connection broke or f took long, it calls f
	// with an empty one, once they come again. Another error needs a person.
	Listen(ctx context.Context, f func(text string)) error
}

// MaxTold is how many bytes [Leases].Tell takes.
const MaxTold = 7000

// A Renewal is what [Leases].Renew tells.
type Renewal struct {
	Lapsed   bool // the lease had run out, so that others may have taken what the replica owned
	Replicas int  // that have a lease now, with this one
}

// A Lease is the ownership of a key.
type Lease struct {
	Key   string
	Owner string
	Term  uint64 // from 1; higher than that of every lease of the key before
}

// A Stage is as much of an operation as can be told without its record's data.
type Stage string

// The stages.
const (
	Parked  Stage = ""        // nobody takes it up by itself
	Running Stage = "running" // it is worked on
	Waiting Stage = "waiting" // its Job waits for a person
	Ended   Stage = "ended"   // its outcome is known
)

// What an error of [Leases] may match.
var (
	// ErrOwned is a key that another replica owns.
	ErrOwned = errors.New("duvotool: another replica owns the operation")

	// ErrLapsed is a replica whose lease has run out, or was never renewed.
	ErrLapsed = errors.New("duvotool: the replica's lease has run out")

	// ErrFenced is a record that was put under a lease that the replica does not have
	// any more. Nothing was stored.
	ErrFenced = errors.New("duvotool: the operation's lease was taken by another replica")
)

// CheckTold tells what is wrong with a text for [Leases].Tell; nil if nothing is. It is
// for those who write journals: an empty text is none, a zero byte and what is not
// UTF-8 does not get through everywhere.
func CheckTold(text string) error {
	switch {
	case text == "" || len(text) > MaxTold:
		return fmt.Errorf("duvotool: a text for other replicas has %d bytes; 1 to %d are allowed", len(text), MaxTold)
	case !utf8.ValidString(text) || strings.Contains(text, "\x00"):
		return errors.New("duvotool: a text for other replicas holds a zero byte, or is not UTF-8")
	}
	return nil
}

// CheckLasts tells what is wrong with how long a lease is to last; nil if nothing is.
func CheckLasts(lasts time.Duration) error {
	if lasts < time.Millisecond {
		return fmt.Errorf("duvotool: a lease of %v; at least a millisecond is needed", lasts)
	}
	return nil
}

// CheckOwner tells what is wrong with the name of a replica; nil if nothing is: it is
// as a key is.
func CheckOwner(owner string) error { return Record{Key: owner}.CheckKey() }
