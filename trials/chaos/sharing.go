package main

import (
	"net"
	"net/http"
	"sync"

	"github.com/duvotool/duvotool/journal"
)

// sharing is the first of the two workers that share a journal, where there are
// enough of them; else it is how many there are.
func sharing(workers int) int {
	if workers < 3 {
		return workers
	}
	return workers - 2
}

// runs reports whether a worker runs a key: its own, and, of the worker that it
// shares a journal with, those that both run at once.
func runs(seed uint64, n, worker, workers int) bool {
	own := n % workers
	if own == worker {
		return true
	}
	first := sharing(workers)
	return own >= first && worker >= first && planOf(seed, keyName(n)).Both
}

// serveJournal serves the journal that two workers share, where there are enough.
func (h *harness) serveJournal() (stop func(), err error) {
	if sharing(h.c.Workers) == h.c.Workers {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h.shared, h.served = journal.NewMemory(), "http://"+l.Addr().String()
	server := &http.Server{Handler: journalHandler(h.shared)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	return func() {
		_ = server.Close()
		serving.Wait()
	}, nil
}

// both counts the keys that two processes run.
func (h *harness) both() (n int) {
	if h.served == "" {
		return 0
	}
	for i := range h.c.Jobs {
		if i%h.c.Workers >= sharing(h.c.Workers) && planOf(h.c.Seed, keyName(i)).Both {
			n++
		}
	}
	return n
}
