package duvotool_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// crowd runs n Jobs of 10 to 30 minutes, some of which ask, and returns their
// results, the requests it took and how late the ends were seen.
func crowd(t *testing.T, d *duvotest.Duvo, b duvotool.Backend, n int, opts ...duvotool.Option) (results []*outcome.Result, late []time.Duration) {
	reg := discover(t, b, append([]duvotool.Option{decide(hitl.Approve("test", ""), nil)}, opts...)...)
	var wg sync.WaitGroup
	results, late = make([]*outcome.Result, n), make([]time.Duration, n)
	for i := range n {
		wg.Go(func() {
			input := (10*time.Minute + rand.N(20*time.Minute)).String()
			if i%5 == 0 {
				input += " ask"
			}
			res, err := mustTool(reg, "worker").Run(t.Context(), input)
			require.NoError(t, err)
			job, _ := d.Job(res.JobID)
			results[i], late[i] = res, time.Since(job.CompletedAt)
		})
	}
	wg.Wait()
	return results, late
}

var crowdWorker = duvotest.Assignment{ID: "a0000000-0000-4000-8000-0000000c0de0", Name: "Worker", Script: func(j *duvotest.Job) {
	var length, ask string
	_, _ = fmt.Sscan(j.Input(), &length, &ask)
	d, err := time.ParseDuration(length)
	if err != nil {
		j.Fail(err.Error())
	}
	j.Sleep(d / 2)
	if ask != "" {
		j.AskApproval("Go on?", "")
	}
	j.Sleep(d / 2)
	j.Complete("worked")
}}

// Whatever the lists are like, every Job ends as it did, with one response
// each; and where they are right, a Job takes few requests.
func TestSweeps(t *testing.T) {
	const n = 400
	for name, c := range map[string]struct {
		quirks   duvotest.Quirks
		opts     []duvotest.Option
		foreign  int
		faults   []duvotest.Fault
		reads    float64 // a Job, at most
		pages    float64
		lateness time.Duration // at most, but for a few
		short    bool          // with -short, too
	}{
		"right":             {reads: 1.8, pages: 1.5, lateness: 16 * time.Second},
		"foreign Jobs":      {foreign: 3000, reads: 1.8, pages: 5, lateness: 31 * time.Second},
		"filter ignored":    {quirks: duvotest.Quirks{FilterIgnored: true}, reads: 1.8, pages: 2, lateness: 16 * time.Second},
		"filter misses":     {quirks: duvotest.Quirks{FilterMisses: true}, reads: 5, pages: 3, lateness: 100 * time.Second, short: true},
		"undocumented":      {quirks: duvotest.Quirks{UnknownStatus: true, UnknownFields: true}, reads: 2.8, pages: 3, lateness: 16 * time.Second},
		"a rate limit":      {opts: []duvotest.Option{duvotest.WithRateLimit(700)}, reads: 1.8, pages: 1.5, lateness: 30 * time.Second},
		"lists forbidden":   {opts: []duvotest.Option{duvotest.WithForbidden("listRuns")}, reads: 100, pages: .1, lateness: 110 * time.Second},
		"lists down":        {faults: []duvotest.Fault{{Op: "listRuns", Times: -1, Kind: duvotest.StatusBefore}}, reads: 100, pages: 5, lateness: 110 * time.Second},
		"lists break":       {faults: []duvotest.Fault{{Op: "listRuns", Skip: 5, Times: 10, Kind: duvotest.ResetBefore}}, reads: 15, pages: 2, lateness: 90 * time.Second},
		"lists are no JSON": {faults: []duvotest.Fault{{Op: "listRuns", Skip: 20, Times: -1, Kind: duvotest.NotJSON, Body: "<html>"}}, reads: 100, pages: 5, lateness: 110 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			if !c.short {
				long(t)
			}
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				for range c.foreign {
					_, err := d.StartElsewhere(crowdWorker.ID, (40*time.Minute).String()+" ask")
					require.NoError(t, err)
				}
				d.Inject(c.faults...)
				results, late := crowd(t, d, d.Client(duvo.WithRetries(5, 2*time.Minute)), n)
				for _, r := range results {
					require.Equal(t, outcome.OutcomeCompleted, r.Outcome)
				}
				slow := 0
				for _, l := range late {
					if l > c.lateness {
						slow++
					}
				}
				require.Less(t, slow, n/20, "those that are left when few are, and the oldest")
				require.Equal(t, n/5, d.Count("respondToHumanRequest"))
				require.LessOrEqual(t, float64(d.Count("getRun"))/n, c.reads)
				require.LessOrEqual(t, float64(d.Count("listRuns"))/n, c.pages)
				require.Zero(t, d.CountStatus(429))
			}, append(c.opts, duvotest.WithAssignment(crowdWorker), duvotest.WithQuirks(c.quirks))...)
		})
	}
}

