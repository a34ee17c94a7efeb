package duvotool_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// listers notes who reads the lists, and whether two ever do at once.
type listers struct {
	mu      sync.Mutex
	reading map[int]int // requests under way, by replica
	by      []int       // the replicas that read them, one after the other
	both    int
}

// listBackend is the backend of one replica.
type listBackend struct {
	*duvo.Client
	l  *listers
	by int
}

func (b listBackend) JobPage(ctx context.Context, f duvo.JobFilter) (duvo.JobPage, error) {
	b.l.begin(b.by)
	defer b.l.end(b.by)
	return b.Client.JobPage(ctx, f)
}

func (l *listers) begin(by int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reading[by]++; len(l.reading) > 1 {
		l.both++
	}
	if n := len(l.by); n == 0 || l.by[n-1] != by {
		l.by = append(l.by, by)
	}
}

func (l *listers) end(by int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reading[by]--; l.reading[by] == 0 {
		delete(l.reading, by)
	}
}

func (l *listers) readers() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]int{}, l.by...)
}

// A fleet is some registries on one journal, and what was seen of them.
type fleet struct {
	d       *duvotest.Duvo
	regs    []*duvotool.Registry
	listers *listers
	journal journal.Leases

	mu    sync.Mutex
	ended map[string]time.Time // when the end of each Job was told
}

// newFleet makes n registries. way is the way of each to the journal.
func newFleet(t *testing.T, d *duvotest.Duvo, n int, way func(i int, j journal.Leases) journal.Leases, opts ...duvotool.Option) *fleet {
	f := &fleet{d: d, listers: &listers{reading: map[int]int{}}, ended: map[string]time.Time{}}
	f.journal = journal.NewShared()
	for i := range n {
		mine := f.journal
		if way != nil {
			mine = way(i, mine)
		}
		reg, err := duvotool.Discover(t.Context(), listBackend{d.Client(), f.listers, i}, append([]duvotool.Option{
			duvotool.WithJournal(mine), decide(hitl.Suspend(), nil), duvotool.WithObserver(f.saw),
		}, opts...)...)
		require.NoError(t, err)
		t.Cleanup(func() { _ = reg.Close(context.Background()) })
		f.regs = append(f.regs, reg)
	}
	return f
}

func (f *fleet) saw(e outcome.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.Kind == outcome.EventFinished && f.ended[e.JobID].IsZero() {
		f.ended[e.JobID] = time.Now()
	}
}

// start starts n Jobs, spread over all: of 5 to 35 minutes, and every fifth waits for a
// person in the middle.
func (f *fleet) start(t *testing.T, n int) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * time.Minute / time.Duration(n))
			input := (5*time.Minute + time.Duration(i*7919%1800)*time.Second).String()
			if i%5 == 0 {
				input += " ask"
			}
			ctx := duvotool.WithOperationKey(context.Background(), fmt.Sprint("order ", i))
			if _, err := mustTool(f.regs[i%len(f.regs)], "worker").Start(ctx, input); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// decideAll lets people approve what waits, one after the other, on any replica.
func (f *fleet) decideAll(t *testing.T, waiting int) {
	pending := f.regs[0].Pending()
	require.Len(t, pending, waiting)
	for i, req := range pending {
		time.Sleep(10 * time.Second)
		require.NoError(t, f.regs[i%len(f.regs)].Decide(t.Context(), req, hitl.Approve("kim", "")))
	}
}

// settle waits for the end of all Jobs, and tells how late the latest was told.
func (f *fleet) settle(t *testing.T, n int) (latest, mean time.Duration) {
	for _, reg := range f.regs {
		require.NoError(t, reg.Wait(t.Context()))
	}
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	require.Len(t, f.d.Jobs(), n)
	for _, j := range f.d.Jobs() {
		require.Equal(t, duvo.StatusCompleted, j.Status)
		require.Contains(t, f.ended, j.ID)
		late := f.ended[j.ID].Sub(j.CompletedAt)
		latest, mean = max(latest, late), mean+late/time.Duration(n)
	}
	return latest, mean
}

// requests tells what the emulator was asked for, by kind.
func requests(d *duvotest.Duvo) (all int, told string) {
	for _, op := range []string{"startRun", "getRun", "listRuns", "listRunMessages", "respondToHumanRequest"} {
		all += d.Count(op)
		told += fmt.Sprintf(" %s %d", op, d.Count(op))
	}
	return all, told
}

