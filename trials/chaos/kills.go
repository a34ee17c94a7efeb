package main

import (
	"context"
	"os"
	"syscall"
	"time"
)

// killAll kills workers at random moments, spread over what there is to do, and asks some
// to end.
func (h *harness) killAll(ctx context.Context) {
	began := time.Now()
	soon := false
	var w *tended
	for i := 0; i < h.c.Kills; {
		h.mu.Lock()
		part := float64(i) / float64(h.c.Kills) * 0.95
		due := soon || float64(h.delivered) >= part*float64(h.c.Jobs)
		if h.c.Jobs == 0 {
			due = soon || time.Since(began) >= time.Duration(part*float64(h.c.Soak))
		}
		if !soon {
			w = h.workers[h.rand.IntN(len(h.workers))]
		}
		wait := time.Duration(h.rand.Int64N(int64(500 * time.Millisecond)))
		h.mu.Unlock()
		if !due {
			wait = 20 * time.Millisecond
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		h.mu.Lock()
		gently := !soon && h.rand.IntN(8) == 0
		h.mu.Unlock()
		if due && gently {
			h.end(w, syscall.SIGTERM)
		} else if due && h.end(w, syscall.SIGKILL) {
			i++
			h.mu.Lock()
			soon = h.rand.IntN(5) == 0 // once more, while it takes up what there is
			h.mu.Unlock()
		} else if due {
			soon = false
		}
	}
}

// end kills a worker, or asks it to end; false: there was none.
func (h *harness) end(w *tended, how os.Signal) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	since := time.Now()
	if w.cmd == nil || w.killed || w.ended || w.cmd.Process.Signal(how) != nil {
		return false
	}
	w.since = since
	w.killed = true
	if how == syscall.SIGKILL {
		h.kills++
	} else {
		h.closes++
	}
	return true
}
