package bolt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool/journal"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// queued waits until so many changes wait to be written.
func queued(j *Journal, n int) {
	for {
		j.queue.mu.Lock()
		have := len(j.queue.waiting)
		j.queue.mu.Unlock()
		if have == n {
			return
		}
		runtime.Gosched()
	}
}

// behind starts a Put that is being written but cannot go on until release is
// called.
func behind(t *testing.T, j *Journal) (release func()) {
	j.database.Lock()
	done := make(chan error, 1)
	go func() {
		_, err := j.Put(context.Background(), journal.Record{Key: "first"})
		done <- err
	}()
	for running := false; !running; runtime.Gosched() {
		j.queue.mu.Lock()
		running = j.queue.writer != nil && len(j.queue.waiting) == 0
		j.queue.mu.Unlock()
	}
	return func() {
		j.database.Unlock()
		require.NoError(t, <-done)
	}
}

func TestPutsShareACommit(t *testing.T) {
	j := open(t, newPath(t))
	release := behind(t, j)
	before := j.head.generation
	const n = 40
	results := make(chan error, n)
	for i := range n { // half of them conflict: that is theirs alone
		go func() {
			_, err := j.Put(t.Context(), journal.Record{Key: fmt.Sprint("key-", i), Revision: uint64(i % 2)})
			results <- err
		}()
	}
	queued(j, n)
	release()
	conflicts := 0
	for range n {
		if err := <-results; errors.Is(err, journal.ErrConflict) {
			conflicts++
		} else {
			require.NoError(t, err)
		}
	}
	require.Equal(t, n/2, conflicts)
	require.Equal(t, before+2, j.head.generation, "one transaction for the first, one for all others")
	for i := range n {
		_, err := j.Get(t.Context(), fmt.Sprint("key-", i))
		require.Equal(t, i%2 == 1, errors.Is(err, journal.ErrNoRecord))
	}
}

func TestWritersOfOneKeyInOneCommit(t *testing.T) {
	j := open(t, newPath(t))
	release := behind(t, j)
	results := make(chan error, 10)
	for range 10 {
		go func() {
			_, err := j.Put(t.Context(), journal.Record{Key: "key"})
			results <- err
		}()
	}
	queued(j, 10)
	release()
	won := 0
	for range 10 {
		if err := <-results; err == nil {
			won++
		} else {
			require.ErrorIs(t, err, journal.ErrConflict)
		}
	}
	require.Equal(t, 1, won)
}

// In a bubble time stands still while anything can run: a timer would show.
func TestLonePutWaitsForNoTimer(t *testing.T) {
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		j, err := Open(path)
		require.NoError(t, err)
		began := time.Now()
		put(t, j, journal.Record{Key: "a"})
		_, err = j.Forget(t.Context(), began)
		require.NoError(t, err)
		require.NoError(t, j.Close())
		require.Zero(t, time.Since(began))
	})
}

func TestNoChangeIsNoCommit(t *testing.T) {
	j := open(t, newPath(t))
	put(t, j, journal.Record{Key: "a"})
	before := j.head
	_, err := j.Forget(t.Context(), time.Now())
	require.NoError(t, err)
	_, err = j.Put(t.Context(), journal.Record{Key: "a"})
	require.ErrorIs(t, err, journal.ErrConflict)
	require.Equal(t, before, j.head)
}

func TestContextEndsWhileWaiting(t *testing.T) {
	j := open(t, newPath(t))
	release := behind(t, j)
	cause := errors.New("no longer needed")
	ctx, cancel := context.WithCancelCause(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := j.Put(ctx, journal.Record{Key: "a"})
		result <- err
	}()
	queued(j, 1)
	cancel(cause)
	require.ErrorIs(t, <-result, cause) // at once, though nothing can be written
	release()
	require.NoError(t, j.Close())
	j = open(t, j.path)
	_, err := j.Get(t.Context(), "a")
	require.ErrorIs(t, err, journal.ErrNoRecord)
}

func TestContextEndsWhileWritten(t *testing.T) {
	j := open(t, newPath(t))
	j.database.Lock()
	cause := errors.New("no longer needed")
	ctx, cancel := context.WithCancelCause(t.Context())
	result := make(chan error, 1)
	data := []byte("before")
	go func() {
		_, err := j.Put(ctx, journal.Record{Key: "a", Data: data})
		result <- err
	}()
	for running := false; !running; runtime.Gosched() {
		j.queue.mu.Lock()
		running = j.queue.writer != nil && len(j.queue.waiting) == 0
		j.queue.mu.Unlock()
	}
	cancel(cause)
	require.ErrorIs(t, <-result, cause)
	copy(data, "AFTER!") // the caller's own again
	j.database.Unlock()
	require.NoError(t, j.Close())
	j = open(t, j.path)
	holds(t, j, journal.Record{Key: "a", Revision: 1, Data: []byte("before")})
}

func TestIdleJournalHasNoGoroutine(t *testing.T) {
	j := open(t, newPath(t))
	put(t, j, journal.Record{Key: "a"})
	goleak.VerifyNone(t)
}

const killEnv = "DUVOTOOL_KILL_CHILD" // the journal's path

// TestKilledChild is what is killed: it puts, and tells what it has put.
func TestKilledChild(t *testing.T) {
	path := os.Getenv(killEnv)
	if path == "" {
		t.Skip("it runs in a child process of TestKilled")
	}
	j := open(t, path)
	for w := range 8 {
		go func() {
			key := fmt.Sprint("key-", w)
			r, err := j.Get(context.Background(), key)
			if err != nil && !errors.Is(err, journal.ErrNoRecord) {
				panic(err)
			}
			for r.Key = key; ; {
				r.Done = r.Revision%2 == 0
				r.Data = []byte(strings.Repeat(fmt.Sprint(r.Revision), w*w*20))
				if r.Revision, err = j.Put(context.Background(), r); err != nil {
					panic(err)
				}
				fmt.Printf("put %s %d\n", key, r.Revision)
				if r.Revision%16 == 15 {
					if _, err := j.Forget(context.Background(), time.Now().AddDate(-9000, 0, 0)); err != nil {
						panic(err)
					}
				}
			}
		}()
	}
	select {}
}

// A process that is killed at any moment loses nothing that it was told is kept.
func TestKilled(t *testing.T) {
	exe, err := os.Executable()
	require.NoError(t, err)
	path := newPath(t)
	rnd := rand.New(rand.NewPCG(5, 6))
	acked := map[string]uint64{}
	for range 12 {
		cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestKilledChild$")
		cmd.Env = append(os.Environ(), killEnv+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines, kill := bufio.NewScanner(out), 1+rnd.IntN(150)
		for n := 0; lines.Scan(); n++ { // to the end: the pipe may still hold some
			var key string
			var revision uint64
			if _, err := fmt.Sscanf(lines.Text(), "put %s %d", &key, &revision); err != nil {
				continue // cut
			}
			acked[key] = revision
			if n == kill {
				require.NoError(t, cmd.Process.Kill())
			}
		}
		require.Error(t, cmd.Wait(), "it was killed")
		j := open(t, path)
		for key, revision := range acked {
			r, err := j.Get(t.Context(), key)
			require.NoError(t, err)
			require.GreaterOrEqual(t, r.Revision, revision, key)
			require.LessOrEqual(t, r.Revision, revision+1, key)
			acked[key] = r.Revision // what was read stays, too
		}
		require.NoError(t, j.Close())
	}
	require.Len(t, acked, 8)
}