// Four replicas make hardly more requests than one that runs all of their Jobs, and one
// of them alone reads the lists.
func TestReplicasShareTheLists(t *testing.T) {
	long(t)
	for name, c := range map[string]struct {
		jobs int
		wait time.Duration // of people
		opts []duvotool.Option
	}{
		"40 Jobs":                {40, time.Hour, nil},
		"40 Jobs, lists trusted": {40, 20 * time.Minute, []duvotool.Option{duvotool.TrustLists()}},
		"400 Jobs":               {400, 30 * time.Minute, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if c.jobs > 100 {
				long(t)
			}
			n := c.jobs
			took := map[int]float64{}
			for _, replicas := range []int{1, 4} {
				emulated(t, func(t *testing.T, d *duvotest.Duvo) {
					f := newFleet(t, d, replicas, nil, c.opts...)
					f.start(t, n)
					time.Sleep(c.wait)
					f.decideAll(t, n/5)
					latest, mean := f.settle(t, n)
					all, told := requests(d)
					took[replicas] = float64(all) / float64(n)
					t.Logf("%s, %d replicas: %.2f requests a Job:%s; ends told after %v on average, %v at most",
						name, replicas, took[replicas], told, mean.Round(time.Second), latest.Round(time.Second))
					require.Zero(t, f.listers.both, "two read the lists at once")
					require.NotEmpty(t, f.listers.readers())
					require.LessOrEqual(t, len(f.listers.readers()), replicas, "each gives them up once, when it has no more Jobs")
				}, duvotest.WithAssignment(crowdWorker))
			}
			require.LessOrEqual(t, took[4], 1.2*took[1])
		})
	}
}

// sweeper waits until a replica reads the lists, and returns which.
func (f *fleet) sweeper(t *testing.T) int {
	for range 60 {
		if by := f.listers.readers(); len(by) > 0 {
			return by[len(by)-1]
		}
		time.Sleep(time.Second)
	}
	require.Fail(t, "nobody reads the lists")
	return 0
}

// isolated is one replica's way to a journal, of which nothing is left when it is cut.
type isolated struct{ *cutOff }

func (c isolated) Tell(ctx context.Context, text string) error {
	if c.cut.Load() {
		return errCut
	}
	return c.Leases.Tell(ctx, text)
}

func (c isolated) Listen(ctx context.Context, f func(text string)) error {
	return c.Leases.Listen(ctx, func(text string) {
		if !c.cut.Load() {
			f(text)
		}
	})
}

func (c isolated) Heads(ctx context.Context) iter.Seq2[journal.Record, error] {
	if c.cut.Load() {
		return func(yield func(journal.Record, error) bool) { yield(journal.Record{}, errCut) }
	}
	return c.Leases.Heads(ctx)
}

// Where the replica that reads the lists closes, another does at once; where it is cut
// off, when its lease is over, and never both.
func TestAnotherReplicaReadsTheLists(t *testing.T) {
	long(t)
	const lease, n = 3 * time.Second, 40
	for name, within := range map[string]time.Duration{"closes": time.Second / 10, "is cut off": lease + lease/3 + time.Second/10} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				ways := map[int]isolated{}
				f := newFleet(t, d, 3, func(i int, j journal.Leases) journal.Leases {
					ways[i] = isolated{&cutOff{Leases: j}}
					return ways[i]
				}, duvotool.WithLease(lease))
				f.start(t, n)
				time.Sleep(2 * time.Minute)
				was := f.sweeper(t)
				left := time.Now()
				if name == "closes" {
					require.NoError(t, f.regs[was].Close(t.Context()))
				} else {
					ways[was].cut.Store(true)
				}
				for f.sweeper(t) == was {
					require.LessOrEqual(t, time.Since(left), within)
					time.Sleep(10 * time.Millisecond)
				}
				t.Logf("another reads the lists after %v", time.Since(left))
				time.Sleep(20 * time.Minute)
				ways[was].cut.Store(false)
				time.Sleep(20 * time.Minute)
				f.regs = slices.Delete(f.regs, was, was+1)
				f.decideAll(t, n/5)
				f.settle(t, n)
				require.Zero(t, f.listers.both, "two read the lists at once")
				require.LessOrEqual(t, len(f.listers.readers()), 4)
				require.Equal(t, n/5, d.Count("respondToHumanRequest"))
				require.Equal(t, n, d.Count("startRun"))
			}, duvotest.WithAssignment(crowdWorker))
		})
	}
}

