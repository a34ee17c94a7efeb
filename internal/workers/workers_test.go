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
		before := runtime.NumGoroutine()
		close(hold)
		synctest.Wait()
		if ended.Load() != 100 {
			t.Fatalf("%d of 100 have ended", ended.Load())
		}
		if left := 100 - (before - runtime.NumGoroutine()); left > maxIdle {
			t.Fatalf("%d goroutines wait", left)
		}
		p.Release()
	}) // and all goroutines have ended, or the bubble would not
}

func TestGoroutinesAreUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New()
		before := runtime.NumGoroutine()
		for held := range 3 {
			p.Hold()
			for range 50 {
				p.Go(func() {})
				synctest.Wait()
				if n := runtime.NumGoroutine(); n != before+1 {
					t.Fatalf("%d goroutines more, the pool held %d times before", n-before, held)
				}
			}
			if held == 1 {
				time.Sleep(2 * idleFor)
			} else {
				p.Release()
			}
			synctest.Wait()
			if n := runtime.NumGoroutine(); n != before {
				t.Fatalf("%d goroutines wait for nobody", n-before)
			}
			if held == 1 {
				p.Release()
			}
			p.Go(func() {})
			synctest.Wait()
			if n := runtime.NumGoroutine(); n != before {
				t.Fatal("a goroutine waits though nobody holds the pool")
			}
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
	})
}
