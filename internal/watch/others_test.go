package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/lifetime"
	"github.com/stretchr/testify/require"
)

// service is a backend with Jobs that run, until they are said to do something else.
type service struct {
	mu      sync.Mutex             // guards all below
	status  map[string]duvo.Status // in lists
	lags    map[string]bool        // reads tell it as running all the same
	updated time.Time
	reads   map[string]int
	pages   []time.Time
	took    time.Duration // by each read

	pageTook  time.Duration
	pageEnded time.Time
}

func jobID(i int) string { return fmt.Sprint("job-", i) }

func jobIDs(from, to int) (ids []string) {
	for i := from; i < to; i++ {
		ids = append(ids, jobID(i))
	}
	return ids
}

func newService(jobs int) *service {
	s := &service{status: map[string]duvo.Status{}, lags: map[string]bool{}, reads: map[string]int{}, updated: time.Now()}
	for i := range jobs {
		s.status[jobID(i)] = duvo.StatusRunning
	}
	return s
}

func (s *service) Job(_ context.Context, id string) (duvo.Job, error) {
	s.mu.Lock()
	job := duvo.Job{ID: id, Status: s.status[id], UpdatedAt: s.updated}
	if s.lags[id] {
		job.Status = duvo.StatusRunning
	}
	s.reads[id]++
	took := s.took
	s.mu.Unlock()
	time.Sleep(took)
	return job, nil
}

func (s *service) JobPage(ctx context.Context, f duvo.JobFilter) (page duvo.JobPage, err error) {
	s.mu.Lock()
	took := s.pageTook
	s.pages = append(s.pages, time.Now())
	s.mu.Unlock()
	select {
	case <-time.After(took):
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pageEnded = time.Now()
	for id, status := range s.status {
		if f.Status == "" || f.Status == status {
			page.Jobs = append(page.Jobs, duvo.Job{ID: id, Status: status, UpdatedAt: s.updated, CreatedAt: s.updated})
		}
	}
	page.Total = len(page.Jobs)
	return page, err
}

// hub takes what a watcher tells.
type hub struct {
	want atomic.Bool
	tell func(Hints)
}

func (h *hub) Want(want bool) { h.want.Store(want) }
func (h *hub) Tell(hints Hints) {
	if h.tell != nil {
		h.tell(hints)
	}
}

func sharing(t *testing.T, s *service) (*Watcher, *hub) {
	w, h := NewWatcher(s, lifetime.NewLifetime(), pool(t), slog.New(slog.DiscardHandler), 0, false), &hub{}
	w.Share(h)
	t.Cleanup(func() {
		for i := range 20 {
			if n := w.Find(jobID(i)); n != nil {
				n.Stop()
			}
		}
		synctest.Wait()
	})
	return w, h
}

func (s *service) watch(t *testing.T, w *Watcher, ids ...string) {
	for _, id := range ids {
		n := w.Watch(duvo.Job{ID: id, Status: duvo.StatusRunning, UpdatedAt: s.updated, CreatedAt: s.updated}, sighter{t, func(n *Watch, _ Sighting) { n.Schedule(0) }})
		n.Schedule(0)
	}
}

// do changes something.
func (s *service) do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *service) readsOf(id string) (n int) {
	s.do(func() { n = s.reads[id] })
	return n
}

func (s *service) pagesRead() (at []time.Time) {
	s.do(func() { at = slices.Clone(s.pages) })
	return at
}

// A watcher that shares the lists reads them only once it is elected, and until that
// runs out; then it reads by age.
func TestOnlyTheElectedReadsLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(20)
		w, h := sharing(t, s)
		s.watch(t, w, jobIDs(0, 20)...)
		time.Sleep(time.Minute)
		require.True(t, h.want.Load())
		require.Empty(t, s.pagesRead())
		require.Greater(t, s.readsOf("job-1"), 8, "by age")

		before, began := s.readsOf("job-1"), time.Now()
		w.Elect(time.Minute)
		time.Sleep(50 * time.Second)
		require.NotEmpty(t, s.pagesRead())
		require.LessOrEqual(t, s.readsOf("job-1"), before+1)
		time.Sleep(2 * time.Minute)
		for _, at := range s.pagesRead() {
			require.Less(t, at.Sub(began), time.Minute)
		}
		require.Greater(t, s.readsOf("job-1"), before+2, "by age again")
	})
}

// A sweep that is under way when that runs out ends, and sends nothing more.
func TestSweepEndsWithItsElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(20)
		s.pageTook = 20 * time.Second
		w, _ := sharing(t, s)
		s.watch(t, w, jobIDs(0, 20)...)
		time.Sleep(time.Minute)
		began := time.Now()
		w.Elect(50 * time.Second)
		time.Sleep(5 * time.Minute)
		require.NotEmpty(t, s.pagesRead())
		for _, at := range s.pagesRead() {
			require.Less(t, at.Sub(began), 50*time.Second)
		}
		s.do(func() { require.WithinDuration(t, began.Add(50*time.Second), s.pageEnded, 0) })
	})
}

