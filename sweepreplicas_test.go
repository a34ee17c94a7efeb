package duvotool_test

import (
	"context"
	"fmt"
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
	pages   []time.Time
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
	l.pages = append(l.pages, time.Now())
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

// since tells how many pages were read since then, and when the first was.
func (l *listers) since(then time.Time) (pages int, first time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, at := range l.pages {
		if !at.Before(then) {
			if pages++; pages == 1 {
				first = at
			}
		}
	}
	return pages, first
}

// A fleet is some registries on one journal, and what was seen of them.
type fleet struct {
	d       *duvotest.Duvo
	regs    []*duvotool.Registry
	listers *listers

	mu    sync.Mutex
	ended map[string]time.Time // when the end of each Job was told
}

// newFleet makes n registries. way is the way of each to the journal.
func newFleet(t *testing.T, d *duvotest.Duvo, n int, way func(i int, j journal.Leases) journal.Leases, opts ...duvotool.Option) *fleet {
	f := &fleet{d: d, listers: &listers{reading: map[int]int{}}, ended: map[string]time.Time{}}
	j := journal.NewShared()
	for i := range n {
		mine := j
		if way != nil {
			mine = way(i, j)
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

// decideAll lets people approve, for hours, whatever waits, on any replica.
func (f *fleet) decideAll(t *testing.T) {
	for i, req := range f.regs[0].Pending() {
		time.Sleep(time.Minute)
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
	for _, n := range []int{40, 400} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			took := map[int]float64{}
			for _, replicas := range []int{1, 4} {
				emulated(t, func(t *testing.T, d *duvotest.Duvo) {
					f := newFleet(t, d, replicas, nil)
					f.start(t, n)
					time.Sleep(2 * time.Hour)
					require.Len(t, f.regs[0].Pending(), n/5)
					f.decideAll(t)
					latest, mean := f.settle(t, n)
					all, told := requests(d)
					took[replicas] = float64(all) / float64(n)
					t.Logf("%d Jobs, %d replicas: %.2f requests a Job:%s; ends told after %v on average, %v at most; lists read by %v",
						n, replicas, took[replicas], told, mean.Round(time.Second), latest.Round(time.Second), f.listers.readers())
					require.Zero(t, f.listers.both, "two at once")
				}, duvotest.WithAssignment(crowdWorker))
			}
			require.LessOrEqual(t, took[4], 1.2*took[1])
		})
	}
}
