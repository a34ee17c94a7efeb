package bolt

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// BenchmarkCall runs whole calls, each with an approval, in pairs: one with the
// journal on disk and one without, on the same emulator in the same run. It
// prints the medians of both sides and of the ratio.
func BenchmarkCall(b *testing.B) {
	server := duvotest.NewServer(duvotest.WithHistory(1000), duvotest.WithAssignment(duvotest.Assignment{Name: "Refunds", Script: func(j *duvotest.Job) {
		if j.AskApproval("Refund "+j.Input(), "") {
			j.Complete("refunded")
		}
	}}))
	defer server.Close()
	journal, err := Open(filepath.Join(b.TempDir(), "journal.db"))
	require.NoError(b, err)
	defer journal.Close()
	yes := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
		return hitl.Approve("bench", ""), nil
	})
	side := func(opts ...duvotool.Option) func() time.Duration {
		reg, err := duvotool.Discover(b.Context(), server.Client(), append(opts, duvotool.WithPolicy(yes), duvotool.WithPollInterval(2*time.Millisecond))...)
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, reg.Close(context.Background())) })
		return func() time.Duration {
			begin := time.Now()
			res, err := reg.All()[0].Run(b.Context(), "120 EUR for order 4711")
			took := time.Since(begin)
			require.NoError(b, err)
			require.Equal(b, "refunded", res.Output)
			return took
		}
	}
	without, with := side(), side(duvotool.WithJournal(journal))
	var a, c, ratios []float64
	before := journal.head.generation
	for i := range b.N {
		var x, y time.Duration
		if i%2 == 0 {
			x, y = without(), with()
		} else {
			y, x = with(), without()
		}
		a, c, ratios = append(a, x.Seconds()*1e3), append(c, y.Seconds()*1e3), append(ratios, y.Seconds()/x.Seconds())
	}
	median := func(s []float64) float64 { slices.Sort(s); return s[len(s)/2] }
	b.ReportMetric(median(a), "ms/without")
	b.ReportMetric(median(c), "ms/with")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(float64(journal.head.generation-before)/float64(b.N), "commits/call")
}

// BenchmarkRecovery takes up 10,000 Jobs that were in flight. It prints the time
// until Discover has returned and the requests until every Job is known to be
// where it was.
func BenchmarkRecovery(b *testing.B) {
	const jobs = 10_000
	server := duvotest.New(duvotest.WithHistory(1000), duvotest.WithAssignment(duvotest.Assignment{Name: "Long", Script: func(j *duvotest.Job) { j.Sleep(24 * time.Hour) }}))
	defer server.Close()
	path := filepath.Join(b.TempDir(), "journal.db")
	journal, err := Open(path)
	require.NoError(b, err)
	reg, err := duvotool.Discover(b.Context(), server.Client(), duvotool.WithJournal(journal), duvotool.WithWaitBudget(time.Nanosecond))
	require.NoError(b, err)
	for i := range jobs {
		_, err := reg.All()[0].Run(duvotool.WithOperationKey(b.Context(), fmt.Sprint("key ", i)), "x")
		require.NoError(b, err)
	}
	for started := 0; started < jobs; time.Sleep(100 * time.Millisecond) {
		started = 0
		for _, j := range reg.Jobs() {
			if j.JobID != "" {
				started++
			}
		}
	}
	require.NoError(b, reg.Close(context.Background()))
	require.NoError(b, journal.Close())
	b.ResetTimer()
	for range b.N {
		requests := func() int { return server.Count("getRun") + server.Count("listRuns") + server.Count("startRun") }
		before, begin := requests(), time.Now()
		journal, err := Open(path)
		require.NoError(b, err)
		opened := time.Since(begin)
		reg, err := duvotool.Discover(b.Context(), server.Client(), duvotool.WithJournal(journal))
		require.NoError(b, err)
		took := time.Since(begin)
		require.Len(b, reg.Resumed(), jobs)
		time.Sleep(20 * time.Second) // a sweep has been through all of them
		b.ReportMetric(opened.Seconds(), "s/open")
		b.ReportMetric(took.Seconds(), "s/discover")
		b.ReportMetric(float64(requests()-before), "requests")
		require.NoError(b, reg.Close(context.Background()))
		require.NoError(b, journal.Close())
	}
	require.Len(b, server.Jobs(), jobs)
}
