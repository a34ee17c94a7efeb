package workers

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestEveryFunctionRunsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, hold := New(), make(chan struct{})
		p.Hold()
		var began, ended atomic.Int32
		for range 100 {
			p.Go(func() { began.Add(1); <-hold; ended.Add(1) })
		}
		synctest.Wait()
		if began.Load() != 100 {
			t.Fatalf("%d of 100 have begun", began.Load())
		}
		close(hold)
		synctest.Wait()
		if ended.Load() != 100 {
			t.Fatalf("%d of 100 have ended", ended.Load())
		}
		if n := waiting(p); n > maxIdle {
			t.Fatalf("%d goroutines wait", n)
		}
		p.Close()
	}) // and all goroutines have ended, or the bubble would not
}

// waiting returns how many goroutines wait for the next function, once nothing runs.
func waiting(p *Pool) int {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.idle
}

func TestGoroutinesAreUsedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		hold bool
		wait time.Duration
	}{"held": {true, idleFor}, "not held": {false, restFor}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := New()
				if c.hold {
					p.Hold()
				}
				for range 50 {
					p.Go(func() {})
					if n := waiting(p); n != 1 {
						t.Fatalf("%d goroutines wait", n)
					}
					time.Sleep(c.wait - time.Nanosecond)
				}
				time.Sleep(time.Nanosecond)
				if n := waiting(p); n != 0 {
					t.Fatalf("%d goroutines wait for longer", n)
				}
			})
		})
	}
}

// Who gives the pool back last leaves goroutines that do not wait for long, and Close
// leaves none.
func TestGoroutinesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New()
		p.Hold()
		p.Hold()
		p.Go(func() {})
		p.Release()
		time.Sleep(2 * restFor)
		if waiting(p) != 1 {
			t.Fatal("it is still held")
		}
		p.Release()
		time.Sleep(restFor + time.Nanosecond)
		if waiting(p) != 0 {
			t.Fatal("a goroutine waits though nobody holds the pool")
		}
		p.Hold()
		for range 3 {
			p.Go(func() { time.Sleep(time.Millisecond) })
		}
		time.Sleep(time.Millisecond)
		p.Close()
		if n := waiting(p); n != 0 {
			t.Fatalf("%d goroutines wait for a pool that is closed", n)
		}
		ran := false
		p.Go(func() { ran = true })
		if waiting(p) != 0 || !ran {
			t.Fatal("what comes after Close runs, and leaves nothing")
		}
	})
}

func TestAFunctionMayEndItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ran := New(), false
		p.Hold()
		p.Go(runtime.Goexit)
		synctest.Wait()
		p.Go(func() { ran = true })
		synctest.Wait()
		if !ran {
			t.Fatal("the next one did not run")
		}
		p.Release()
		p.Close()
	})
}
