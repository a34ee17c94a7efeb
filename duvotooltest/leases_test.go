package duvotooltest

import (
	"context"
	"errors"
	"iter"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
)

func TestMemoryLeases(t *testing.T) {
	TestLeases(t, func(*testing.T) func() journal.Leases {
		j := journal.NewShared()
		return func() journal.Leases { return j }
	})
}

// A brokenLeases is a whole journal with leases, with some methods in front of it.
type brokenLeases struct {
	journal.Leases
	mu       sync.Mutex // for what is broken
	owners   map[string]time.Time
	keys     map[string]uint64
	put      func(b *brokenLeases, ctx context.Context, r journal.Record) (uint64, error)
	get      func(b *brokenLeases, r journal.Record) journal.Record
	renew    func(b *brokenLeases, ctx context.Context, owner string, lasts time.Duration) (journal.Renewal, error)
	own      func(b *brokenLeases, ctx context.Context, owner, key string) (journal.Lease, error)
	takeOver func(b *brokenLeases, ctx context.Context, owner string, n int) ([]journal.Lease, error)
	release  func(b *brokenLeases, ctx context.Context, owner string, keys ...string) error
	owned    func(b *brokenLeases, ctx context.Context, owner string, yield func(journal.Lease, error) bool)
	forget   func(b *brokenLeases, ctx context.Context, before time.Time) (int, error)
	tell     func(b *brokenLeases, ctx context.Context, text string) error
	listen   func(b *brokenLeases, ctx context.Context, f func(string)) error
	heads    func(r journal.Record) bool // which are told
}

func (b *brokenLeases) Heads(ctx context.Context) iter.Seq2[journal.Record, error] {
	if b.heads == nil {
		return b.Leases.Heads(ctx)
	}
	return func(yield func(journal.Record, error) bool) {
		for r, err := range b.Leases.Unfinished(ctx) {
			if err != nil || b.heads(r) && !yield(r, nil) {
				return
			}
		}
	}
}

func (b *brokenLeases) Put(ctx context.Context, r journal.Record) (uint64, error) {
	if b.put == nil {
		return b.Leases.Put(ctx, r)
	}
	return b.put(b, ctx, r)
}

func (b *brokenLeases) Get(ctx context.Context, key string) (journal.Record, error) {
	r, err := b.Leases.Get(ctx, key)
	if b.get != nil && err == nil {
		r = b.get(b, r)
	}
	return r, err
}

func (b *brokenLeases) Renew(ctx context.Context, owner string, lasts time.Duration) (journal.Renewal, error) {
	if b.renew == nil {
		return b.Leases.Renew(ctx, owner, lasts)
	}
	return b.renew(b, ctx, owner, lasts)
}

func (b *brokenLeases) Own(ctx context.Context, owner, key string) (journal.Lease, error) {
	if b.own == nil {
		return b.Leases.Own(ctx, owner, key)
	}
	return b.own(b, ctx, owner, key)
}

func (b *brokenLeases) TakeOver(ctx context.Context, owner string, n int) ([]journal.Lease, error) {
	if b.takeOver == nil {
		return b.Leases.TakeOver(ctx, owner, n)
	}
	return b.takeOver(b, ctx, owner, n)
}

func (b *brokenLeases) Release(ctx context.Context, owner string, keys ...string) error {
	if b.release == nil {
		return b.Leases.Release(ctx, owner, keys...)
	}
	return b.release(b, ctx, owner, keys...)
}

func (b *brokenLeases) Owned(ctx context.Context, owner string) iter.Seq2[journal.Lease, error] {
	if b.owned == nil {
		return b.Leases.Owned(ctx, owner)
	}
	return func(yield func(journal.Lease, error) bool) { b.owned(b, ctx, owner, yield) }
}

func (b *brokenLeases) Forget(ctx context.Context, before time.Time) (int, error) {
	if b.forget == nil {
		return b.Leases.Forget(ctx, before)
	}
	return b.forget(b, ctx, before)
}