// lying is a backend whose lists tell some Jobs wrongly.
type lying struct {
	*duvo.Client
	row func(*duvo.Job) bool // false: leave it out
}

func (l lying) JobPage(ctx context.Context, f duvo.JobFilter) (duvo.JobPage, error) {
	page, err := l.Client.JobPage(ctx, f)
	kept := page.Jobs[:0]
	for _, j := range page.Jobs {
		if f.Status != "" || l.row(&j) { // lists by status are as they should
			kept = append(kept, j)
		}
	}
	page.Jobs = kept
	return page, err
}

// A row is a hint: the read decides, and a hint that it refutes leads to one
// read until the row changes.
func TestRowsAreHints(t *testing.T) {
	for name, status := range map[string]duvo.Status{"completed": duvo.StatusCompleted, "stopped": duvo.StatusStopped, "waiting": duvo.StatusWaiting, "undocumented": "pondering"} {
		t.Run(name, func(t *testing.T) {
			emulated(t, func(t *testing.T, d *duvotest.Duvo) {
				b := lying{d.Client(), func(j *duvo.Job) bool {
					if j.Status == duvo.StatusRunning {
						j.Status = status
					}
					return true
				}}
				results, _ := crowd(t, d, b, 50)
				for _, r := range results {
					require.Equal(t, outcome.OutcomeCompleted, r.Outcome)
					require.Equal(t, "worked", r.Output)
				}
				require.Less(t, d.Count("getRun"), 50*10, "not again and again")
			}, duvotest.WithAssignment(crowdWorker))
		})
	}
}

// Jobs that lists leave out are read by their age, and deleted ones are told so.
func TestUnlistedJobs(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		b := lying{d.Client(), func(j *duvo.Job) bool { return j.ID[len(j.ID)-1]%4 != 0 }}
		results, late := crowd(t, d, b, 100)
		for i, r := range results {
			require.Equal(t, outcome.OutcomeCompleted, r.Outcome)
			require.Less(t, late[i], 110*time.Second)
		}
	}, duvotest.WithAssignment(crowdWorker))
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		reg := discover(t, d.Client())
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				res, err := mustTool(reg, "worker").Run(t.Context(), "10h")
				require.NoError(t, err)
				require.Contains(t, []outcome.Outcome{outcome.OutcomeGone, outcome.OutcomeStopped}, res.Outcome)
			})
		}
		time.Sleep(20 * time.Minute)
		for i, j := range d.Jobs() {
			if i%2 == 0 {
				require.NoError(t, d.DeleteJob(j.ID))
			} else {
				require.NoError(t, d.StopJob(j.ID))
			}
		}
		begin := time.Now()
		wg.Wait()
		require.Less(t, time.Since(begin), 5*time.Minute, "that it is not found proves nothing for minutes")
	}, duvotest.WithAssignment(crowdWorker))
}

// Another request in the place of one looks the same in a list.
func TestReplacedRequestIsSeenInACrowd(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		var mu sync.Mutex
		asked := map[string]int{}
		policy := hitl.PolicyFunc(func(ctx context.Context, q hitl.Request) (hitl.Decision, error) {
			mu.Lock()
			asked[q.Title]++
			mu.Unlock()
			if q.Title == "Now this?" {
				return hitl.Approve("kim", ""), nil
			}
			<-ctx.Done()
			return hitl.Decision{}, context.Cause(ctx)
		})
		reg := discover(t, d.Client(), duvotool.WithPolicy(policy))
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				_, err := mustTool(reg, "worker").Run(t.Context(), "2m ask")
				require.NoError(t, err)
			})
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Equal(t, 40, asked["Go on?"])
		for _, j := range d.Jobs() {
			require.NoError(t, d.ChangeRequest(j.ID, func(q *duvo.HumanRequest) { q.Title = "Now this?" }))
		}
		begin := time.Now()
		wg.Wait()
		require.Less(t, time.Since(begin), 12*time.Minute)
		require.Equal(t, 40, asked["Now this?"])
		require.Equal(t, 40, d.Count("respondToHumanRequest"))
	}, duvotest.WithAssignment(crowdWorker))
}

