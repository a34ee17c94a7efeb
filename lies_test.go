package duvotool_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// bent is a client that tells other than the server did.
type bent struct {
	*duvo.Client
	job  func(*duvo.Job)
	page func(duvo.JobFilter, *duvo.JobPage)
}

func (b bent) Job(ctx context.Context, id string) (duvo.Job, error) {
	j, err := b.Client.Job(ctx, id)
	if err == nil && b.job != nil {
		b.job(&j)
	}
	return j, err
}

func (b bent) JobPage(ctx context.Context, f duvo.JobFilter) (duvo.JobPage, error) {
	p, err := b.Client.JobPage(ctx, f)
	if err == nil && b.page != nil {
		b.page(f, &p)
	}
	return p, err
}

// rows changes every row of every list.
func rows(f func(*duvo.Job)) func(duvo.JobFilter, *duvo.JobPage) {
	return func(_ duvo.JobFilter, p *duvo.JobPage) {
		for i := range p.Jobs {
			f(&p.Jobs[i])
		}
	}
}

// endIn lets a crowd work and checks that each Job's end was seen in time, and
// that no Job was read too often.
func endIn(t *testing.T, d *duvotest.Duvo, b duvotool.Backend, n int, within time.Duration, reads float64) {
	t.Helper()
	giveUp := time.AfterFunc(100*time.Hour, func() { panic("some end is never seen") })
	defer giveUp.Stop()
	results, late := crowd(t, d, b, n)
	for _, r := range results {
		require.Equal(t, outcome.OutcomeCompleted, r.Outcome)
	}
	require.LessOrEqual(t, slices.Max(late), within)
	require.LessOrEqual(t, float64(d.Count("getRun"))/float64(n), reads)
	require.Equal(t, (n+4)/5, d.Count("respondToHumanRequest"))
}

// Where rows and reads do not fit together, each end is seen all the same.
func TestRowsAgainstReads(t *testing.T) {
	for name, c := range map[string]struct {
		b      bent
		within time.Duration
		reads  float64
	}{
		"reads lag behind": {bent{job: func(j *duvo.Job) {
			if !j.CompletedAt.IsZero() && time.Since(j.CompletedAt) < 20*time.Second {
				j.Status, j.UpdatedAt = duvo.StatusRunning, j.UpdatedAt.Add(-time.Minute)
			}
		}}, 2 * time.Minute, 3},
		"rows without times":      {bent{page: rows(func(j *duvo.Job) { j.UpdatedAt, j.CreatedAt = time.Time{}, time.Time{} })}, 2 * time.Minute, 2},
		"updated_at stands still": {bent{page: rows(func(j *duvo.Job) { j.UpdatedAt = j.CreatedAt }), job: func(j *duvo.Job) { j.UpdatedAt = j.CreatedAt }}, 2 * time.Minute, 2},
		"rows are a minute ahead": {bent{page: rows(func(j *duvo.Job) { j.UpdatedAt = j.UpdatedAt.Add(time.Minute) })}, 2 * time.Minute, 2},
		"some rows stand still": {bent{page: rows(func(j *duvo.Job) {
			if j.ID[0] == '1' {
				j.Status, j.UpdatedAt = duvo.StatusRunning, j.CreatedAt
			}
		})}, 13 * time.Hour, 4},
		"half of the rows stand still": {bent{page: rows(func(j *duvo.Job) {
			if j.ID[0] < '8' {
				j.Status, j.UpdatedAt = duvo.StatusRunning, j.CreatedAt
			}
		})}, 13 * time.Hour, 4},
		"rows are told ever anew":   {bent{page: rows(func(j *duvo.Job) { j.UpdatedAt = time.Now() })}, 2 * time.Minute, 3},
		"all rows tell the default": {bent{page: rows(func(j *duvo.Job) { *j = duvo.Job{ID: j.ID} })}, 13 * time.Hour, 30},
	} {
		t.Run(name, func(t *testing.T) {
			if c.within > time.Hour {
				long(t)
			}
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				c.b.Client = d.Client()
				endIn(t, d, c.b, 60, c.within, c.reads)
			}, duvotest.WithAssignment(crowdWorker))
		})
	}
}

