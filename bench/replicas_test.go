package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A counted journal counts what replicas ask of it, each call as the statement that it
// is in a database.
type counted struct {
	journal.Leases
	puts, gets, leases, told, steady, bytes *atomic.Int64
	cut                                     *atomic.Bool // this replica cannot reach it
}

func newCounted() counted {
	n := func() *atomic.Int64 { return new(atomic.Int64) }
	return counted{journal.NewShared(), n(), n(), n(), n(), n(), n(), new(atomic.Bool)}
}

// another is another replica's way to the journal.
func (c counted) another() counted { c.cut = new(atomic.Bool); return c }

var errCut = errors.New("the journal cannot be reached")

func (c counted) count(n *atomic.Int64) error {
	if c.cut.Load() {
		return errCut
	}
	n.Add(1)
	return nil
}

func (c counted) Put(ctx context.Context, r journal.Record) (uint64, error) {
	if err := c.count(c.puts); err != nil {
		return 0, err
	}
	c.bytes.Add(int64(len(r.Data)))
	return c.Leases.Put(ctx, r)
}

func (c counted) Get(ctx context.Context, key string) (journal.Record, error) {
	if err := c.count(c.gets); err != nil {
		return journal.Record{}, err
	}
	return c.Leases.Get(ctx, key)
}

func (c counted) Renew(ctx context.Context, owner string, lasts time.Duration) (journal.Renewal, error) {
	if err := c.count(c.steady); err != nil {
		return journal.Renewal{}, err
	}
	return c.Leases.Renew(ctx, owner, lasts)
}

func (c counted) Own(ctx context.Context, owner, key string) (journal.Lease, error) {
	if err := c.count(c.leases); err != nil {
		return journal.Lease{}, err
	}
	return c.Leases.Own(ctx, owner, key)
}

func (c counted) TakeOver(ctx context.Context, owner string, n int) ([]journal.Lease, error) {
	if err := c.count(c.steady); err != nil {
		return nil, err
	}
	return c.Leases.TakeOver(ctx, owner, n)
}

func (c counted) Release(ctx context.Context, owner string, keys ...string) error {
	if err := c.count(c.leases); err != nil {
		return err
	}
	return c.Leases.Release(ctx, owner, keys...)
}

func (c counted) Tell(ctx context.Context, text string) error {
	if err := c.count(c.told); err != nil {
		return err
	}
	return c.Leases.Tell(ctx, text)
}

func (c counted) Heads(ctx context.Context) iter.Seq2[journal.Record, error] {
	if err := c.count(c.steady); err != nil {
		return func(yield func(journal.Record, error) bool) { yield(journal.Record{}, err) }
	}
	return c.Leases.Heads(ctx)
}

// statements are those that depend on how many Jobs there are; steady those that depend on
// time.
func (c counted) statements() int64 {
	return c.puts.Load() + c.gets.Load() + c.leases.Load() + c.told.Load()
}

// benchReplicas: Jobs of ten minutes, half of which ask, on one replica and on several
// with the same journal; and what taking over costs.
func benchReplicas(r *making) {
	n := r.many(2000, 100)
	perJob := map[int]float64{}
	for _, replicas := range []int{1, 4, 16} {
		synctest.Test(r.t, func(t *testing.T) { perJob[replicas] = r.replicas(t, replicas, n) })
	}
	r.print(figure{"replicas", "requests, 4 against 1", "duvotool", []value{{"ratio", perJob[4] / perJob[1], ""}}})
	synctest.Test(r.t, func(t *testing.T) { r.takeOver(t, r.many(10_000, 200)) })
}