// The whole service is gone for a while: one request at a time asks whether it
// is back, and then everything goes on.
func TestOutage(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		down := time.Now().Add(8 * time.Minute)
		d.InjectFunc(outage(down, down.Add(5*time.Minute)))
		var before, after atomic.Int64
		time.AfterFunc(8*time.Minute+30*time.Second, func() { before.Store(int64(count(d))) })
		time.AfterFunc(12*time.Minute+59*time.Second, func() { after.Store(int64(count(d))) })
		results, _ := crowd(t, d, d.Client(), 300)
		for _, r := range results {
			require.Equal(t, outcome.OutcomeCompleted, r.Outcome)
		}
		require.Less(t, after.Load()-before.Load(), int64(60))
	}, duvotest.WithAssignment(crowdWorker))
}

func outage(from, to time.Time) func(string, *http.Request) *duvotest.Fault {
	return func(string, *http.Request) *duvotest.Fault {
		if now := time.Now(); now.Before(from) || now.After(to) {
			return nil
		}
		return &duvotest.Fault{Kind: duvotest.StatusBefore}
	}
}

func count(d *duvotest.Duvo) (n int) {
	for _, op := range []string{"getRun", "listRuns", "listRunMessages", "startRun", "respondToHumanRequest"} {
		n += d.Count(op)
	}
	return n
}

// A burst of calls waits for its turn at the key's limit: every Job starts, once,
// and no request is refused.
func TestBurstOfStartsAtALimit(t *testing.T) {
	emulated(t, func(t *testing.T, d *duvotest.Duvo) {
		results, _ := crowd(t, d, d.Client(), 500)
		for _, r := range results {
			require.Equal(t, outcome.OutcomeCompleted, r.Outcome)
		}
		require.Len(t, d.Jobs(), 500)
		require.LessOrEqual(t, d.CountStatus(429), 5)
	}, duvotest.WithAssignment(crowdWorker), duvotest.WithRateLimit(120))
}

// TestTrustLists: a completed Job is not read where lists are trusted and right,
// and is where they are not.
func TestTrustLists(t *testing.T) {
	long(t)
	for name, c := range map[string]struct {
		opts   []duvotool.Option
		quirks duvotest.Quirks
		least  int // reads of Jobs
		most   int
	}{
		"default":                 {nil, duvotest.Quirks{}, 800, 1200},
		"trusted":                 {[]duvotool.Option{duvotool.TrustLists()}, duvotest.Quirks{}, 0, 700}, // the last hundreds are found in the whole list
		"trusted, filter ignored": {[]duvotool.Option{duvotool.TrustLists()}, duvotest.Quirks{FilterIgnored: true}, 500, 1200},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 800
				d := duvotest.New(duvotest.WithAssignment(sleeper), duvotest.WithQuirks(c.quirks))
				defer d.Close()
				reg := discover(t, d.Client(), c.opts...)
				var wg sync.WaitGroup
				for i := range n {
					wg.Go(func() {
						input := (20*time.Minute + time.Duration(i)*time.Second).String()
						res, err := reg.All()[0].Run(t.Context(), input)
						require.NoError(t, err)
						require.Equal(t, outcome.OutcomeCompleted, res.Outcome)
						require.NotEmpty(t, res.Output)
						require.Equal(t, d.Jobs()[0].AssignmentID, res.Assignment.ID)
					})
				}
				wg.Wait()
				require.Equal(t, n, d.Count("listRunMessages"))
				require.GreaterOrEqual(t, d.Count("getRun"), c.least)
				require.LessOrEqual(t, d.Count("getRun"), c.most)
			})
		})
	}
}