// Lists that lie at random: rows that are missing, doubled or wrong, totals that
// do not fit.
func TestListsThatLieAtRandom(t *testing.T) {
	long(t)
	for seed := range uint64(3) {
		emulated(t, func(t *testing.T, d *duvotest.Duvo) {
			r := rand.New(rand.NewPCG(seed, 1))
			statuses := []duvo.Status{duvo.StatusRunning, duvo.StatusWaiting, duvo.StatusCompleted, duvo.StatusStopped, duvo.StatusPending, "odd", ""}
			b := bent{Client: d.Client(), page: func(f duvo.JobFilter, p *duvo.JobPage) { // by the one sweep at a time
				var told []duvo.Job
				for _, j := range p.Jobs {
					switch r.IntN(20) {
					case 0:
						continue
					case 1:
						told = append(told, j)
					case 2:
						if f.Status == "" || r.IntN(50) == 0 {
							j.Status = statuses[r.IntN(len(statuses))]
						}
					case 3:
						j.UpdatedAt = j.UpdatedAt.Add(time.Duration(r.IntN(7200)-3600) * time.Second)
					case 4:
						j.CreatedAt = j.CreatedAt.Add(time.Duration(r.IntN(600)-300) * time.Second)
					case 5:
						j.UpdatedAt, j.CreatedAt = time.Time{}, time.Time{}
					}
					told = append(told, j)
				}
				p.Jobs = told[:min(len(told), 100)]
				p.Total += r.IntN(5) - 2
			}}
			endIn(t, d, b, 300, 2*time.Minute, 60)
		}, duvotest.WithAssignment(crowdWorker))
	}
}

// A list without an end does not hold up anything.
func TestListsWithoutEnd(t *testing.T) {
	long(t)
	for _, status := range []duvo.Status{"", duvo.StatusRunning, duvo.StatusWaiting, duvo.StatusCompleted} {
		for _, total := range []int{-1, 1 << 40} {
			t.Run(fmt.Sprint(status, total), func(t *testing.T) {
				emulated(t, func(t *testing.T, d *duvotest.Duvo) {
					for range 2500 { // so that lists by status are worth it
						_, err := d.StartElsewhere(crowdWorker.ID, "1s")
						require.NoError(t, err)
					}
					time.Sleep(2 * time.Minute)
					pages := 0
					b := bent{Client: d.Client(), page: func(f duvo.JobFilter, p *duvo.JobPage) {
						if pages++; pages > 50_000 {
							panic("endless")
						}
						if f.Status != status {
							return
						}
						var told []duvo.Job
						for i := range 100 {
							told = append(told, duvo.Job{ID: fmt.Sprint("foreign-", i), Status: status, CreatedAt: time.Now()})
						}
						*p = duvo.JobPage{Jobs: told, Total: total}
					}}
					endIn(t, d, b, 200, 3*time.Minute, 60)
				}, duvotest.WithAssignment(crowdWorker), duvotest.WithRateLimit(3000))
			})
		}
	}
}

// Jobs that lists left out are looked for again.
func TestListsHeal(t *testing.T) {
	long(t)
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		begin := time.Now()
		b := bent{Client: d.Client(), page: func(f duvo.JobFilter, p *duvo.JobPage) {
			if since := time.Since(begin); since > 5*time.Minute && since < 20*time.Minute {
				p.Jobs = slices.DeleteFunc(p.Jobs, func(j duvo.Job) bool { return j.ID[0]%2 == 0 })
			}
		}}
		reg := discover(t, b)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 300 {
			wg.Go(func() { _, _ = mustTool(reg, "worker").Run(ctx, "5h") })
		}
		time.Sleep(32 * time.Minute)
		before := d.Count("getRun")
		time.Sleep(25 * time.Minute)
		require.Less(t, d.Count("getRun")-before, 30, "not by age")
		cancel()
		wg.Wait()
	}, duvotest.WithAssignment(crowdWorker))
}

// A simple fake gives every Job one ID. Nobody is forgotten for it.
func TestJobsThatShareAnID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		over := time.Now().Add(time.Hour)
		f := &fake{job: func(int) (duvo.Job, error) {
			if time.Now().After(over) {
				return duvo.Job{Status: duvo.StatusCompleted}, nil
			}
			return duvo.Job{Status: duvo.StatusRunning}, nil
		}}
		reg := discover(t, f)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Hour)
		defer cancel()
		done := make(chan error, 1)
		go func() { _, err := reg.All()[0].Run(ctx, "x"); done <- err }()
		synctest.Wait()
		second, leave := context.WithCancel(t.Context())
		go func() { _, _ = reg.All()[0].Run(second, "y") }()
		time.Sleep(time.Minute)
		leave()
		require.NoError(t, <-done)
		require.Less(t, time.Since(over), 2*time.Minute)
	})
}