func (b *brokenLeases) Tell(ctx context.Context, text string) error {
	if b.tell == nil {
		return b.Leases.Tell(ctx, text)
	}
	return b.tell(b, ctx, text)
}

func (b *brokenLeases) Listen(ctx context.Context, f func(string)) error {
	if b.listen == nil {
		return b.Leases.Listen(ctx, f)
	}
	return b.listen(b, ctx, f)
}

// term counts the owners of a key on its own.
func (b *brokenLeases) term(key string) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keys == nil {
		b.keys = map[string]uint64{}
	}
	b.keys[key]++
	return b.keys[key]
}

// leaseOf returns the lease of a key.
func (b *brokenLeases) leaseOf(key string) (journal.Lease, bool) {
	for l := range b.Leases.Owned(context.Background(), "") {
		if l.Key == key {
			return l, true
		}
	}
	return journal.Lease{}, false
}

// unfenced puts a record whatever its term.
func (b *brokenLeases) unfenced(ctx context.Context, r journal.Record) (uint64, error) {
	r.Term = 0
	return b.Leases.Put(ctx, r)
}

// never is how long a lease lasts that the broken ones do not let run out.
const never = 1000 * time.Hour

// Each of these breaks one rule, and must be found by the check named.
var brokenLeasesOf = []struct {
	name, check string
	b           brokenLeases
}{
	{"no renewal is needed", "take", brokenLeases{own: func(b *brokenLeases, ctx context.Context, owner, key string) (journal.Lease, error) {
		l, err := b.Leases.Own(ctx, owner, key)
		if errors.Is(err, journal.ErrLapsed) {
			_, _ = b.Leases.Renew(ctx, owner, never)
			return b.Leases.Own(ctx, owner, key)
		}
		return l, err
	}}},
	{"the second gets it too", "take", brokenLeases{own: func(b *brokenLeases, ctx context.Context, owner, key string) (journal.Lease, error) {
		l, err := b.Leases.Own(ctx, owner, key)
		if errors.Is(err, journal.ErrOwned) {
			l.Owner, err = owner, nil
		}
		return l, err
	}}},
	{"the other's lease is not told", "take", brokenLeases{own: func(b *brokenLeases, ctx context.Context, owner, key string) (journal.Lease, error) {
		l, err := b.Leases.Own(ctx, owner, key)
		if errors.Is(err, journal.ErrOwned) {
			l = journal.Lease{}
		}
		return l, err
	}}},
	{"each ask is a new term", "take", brokenLeases{own: func(b *brokenLeases, ctx context.Context, owner, key string) (journal.Lease, error) {
		if l, ok := b.leaseOf(key); ok && l.Owner == owner {
			_ = b.Leases.Release(ctx, owner, key)
		}
		return b.Leases.Own(ctx, owner, key)
	}}},
	{"all are listed", "take", brokenLeases{owned: func(b *brokenLeases, ctx context.Context, _ string, yield func(journal.Lease, error) bool) {
		b.Leases.Owned(ctx, "")(yield)
	}}},
	{"it never says that it ran out", "renew", brokenLeases{renew: func(b *brokenLeases, ctx context.Context, owner string, lasts time.Duration) (journal.Renewal, error) {
		told, err := b.Leases.Renew(ctx, owner, lasts)
		told.Lapsed = false
		return told, err
	}}},
	{"the first renewal ran out", "renew", brokenLeases{renew: func(b *brokenLeases, ctx context.Context, owner string, lasts time.Duration) (journal.Renewal, error) {
		told, err := b.Leases.Renew(ctx, owner, lasts)
		told.Lapsed = told.Lapsed || b.term(owner) == 1
		return told, err
	}}},
	{"the dead are counted", "renew", brokenLeases{renew: func(b *brokenLeases, ctx context.Context, owner string, lasts time.Duration) (journal.Renewal, error) {
		told, err := b.Leases.Renew(ctx, owner, lasts)
		b.term(owner)
		told.Replicas = len(b.keys)
		return told, err
	}}},
	{"no stage", "fields", brokenLeases{get: func(_ *brokenLeases, r journal.Record) journal.Record { r.Stage = ""; return r }}},
	{"no term", "fields", brokenLeases{get: func(_ *brokenLeases, r journal.Record) journal.Record { r.Term = 0; return r }}},
	{"no time since when it waits", "fields", brokenLeases{get: func(_ *brokenLeases, r journal.Record) journal.Record { r.Since = time.Time{}; return r }}},
	{"a time as nanoseconds", "fields", brokenLeases{get: func(_ *brokenLeases, r journal.Record) journal.Record {
		if !r.Since.IsZero() {
			r.Since = time.Unix(0, r.Since.UnixNano())
		}
		return r
	}}},
	{"a time always", "fields", brokenLeases{get: func(_ *brokenLeases, r journal.Record) journal.Record {
		if r.Since.IsZero() {
			r.Since = time.Unix(0, 0)
		}
		return r
	}}},
	{"heads with data", "heads", brokenLeases{heads: func(journal.Record) bool { return true }}},
	{"no heads", "heads", brokenLeases{heads: func(journal.Record) bool { return false }}},
	{"no fence", "fence", brokenLeases{put: (*brokenLeases).unfenced}},
	{"a fence for older terms only", "fence", brokenLeases{put: func(b *brokenLeases, ctx context.Context, r journal.Record) (uint64, error) {
		if l, ok := b.leaseOf(r.Key); ok && r.Term > l.Term {
			return b.unfenced(ctx, r)
		}
		return b.Leases.Put(ctx, r)
	}}},
	{"a fence only where there is an owner", "fence", brokenLeases{put: func(b *brokenLeases, ctx context.Context, r journal.Record) (uint64, error) {
		if _, ok := b.leaseOf(r.Key); !ok {
			return b.unfenced(ctx, r)
		}
		return b.Leases.Put(ctx, r)
	}}},
	{"the revision before the fence", "fence", brokenLeases{put: func(b *brokenLeases, ctx context.Context, r journal.Record) (uint64, error) {
		revision, err := b.Leases.Put(ctx, r)
		if was, _ := b.Leases.Get(ctx, r.Key); errors.Is(err, journal.ErrFenced) && was.Revision != r.Revision {
			err = journal.ErrConflict
		}
		return revision, err
	}}},
	{"fenced without a term", "fence", brokenLeases{put: func(b *brokenLeases, ctx context.Context, r journal.Record) (uint64, error) {
		if _, ok := b.leaseOf(r.Key); ok && r.Term == 0 {
			return 0, journal.ErrFenced
		}
		return b.Leases.Put(ctx, r)
	}}},
	{"conflicts are fenced", "fence", brokenLeases{put: func(b *brokenLeases, ctx context.Context, r journal.Record) (uint64, error) {
		revision, err := b.Leases.Put(ctx, r)
		if errors.Is(err, journal.ErrConflict) && r.Revision == math.MaxUint64 {
			err = journal.ErrFenced
		}
		return revision, err
	}}},
	{"a released term may still put", "release", brokenLeases{put: func(b *brokenLeases, ctx context.Context, r journal.Record) (uint64, error) {
		if _, ok := b.leaseOf(r.Key); !ok {
			return b.unfenced(ctx, r)
		}
		return b.Leases.Put(ctx, r)
	}}},
	{"anybody releases", "release", brokenLeases{release: func(b *brokenLeases, ctx context.Context, owner string, keys ...string) error {
		for _, key := range keys {
			if l, ok := b.leaseOf(key); ok {
				_ = b.Leases.Release(ctx, l.Owner, key)
			}
		}
		return nil
	}}},
	{"one release releases all", "release", brokenLeases{release: func(b *brokenLeases, ctx context.Context, owner string, keys ...string) error {
		var all []string
		for l := range b.Leases.Owned(ctx, owner) {
			all = append(all, l.Key)
		}
		return b.Leases.Release(ctx, owner, all...)
	}}},
	{"the lease lasts after all is released", "release all", brokenLeases{release: func(b *brokenLeases, ctx context.Context, owner string, keys ...string) error {
		if err := b.Leases.Release(ctx, owner, keys...); err != nil || len(keys) > 0 {
			return err
		}
		_, err := b.Leases.Renew(ctx, owner, never)
		return err
	}}},
	{"without keys nothing is released", "release all", brokenLeases{release: func(b *brokenLeases, ctx context.Context, owner string, keys ...string) error {
		if len(keys) == 0 {
			return nil
		}
		return b.Leases.Release(ctx, owner, keys...)
	}}},
	{"terms begin again", "terms rise", brokenLeases{own: func(b *brokenLeases, ctx context.Context, owner, key string) (journal.Lease, error) {
		l, err := b.Leases.Own(ctx, owner, key)
		l.Term = 1
		return l, err
	}}},
	{"a lease that ran out is fenced", "lapse", brokenLeases{
		renew: func(b *brokenLeases, ctx context.Context, owner string, lasts time.Duration) (journal.Renewal, error) {
			told, err := b.Leases.Renew(ctx, owner, lasts)
			b.until(owner, lasts)
			return told, err
		},
		put: func(b *brokenLeases, ctx context.Context, r journal.Record) (uint64, error) {
			if l, ok := b.leaseOf(r.Key); ok && r.Term != 0 && !b.lives(l.Owner) {
				return 0, journal.ErrFenced
			}
			return b.Leases.Put(ctx, r)
		},
	}},
	{"a late renewal loses all", "lapse", brokenLeases{renew: func(b *brokenLeases, ctx context.Context, owner string, lasts time.Duration) (journal.Renewal, error) {
		told, err := b.Leases.Renew(ctx, owner, lasts)
		if told.Lapsed {
			for l := range b.Leases.Owned(ctx, owner) {
				_ = b.Leases.Release(ctx, owner, l.Key)
			}
		}
		return told, err
	}}},
	{"its own is given in spite of the lapse", "lapse", brokenLeases{own: func(b *brokenLeases, ctx context.Context, owner, key string) (journal.Lease, error) {
		l, err := b.Leases.Own(ctx, owner, key)
		if had, ok := b.leaseOf(key); ok && had.Owner == owner && key != "never-put" {
			return had, nil
		}
		return l, err
	}}},
	{"only who renews again loses it", "taken by another", brokenLeases{own: func(b *brokenLeases, ctx context.Context, owner, key string) (journal.Lease, error) {
		if l, ok := b.leaseOf(key); ok && l.Owner != owner {
			return l, journal.ErrOwned
		}
		return b.Leases.Own(ctx, owner, key)
	}}},
	{"who lost one is not told", "taken by another", brokenLeases{renew: func(b *brokenLeases, ctx context.Context, owner string, lasts time.Duration) (journal.Renewal, error) {
		told, err := b.Leases.Renew(ctx, owner, lasts)
		for range b.Leases.Owned(ctx, owner) {
			told.Lapsed = false
		}
		return told, err
	}}},
	{"what is taken once stays fenced by revision alone", "taken by another", brokenLeases{put: func(b *brokenLeases, ctx context.Context, r journal.Record) (uint64, error) {
		if l, ok := b.leaseOf(r.Key); ok && l.Term != r.Term {
			return b.unfenced(ctx, r)
		}
		return b.Leases.Put(ctx, r)
	}}},
	{"more than was asked for", "take over", brokenLeases{takeOver: func(b *brokenLeases, ctx context.Context, owner string, n int) ([]journal.Lease, error) {
		return b.Leases.TakeOver(ctx, owner, n+1)
	}}},
	{"parked ones too", "take over", brokenLeases{put: func(b *brokenLeases, ctx context.Context, r journal.Record) (uint64, error) {
		if r.Stage == journal.Parked {
			r.Stage = journal.Running
		}
		return b.Leases.Put(ctx, r)
	}}},
	{"ended ones too", "take over", brokenLeases{put: func(b *brokenLeases, ctx context.Context, r journal.Record) (uint64, error) {
		if r.Stage == journal.Ended {
			r.Stage = journal.Waiting
		}
		return b.Leases.Put(ctx, r)
	}}},
	{"running ones only", "take over", brokenLeases{put: func(b *brokenLeases, ctx context.Context, r journal.Record) (uint64, error) {
		if r.Stage == journal.Waiting {
			r.Stage = journal.Parked
		}
		return b.Leases.Put(ctx, r)
	}}},
	{"done ones too", "take over", brokenLeases{put: func(b *brokenLeases, ctx context.Context, r journal.Record) (uint64, error) {
		r.Done = false
		return b.Leases.Put(ctx, r)
	}}},
	{"only what had an owner", "take over", brokenLeases{put: func(b *brokenLeases, ctx context.Context, r journal.Record) (uint64, error) {
		if _, ok := b.leaseOf(r.Key); !ok {
			r.Stage = journal.Parked
		}
		return b.Leases.Put(ctx, r)
	}}},
	{"the living's too", "take over", brokenLeases{takeOver: func(b *brokenLeases, ctx context.Context, owner string, n int) ([]journal.Lease, error) {
		for l := range b.Leases.Owned(ctx, "living") {
			_ = b.Leases.Release(ctx, "living", l.Key)
		}
		return b.Leases.TakeOver(ctx, owner, n)
	}}},
	{"its own again", "take over", brokenLeases{takeOver: func(b *brokenLeases, ctx context.Context, owner string, n int) ([]journal.Lease, error) {
		for l := range b.Leases.Owned(ctx, owner) {
			_ = b.Leases.Release(ctx, owner, l.Key)
		}
		return b.Leases.TakeOver(ctx, owner, n)
	}}},
	{"told, but not taken", "take over", brokenLeases{takeOver: func(b *brokenLeases, ctx context.Context, owner string, n int) ([]journal.Lease, error) {
		taken, err := b.Leases.TakeOver(ctx, owner, n)
		for _, l := range taken {
			_ = b.Leases.Release(ctx, owner, l.Key)
		}
		return taken, err
	}}},
	{"looked for, then taken", "take over at once", brokenLeases{takeOver: func(b *brokenLeases, ctx context.Context, owner string, n int) ([]journal.Lease, error) {
		taken, err := b.Leases.TakeOver(ctx, owner, n)
		for _, l := range taken {
			_ = b.Leases.Release(ctx, owner, l.Key)
		}
		time.Sleep(time.Millisecond)
		for i, l := range taken {
			l, _ = b.Leases.Own(ctx, owner, l.Key)
			l.Owner = owner
			taken[i] = l
		}
		return taken, err
	}}},
	{"looked at, then owned", "one key, many replicas", brokenLeases{own: func(b *brokenLeases, ctx context.Context, owner, key string) (journal.Lease, error) {
		had, ok := b.leaseOf(key)
		time.Sleep(time.Millisecond)
		l, err := b.Leases.Own(ctx, owner, key)
		if errors.Is(err, journal.ErrOwned) && (!ok || had.Owner == "dead") {
			l.Owner, err = owner, nil
		}
		return l, err
	}}},
	{"fence, then put", "puts while another takes", brokenLeases{put: func(b *brokenLeases, ctx context.Context, r journal.Record) (uint64, error) {
		if l, _ := b.leaseOf(r.Key); r.Term != 0 && l.Term != r.Term {
			return 0, journal.ErrFenced
		}
		time.Sleep(time.Millisecond)
		return b.unfenced(ctx, r)
	}}},
	{"never fenced", "puts while another takes", brokenLeases{put: (*brokenLeases).unfenced}},
	{"short renewals never say that it ran out", "renewals while another takes", brokenLeases{renew: func(b *brokenLeases, ctx context.Context, owner string, lasts time.Duration) (journal.Renewal, error) {
		told, err := b.Leases.Renew(ctx, owner, lasts)
		told.Lapsed = told.Lapsed && lasts == longLease
		return told, err
	}}},
	{"the lease is forgotten too", "forget", brokenLeases{forget: func(b *brokenLeases, ctx context.Context, before time.Time) (int, error) {
		for l := range b.Leases.Owned(ctx, "") {
			_ = b.Leases.Release(ctx, l.Owner, l.Key)
		}
		return b.Leases.Forget(ctx, before)
	}}},
	{"the term is forgotten too", "forget", brokenLeases{own: func(b *brokenLeases, ctx context.Context, owner, key string) (journal.Lease, error) {
		l, err := b.Leases.Own(ctx, owner, key)
		if _, none := b.Leases.Get(ctx, key); owner == "B" && err == nil && none != nil {
			l.Term = 1
		}
		return l, err
	}}},
	{"told to nobody", "tell", brokenLeases{tell: func(*brokenLeases, context.Context, string) error { return nil }}},
	{"told twice", "tell", brokenLeases{tell: func(b *brokenLeases, ctx context.Context, text string) error {
		return errors.Join(b.Leases.Tell(ctx, text), b.Leases.Tell(ctx, text))
	}}},
	{"cut short", "tell", brokenLeases{tell: func(b *brokenLeases, ctx context.Context, text string) error {
		return b.Leases.Tell(ctx, strings.ToValidUTF8(text[:min(len(text), 6000)], ""))
	}}},
	{"a line at a time", "tell", brokenLeases{tell: func(b *brokenLeases, ctx context.Context, text string) error {
		text, _, _ = strings.Cut(text, "\n")
		return b.Leases.Tell(ctx, text)
	}}},
	{"all at once", "tell", brokenLeases{listen: func(b *brokenLeases, ctx context.Context, f func(string)) error {
		var wg sync.WaitGroup
		defer wg.Wait()
		return b.Leases.Listen(ctx, func(text string) {
			for range 8 {
				wg.Go(func() { f(text) })
			}
		})
	}}},
	{"told what was before", "tell", brokenLeases{listen: func(b *brokenLeases, ctx context.Context, f func(string)) error {
		f("before")
		return b.Leases.Listen(ctx, f)
	}}},
	{"no reason", "listen ends", brokenLeases{listen: func(b *brokenLeases, ctx context.Context, f func(string)) error {
		_ = b.Leases.Listen(ctx, f)
		return nil
	}}},
	{"it hears on", "listen ends", brokenLeases{listen: func(b *brokenLeases, ctx context.Context, f func(string)) error {
		err := ctx.Err()
		go func() {
			end, stop := context.WithTimeout(context.Background(), time.Minute)
			defer stop()
			_ = b.Leases.Listen(end, f)
		}()
		<-ctx.Done()
		return errors.Join(err, context.Cause(ctx))
	}}},
	{"it never ends", "listen ends", brokenLeases{listen: func(b *brokenLeases, ctx context.Context, f func(string)) error {
		_ = b.Leases.Listen(ctx, f)
		return errors.New("another")
	}}},
	{"Renew looks at no context", "contexts", brokenLeases{renew: func(b *brokenLeases, _ context.Context, owner string, lasts time.Duration) (journal.Renewal, error) {
		return b.Leases.Renew(context.Background(), owner, lasts)
	}}},
	{"Renew renews and then looks at the context", "contexts", brokenLeases{renew: func(b *brokenLeases, ctx context.Context, owner string, lasts time.Duration) (journal.Renewal, error) {
		told, err := b.Leases.Renew(context.Background(), owner, lasts)
		return told, errors.Join(err, context.Cause(ctx))
	}}},
	{"Own looks at no context", "contexts", brokenLeases{own: func(b *brokenLeases, ctx context.Context, owner, key string) (journal.Lease, error) {
		l, err := b.Leases.Own(context.Background(), owner, key)
		return l, errors.Join(err, context.Cause(ctx))
	}}},
	{"TakeOver looks at no context", "contexts", brokenLeases{takeOver: func(b *brokenLeases, ctx context.Context, owner string, n int) ([]journal.Lease, error) {
		taken, err := b.Leases.TakeOver(context.Background(), owner, n)
		return taken, errors.Join(err, context.Cause(ctx))
	}}},
	{"Release looks at no context", "contexts", brokenLeases{release: func(b *brokenLeases, ctx context.Context, owner string, keys ...string) error {
		return errors.Join(b.Leases.Release(context.Background(), owner, keys...), context.Cause(ctx))
	}}},
	{"Owned looks at no context", "contexts", brokenLeases{owned: func(b *brokenLeases, _ context.Context, owner string, yield func(journal.Lease, error) bool) {
		b.Leases.Owned(context.Background(), owner)(yield)
	}}},
	{"Tell looks at no context", "contexts", brokenLeases{tell: func(b *brokenLeases, _ context.Context, text string) error {
		return b.Leases.Tell(context.Background(), text)
	}}},
	{"any name", "names", brokenLeases{renew: func(b *brokenLeases, ctx context.Context, owner string, lasts time.Duration) (journal.Renewal, error) {
		if journal.CheckOwner(owner) != nil {
			return journal.Renewal{}, nil
		}
		return b.Leases.Renew(ctx, owner, lasts)
	}}},
	{"any key", "names", brokenLeases{own: func(b *brokenLeases, ctx context.Context, owner, key string) (journal.Lease, error) {
		if (journal.Record{Key: key}).CheckKey() != nil {
			key = "odd"
		}
		return b.Leases.Own(ctx, owner, key)
	}}},
	{"any time", "names", brokenLeases{renew: func(b *brokenLeases, ctx context.Context, owner string, lasts time.Duration) (journal.Renewal, error) {
		return b.Leases.Renew(ctx, owner, max(lasts, time.Millisecond))
	}}},
	{"any text", "names", brokenLeases{tell: func(b *brokenLeases, ctx context.Context, text string) error {
		return b.Leases.Tell(ctx, strings.ToValidUTF8("x"+text[:min(len(text), 100)], ""))
	}}},
	{"shorter names", "names", brokenLeases{renew: func(b *brokenLeases, ctx context.Context, owner string, lasts time.Duration) (journal.Renewal, error) {
		if len(owner) == 64 {
			owner = owner[:63]
		}
		return b.Leases.Renew(ctx, owner, lasts)
	}}},
}