// Who was held up past its election finds so before it asks for the next page.
func TestNoPageAfterTheElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(1)
		w, _ := sharing(t, s)
		p := newPass(w, t.Context(), w.now())
		_, err := p.request(duvo.JobFilter{})
		require.ErrorIs(t, err, errNotElected)
		require.Empty(t, s.pagesRead())
		w.Elect(time.Second)
		_, err = p.request(duvo.JobFilter{})
		require.NoError(t, err)
		require.Len(t, s.pagesRead(), 1)
	})
}

// A Job that another looks after is not read by its age until that runs out, or is over.
func TestHeardRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(2)
		w, _ := sharing(t, s)
		s.watch(t, w, jobIDs(0, 2)...)
		time.Sleep(time.Second)
		w.TakeHints(Hints{Whole: true, Looked: map[string]bool{"JOB-0": true}, Lasts: 30 * time.Second})
		for range 9 {
			time.Sleep(20 * time.Second)
			w.TakeHints(Hints{Swept: true, Lasts: 30 * time.Second})
		}
		require.Zero(t, s.readsOf("job-0"))
		require.NotZero(t, s.readsOf("job-1"), "nobody looks after it")
		time.Sleep(29 * time.Second)
		require.Zero(t, s.readsOf("job-0"))
		time.Sleep(2 * time.Second)
		require.Equal(t, 1, s.readsOf("job-0"), "nothing was heard for long")

		w.TakeHints(Hints{Swept: true, Lasts: time.Hour})
		time.Sleep(10 * time.Minute)
		require.Equal(t, 1, s.readsOf("job-0"))
		w.TakeHints(Hints{Whole: true}) // of another, which has not seen the Job yet
		w.TakeHints(Hints{Swept: true, Lasts: 3 * time.Hour})
		time.Sleep(40 * time.Minute)
		require.Equal(t, 1, s.readsOf("job-0"), "as long as the first has said")
		time.Sleep(30 * time.Minute)
		require.Greater(t, s.readsOf("job-0"), 5, "and no longer")

		w.TakeHints(Hints{Looked: map[string]bool{"job-0": true}, Lasts: time.Hour})
		time.Sleep(2 * time.Minute)
		before := s.readsOf("job-0")
		w.TakeHints(Hints{Over: true})
		time.Sleep(5 * time.Second)
		require.Equal(t, before+1, s.readsOf("job-0"), "it is due for long")
	})
}

// A row is told once: where a read does not show it yet, or had begun before, the Job is
// read again, ever more seldom.
func TestToldRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(2)
		w, _ := sharing(t, s)
		s.watch(t, w, jobIDs(0, 2)...)
		time.Sleep(time.Second)
		w.TakeHints(Hints{Whole: true, Looked: map[string]bool{"job-0": true}, Lasts: 9 * time.Hour})
		time.Sleep(time.Minute)
		s.do(func() { s.status["job-0"], s.lags["job-0"] = duvo.StatusWaiting, true })
		w.TakeHints(Hints{Rows: map[string]Row{"job-0": {Status: duvo.StatusWaiting, Updated: stampOf(time.Now())}}})
		time.Sleep(time.Second)
		require.Equal(t, 1, s.readsOf("job-0"))
		time.Sleep(30 * time.Minute)
		require.Greater(t, s.readsOf("job-0"), 4, "it is followed")
		require.Less(t, s.readsOf("job-0"), 9, "less and less often")
		s.do(func() { s.lags["job-0"], s.updated = false, time.Now() })
		time.Sleep(11 * time.Minute)
		n := w.Find("job-0")
		require.Equal(t, duvo.StatusWaiting, n.status)
		before := s.readsOf("job-0")
		time.Sleep(9 * time.Minute)
		require.LessOrEqual(t, s.readsOf("job-0"), before+1, "a read has shown it")

		s.do(func() { s.took = time.Minute }) // the read that is under way began before the row was told
		n.Now()
		time.Sleep(time.Second)
		before = s.readsOf("job-0")
		s.do(func() { s.status["job-0"], s.updated = duvo.StatusCompleted, time.Now() })
		w.TakeHints(Hints{Rows: map[string]Row{"job-0": {Status: duvo.StatusCompleted, Updated: stampOf(time.Now())}}})
		time.Sleep(time.Minute + time.Second)
		require.Equal(t, before+1, s.readsOf("job-0"))
		s.do(func() { s.took = 0 })
		time.Sleep(time.Minute)
	})
}