// replicas returns how many requests a Job took.
func (r *making) replicas(t *testing.T, replicas, n int) float64 {
	d := duvotest.New(duvotest.WithAssignment(worker), duvotest.WithHistory(1000), duvotest.WithRateLimit(1_000_000))
	j := newCounted()
	approve := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Approve("bench", ""), nil })
	var regs []*duvotool.Registry
	for range replicas {
		reg, err := duvotool.Discover(t.Context(), d.Client(duvo.WithRetries(5, 2*time.Minute)), duvotool.WithJournal(j.another()), duvotool.WithPolicy(approve))
		require.NoError(t, err)
		regs = append(regs, reg)
	}
	var done atomic.Int64
	one := func(i int) {
		input := about(10 * time.Minute)
		if i%2 == 0 {
			input += " ask"
		}
		if _, err := regs[rand.N(replicas)].All()[0].Run(t.Context(), input); err != nil {
			t.Error(err)
		}
		done.Add(1)
	}
	began, requests, statements, bytes := time.Now(), all(d), j.statements(), j.bytes.Load()
	var wg sync.WaitGroup
	for k := range n { // as many in flight at any time, three times over
		wg.Go(func() {
			time.Sleep(rand.N(10 * time.Minute))
			for i := range 3 {
				one(k + i)
			}
		})
	}
	wg.Wait()
	jobs, minutes := float64(done.Load()), time.Since(began).Minutes()
	out := float64(all(d)-requests) / jobs
	r.print(figure{"replicas", fmt.Sprintf("%d of %d Jobs in flight", replicas, n), "duvotool", []value{
		{"requests a Job", out, ""}, {"statements a Job", float64(j.statements()-statements) / jobs, ""}, {"puts", float64(j.puts.Load()) / jobs, ""}, {"reads", float64(j.gets.Load()) / jobs, ""},
		{"leases", float64(j.leases.Load()) / jobs, ""}, {"told", float64(j.told.Load()) / jobs, ""}, {"written", float64(j.bytes.Load()-bytes) / jobs / 1024, " KiB"},
		{"beside, a minute and replica", float64(j.steady.Load()) / minutes / float64(replicas), ""},
	}})
	assert.EqualValues(t, jobs, d.Count("startRun"), "each was started once")
	for _, reg := range regs {
		require.NoError(t, reg.Close(t.Context()))
	}
	d.Close()
	return out
}

// takeOver lets one replica take over what another had when it was cut off.
func (r *making) takeOver(t *testing.T, n int) {
	d := duvotest.New(duvotest.WithAssignment(worker), duvotest.WithHistory(1000), duvotest.WithRateLimit(1_000_000))
	j := newCounted()
	suspend := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })
	replica := func(way journal.Journal) *duvotool.Registry {
		reg, err := duvotool.Discover(t.Context(), d.Client(duvo.WithRetries(5, 2*time.Minute)), duvotool.WithJournal(way), duvotool.WithPolicy(suspend))
		require.NoError(t, err)
		return reg
	}
	first := j.another()
	a, b := replica(first), replica(j.another())
	for range n {
		_, err := a.All()[0].Start(t.Context(), "1m ask")
		require.NoError(t, err)
	}
	for len(b.Pending()) < n {
		time.Sleep(10 * time.Second)
	}
	time.Sleep(time.Minute)
	requests, statements, began := all(d), j.statements(), time.Now()
	first.cut.Store(true)
	for len(b.Resumed()) < n {
		time.Sleep(100 * time.Millisecond)
	}
	took := time.Since(began)
	time.Sleep(10 * time.Minute) // reads that the taking over brings about come at the key's pace
	r.print(figure{"replicas", fmt.Sprintf("%d operations are taken over", n), "duvotool", []value{
		{"after", took.Seconds(), " s"}, {"statements each", float64(j.statements()-statements) / float64(n), ""}, {"requests each, in ten minutes", float64(all(d)-requests) / float64(n), ""},
	}})
	assert.Less(t, took, 2*time.Minute)
	assert.Len(t, b.Pending(), n)
	require.NoError(t, b.Close(t.Context()))
	first.cut.Store(false)
	require.NoError(t, a.Close(t.Context()))
	d.Close()
}
