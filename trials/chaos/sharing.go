package main

import (
	"net"
	"net/http"
	"slices"
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

// runs reports whether the worker runs a key.
func (c childConfig) runs(n int) bool {
	if c.Replica {
		return slices.Contains(replicasOf(planOf(c.Seed, keyName(n)), c.Workers), c.Worker)
	}
	return runs(c.Seed, n, c.Worker, c.Workers)
}

// serveJournal serves the journal that workers share, if any do.
func (h *harness) serveJournal() (stop func(), err error) {
	switch {
	case h.c.Journal == postgresJournal:
		return h.startPostgres()
	case h.c.Replicas > 0:
		return h.serve(journal.NewShared())
	case sharing(h.c.Workers) < h.c.Workers:
		return h.serve(journal.NewMemory())
	}
	return func() {}, nil
}

func (h *harness) serve(j journal.Journal) (stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h.shared, h.served = j, "http://"+l.Addr().String()
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
	if h.c.Replicas > 0 {
		for i := range h.c.Jobs {
			if len(replicasOf(planOf(h.c.Seed, keyName(i)), h.c.Replicas)) > 1 {
				n++
			}
		}
		return n
	}
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