// losing is a way to a journal on which what replicas tell each other gets lost.
type losing struct {
	journal.Leases
	lost func() bool
}

func (l losing) Listen(ctx context.Context, f func(text string)) error {
	return l.Leases.Listen(ctx, func(text string) {
		if !l.lost() {
			f(text)
		}
	})
}

// Where some or all of what replicas tell each other is lost, Jobs are read by their age:
// each ends, once, and is told to have.
func TestReplicasHearNothing(t *testing.T) {
	long(t)
	const n = 40
	for name, lost := range map[string]func() bool{
		"some":              func() bool { return rand.N(4) == 0 },
		"all":               func() bool { return true },
		"all, from then on": nil,
	} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				if lost == nil {
					then := time.Now().Add(3 * time.Minute)
					lost = func() bool { return time.Now().After(then) }
				}
				f := newFleet(t, d, 4, func(_ int, j journal.Leases) journal.Leases { return losing{j, lost} })
				f.start(t, n)
				time.Sleep(40 * time.Minute)
				f.decideAll(t, n/5)
				latest, mean := f.settle(t, n)
				all, told := requests(d)
				t.Logf("%s lost: %.2f requests a Job:%s; ends told after %v on average, %v at most", name, float64(all)/n, told, mean.Round(time.Second), latest.Round(time.Second))
				require.Zero(t, f.listers.both, "two read the lists at once")
				require.Less(t, latest, 3*time.Minute, "as by age, two sweeps late")
				require.LessOrEqual(t, len(f.listers.readers()), 8)
				require.Equal(t, n/5, d.Count("respondToHumanRequest"))
				require.Equal(t, n, d.Count("startRun"))
			}, duvotest.WithAssignment(crowdWorker))
		})
	}
}

// otherwise is a backend with another credential.
type otherwise struct{ listBackend }

func (otherwise) Fingerprint() string { return "another" }

// Replicas with different credentials may see different lists: each of them reads its own.
func TestListsOfAnotherCredential(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		const n = 20
		f := newFleet(t, d, 1, nil)
		other, err := duvotool.Discover(t.Context(), otherwise{listBackend{d.Client(), f.listers, 1}},
			duvotool.WithJournal(f.journal), decide(hitl.Suspend(), nil), duvotool.WithObserver(f.saw))
		require.NoError(t, err)
		t.Cleanup(func() { _ = other.Close(context.Background()) })
		f.regs = append(f.regs, other)
		f.start(t, n)
		time.Sleep(10 * time.Minute)
		require.Contains(t, f.listers.readers(), 0)
		require.Contains(t, f.listers.readers(), 1)
		time.Sleep(30 * time.Minute)
		f.decideAll(t, n/5)
		f.settle(t, n)
	}, duvotest.WithAssignment(crowdWorker))
}

// The replica that reads the lists leaves that to another once it has no more Jobs of
// its own, and that one begins at once.
func TestListsAreGivenBack(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		const n = 20
		f := newFleet(t, d, 2, nil)
		start := func(from, to, replica int, input string) {
			for i := from; i < to; i++ {
				ctx := duvotool.WithOperationKey(t.Context(), fmt.Sprint("order ", i))
				_, err := mustTool(f.regs[replica], "worker").Start(ctx, input)
				require.NoError(t, err)
			}
		}
		start(0, n/2, 0, "10m")
		time.Sleep(time.Minute)
		start(n/2, n, 1, "30m")
		time.Sleep(8 * time.Minute)
		require.Equal(t, []int{0}, f.listers.readers())
		require.NoError(t, f.regs[0].Wait(t.Context()))
		time.Sleep(100 * time.Millisecond)
		require.Equal(t, []int{0, 1}, f.listers.readers())
		f.settle(t, n)
		require.Equal(t, []int{0, 1}, f.listers.readers())
	}, duvotest.WithAssignment(crowdWorker))
}
