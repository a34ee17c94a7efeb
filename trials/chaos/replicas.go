package main

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"
)

// The journals that replicas share.
const (
	memoryJournal   = "memory"
	postgresJournal = "postgres"
)

// A trouble is what happened to a replica for a while, or in a moment.
type trouble struct {
	key      string // of the operation that it concerns; empty: all
	worker   int    // -1: to all
	kind     string
	from, to time.Time
}

// A database is a server that can be down.
type database interface {
	Crash() error
	Down() error
	Up(ctx context.Context) error
}

// balance lets webhooks reach a random replica, as a balancer would.
func (h *harness) balance() (stop func(), err error) {
	var urls []*url.URL
	for _, w := range h.workers {
		u, err := url.Parse(w.url)
		if err != nil {
			return nil, err
		}
		urls = append(urls, u)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	proxy := &httputil.ReverseProxy{
		Transport: &http.Transport{ResponseHeaderTimeout: time.Second, DisableKeepAlives: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			u := urls[rand.IntN(len(urls))]
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = u.Scheme, u.Host, u.Host
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	server := &http.Server{Handler: proxy}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) })
	for _, w := range h.workers {
		w.url = "http://" + l.Addr().String() + "/hooks"
	}
	return func() {
		_ = server.Close()
		serving.Wait()
	}, nil
}

// now and then does something n times, at random moments spread over what there is to do.
func (h *harness) nowAndThen(ctx context.Context, n int, do func(draw func(most time.Duration) time.Duration)) {
	draw := func(most time.Duration) time.Duration {
		h.mu.Lock()
		defer h.mu.Unlock()
		return time.Duration(h.rand.Int64N(int64(most)))
	}
	for i := 0; i < n; {
		h.mu.Lock()
		due := float64(h.delivered) >= float64(i)/float64(n)*0.95*float64(h.c.Jobs)
		h.mu.Unlock()
		if !due {
			if !sleepUntil(ctx.Done(), 20*time.Millisecond) {
				return
			}
			continue
		}
		if !sleepUntil(ctx.Done(), draw(time.Second)) {
			return
		}
		do(draw)
		i++
	}
}

// freeze stops a replica for longer than its lease, and lets it go on. Where keys are
// honoured, what it sends then may come later than whoever took over has waited.
func (h *harness) freeze(ctx context.Context, draw func(time.Duration) time.Duration) {
	h.mu.Lock()
	w := h.workers[h.rand.IntN(len(h.workers))]
	cmd := w.cmd
	frozen := cmd != nil && !w.killed && !w.ended && suspend(cmd.Process) == nil
	h.mu.Unlock()
	if !frozen {
		return
	}
	from := time.Now()
	lasts := h.c.Lease*11/10 + draw(h.c.Lease*2)
	if !h.c.NoIdempotency && draw(5) == 0 {
		lasts += h.c.Lease + postTimeout + settleTime
	}
	sleepUntil(ctx.Done(), lasts)
	_ = wake(cmd.Process)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.freezes++
	h.troubles = append(h.troubles, trouble{"", w.number, "frozen", from, time.Now()})
}

// restart lets the database die, or end in order, and starts it again.
func (h *harness) restart(draw func(time.Duration) time.Duration) error {
	from := time.Now()
	end := h.database.Crash
	if draw(2) == 0 {
		end = h.database.Down
	}
	if err := end(); err != nil {
		return err
	}
	time.Sleep(draw(2 * time.Second))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := h.database.Up(ctx); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.databases++
	h.troubles = append(h.troubles, trouble{"", -1, "database down", from, time.Now()})
	return nil
}

// disturb does to replicas, and to their database, what is not done to other workers.
func (h *harness) disturb(ctx context.Context, others *sync.WaitGroup, cancel context.CancelCauseFunc) {
	if h.c.Replicas == 0 || h.c.Kills == 0 {
		return
	}
	others.Go(func() {
		h.nowAndThen(ctx, h.c.Kills/2+1, func(draw func(time.Duration) time.Duration) { h.freeze(ctx, draw) })
	})
	if h.database != nil {
		others.Go(func() {
			h.nowAndThen(ctx, h.c.Kills/10+1, func(draw func(time.Duration) time.Duration) {
				if err := h.restart(draw); err != nil {
					cancel(err)
				}
			})
		})
	}
}