func (b *brokenLeases) until(owner string, lasts time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.owners == nil {
		b.owners = map[string]time.Time{}
	}
	b.owners[owner] = time.Now().Add(lasts)
}

func (b *brokenLeases) lives(owner string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Before(b.owners[owner])
}

func TestLeasesFindsWhatIsBroken(t *testing.T) {
	found := map[string]bool{}
	for i := range brokenLeasesOf {
		b := &brokenLeasesOf[i]
		t.Run(b.check+": "+b.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b.b.Leases, b.b.owners, b.b.keys = journal.NewShared(), nil, nil
				err := runLeaseCheck(t, b.check, func() journal.Leases { return &b.b })
				require.Error(t, err)
				t.Log(err)
				time.Sleep(2 * time.Minute) // until what it left behind has ended
			})
		})
		found[b.check] = true
	}
	for _, c := range leaseChecks {
		require.True(t, found[c.name], "nothing is broken that %q would find", c.name)
	}
}

func runLeaseCheck(t *testing.T, name string, handle func() journal.Leases) error {
	for _, c := range leaseChecks {
		if c.name == name {
			return c.run(leaseKit{journalKit: journalKit{ctx: t.Context()}, handle: handle, shortest: 10 * time.Millisecond})
		}
	}
	require.Fail(t, "there is no check "+name)
	return nil
}
