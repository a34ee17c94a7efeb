package watch

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/stretchr/testify/require"
)

// A Job that comes over from another watcher is looked after as it was there.
func TestForeignJobBecomesOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(2)
		w, _ := sharing(t, s)
		w.Foreign(duvo.Job{ID: "job-0", Status: duvo.StatusRunning})
		w.Foreign(duvo.Job{ID: "job-1", Status: duvo.StatusRunning})
		w.TakeHints(Hints{Whole: true, Looked: map[string]bool{"job-0": true}, Lasts: time.Hour})
		s.watch(t, w, jobIDs(0, 2)...)
		w.Foreign(duvo.Job{ID: "job-1"}) // who says so is behind
		time.Sleep(10 * time.Minute)
		require.Zero(t, s.readsOf("job-0"))
		require.Greater(t, s.readsOf("job-1"), 10)
	})
}

// What is told of a Job just before it is watched counts.
func TestHeardBeforeItIsWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(2)
		w, _ := sharing(t, s)
		w.TakeHints(Hints{Whole: true, Looked: map[string]bool{"job-0": true, "job-1": true}, Lasts: time.Hour})
		w.TakeHints(Hints{Rows: map[string]Row{"JOB-1": {Status: duvo.StatusCompleted, Updated: stampOf(time.Now().Add(time.Second))}}})
		s.do(func() { s.status["job-1"] = duvo.StatusCompleted })
		s.watch(t, w, jobIDs(0, 2)...)
		time.Sleep(10 * time.Minute)
		require.Zero(t, s.readsOf("job-0"))
		require.Equal(t, 1, s.readsOf("job-1"))
	})
}