// A Job that lists do not show, as another tells, is read, and by its age if it runs on
// all the same, until lists show it.
func TestToldMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(2)
		w, _ := sharing(t, s)
		s.watch(t, w, jobIDs(0, 2)...)
		w.TakeHints(Hints{Whole: true, Looked: map[string]bool{"job-0": true}, Lasts: 9 * time.Hour})
		for i := range 2 {
			time.Sleep(time.Minute)
			require.Equal(t, i, s.readsOf("job-0"))
			w.TakeHints(Hints{Missing: []string{"job-0"}})
		}
		time.Sleep(10 * time.Minute)
		require.Greater(t, s.readsOf("job-0"), 10, "by its age")
		w.TakeHints(Hints{Rows: map[string]Row{"job-0": {Status: duvo.StatusRunning}}})
		before := s.readsOf("job-0")
		time.Sleep(10 * time.Minute)
		require.Equal(t, before, s.readsOf("job-0"))
	})
}

// The watcher that reads the lists tells of the Jobs of others what is new, once, and
// everything to those who have missed something; it reads none of them.
func TestTellsOfForeignJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(12)
		w, h := sharing(t, s)
		all := Hints{}
		h.tell = func(hints Hints) { s.do(func() { all.Add(hints) }) }
		heard := func() (h Hints) { s.do(func() { h, all = all, Hints{} }); return h }
		for i := range 6 {
			w.Foreign(duvo.Job{ID: jobID(i), Status: duvo.StatusRunning, CreatedAt: s.updated})
			require.Nil(t, w.Find(jobID(i)))
		}
		s.watch(t, w, jobIDs(6, 12)...)
		time.Sleep(3 * time.Second)
		w.Elect(time.Hour)
		first := heard()
		require.True(t, first.Whole)
		require.Len(t, first.Looked, 6)
		time.Sleep(time.Minute)
		first = heard()
		require.Len(t, first.Rows, 6)
		require.True(t, first.Swept)
		require.GreaterOrEqual(t, first.Lasts, 20*time.Second)
		time.Sleep(time.Minute)
		require.Empty(t, heard().Rows, "nothing is new")
		s.do(func() { s.status["job-3"] = duvo.StatusCompleted })
		time.Sleep(time.Minute)
		require.Equal(t, duvo.StatusCompleted, heard().Rows["job-3"].Status)
		time.Sleep(time.Minute)
		require.Empty(t, heard().Rows)
		w.Foreign(duvo.Job{ID: "job-99", Status: duvo.StatusRunning})
		require.Equal(t, map[string]bool{"job-99": true}, heard().Looked, "at once")
		w.NotForeign("job-99")
		w.NotForeign("job-3")
		w.Again()
		again := heard()
		require.True(t, again.Whole)
		require.Len(t, again.Looked, 5)
		time.Sleep(time.Minute)
		require.Len(t, heard().Rows, 5)
		s.do(func() { delete(s.status, "job-4") })
		time.Sleep(20 * time.Minute)
		require.Contains(t, heard().Missing, "job-4")
		require.Zero(t, s.readsOf("job-3")+s.readsOf("job-4"))
		w.Elect(0)
		pages := len(s.pagesRead())
		time.Sleep(time.Minute)
		require.Len(t, s.pagesRead(), pages)
	})
}

// Hints are cut into texts of a size, of which none is needed to understand another.
func TestHintsInParts(t *testing.T) {
	h := Hints{Whole: true, Swept: true, Lasts: time.Minute, Looked: map[string]bool{}, Rows: map[string]Row{}}
	for i := range 300 {
		id := fmt.Sprintf("%036d", i)
		h.Looked[id] = i%2 == 0
		h.Rows[id] = Row{Status: duvo.Status(strings.Repeat("<", i%40)), Updated: 1<<60 + 1, Completed: true, Assignment: id, Build: id}
		h.Missing = append(h.Missing, id)
	}
	var back Hints
	parts := h.Parts(5000)
	for i, part := range parts {
		text, err := json.Marshal(part)
		require.NoError(t, err)
		require.LessOrEqual(t, len(text), 5300)
		require.Equal(t, i == 0, part.Whole)
		require.Equal(t, i == len(parts)-1, part.Swept)
		require.Equal(t, time.Minute, part.Lasts)
		var read Hints
		require.NoError(t, json.Unmarshal(text, &read))
		back.Add(read)
	}
	require.ElementsMatch(t, h.Missing, back.Missing)
	back.Missing = h.Missing
	require.Equal(t, h, back)
	h.Add(Hints{Over: true})
	require.Empty(t, h.Looked)
	require.True(t, h.Over && !h.Swept)
	h.Add(Hints{Whole: true, Looked: map[string]bool{"job": true}})
	require.True(t, h.Whole && !h.Over && h.Looked["job"])
}
