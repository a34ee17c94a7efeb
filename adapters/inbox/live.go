package inbox

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// live tells those who watch that the queue has changed. It looks while somebody
// watches, and not else.
type live struct {
	desk *Desk

	mu       sync.Mutex
	watchers map[*watcher]struct{}
	woken    chan struct{} // holds one
	running  bool
	closed   chan struct{}
	once     sync.Once
}

// A watcher is one connection.
type watcher struct {
	wake chan struct{} // holds one: a slow reader misses nothing, since it is told what is now
}

const (
	lookEvery   = 50 * time.Millisecond
	keepAlive   = 15 * time.Second
	maxWatchers = 2000
	writeFor    = 10 * time.Second // or a slow reader is cut off
)

func newLive(d *Desk) *live {
	return &live{desk: d, watchers: map[*watcher]struct{}{}, woken: make(chan struct{}, 1), closed: make(chan struct{})}
}

func (l *live) close() { l.once.Do(func() { close(l.closed) }) }

// wake makes the desk look now.
func (l *live) wake() {
	select {
	case l.woken <- struct{}{}:
	default:
	}
}

// join adds a watcher; nil where there are too many.
func (l *live) join() *watcher {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		return nil
	default:
	}
	if len(l.watchers) >= maxWatchers {
		return nil
	}
	w := &watcher{wake: make(chan struct{}, 1)}
	l.watchers[w] = struct{}{}
	if !l.running {
		l.running = true
		go l.look()
	}
	return w
}

func (l *live) leave(w *watcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.watchers, w)
}

// look tells the watchers of changes until there are none.
func (l *live) look() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	last := l.desk.queue.now().version
	for {
		select {
		case <-tick.C:
		case <-l.woken:
		case <-l.closed:
			return
		}
		now := l.desk.queue.now().version
		l.mu.Lock()
		if len(l.watchers) == 0 {
			l.running = false
			l.mu.Unlock()
			return
		}
		if now != last {
			for w := range l.watchers {
				select {
				case w.wake <- struct{}{}:
				default:
				}
			}
		}
		l.mu.Unlock()
		last = now
	}
}

// events serves server-sent events: one now, and one whenever what waits has changed.
// They tell that alone; who wants to know what has changed asks for the list, as that
// person may see it.
func (d *Desk) events(w http.ResponseWriter, r *http.Request, _ Person) {
	watch := d.live.join()
	if watch == nil {
		http.Error(w, words["tooMany"], http.StatusServiceUnavailable)
		return
	}
	defer d.live.leave(watch)
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	send := func(text string) bool {
		_ = out.SetWriteDeadline(time.Now().Add(writeFor))
		if _, err := fmt.Fprint(w, text); err != nil {
			return false
		}
		return out.Flush() == nil
	}
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	tell := func() bool {
		return send(fmt.Sprintf("event: changed\ndata: {\"version\":%d}\n\n", d.queue.now().version))
	}
	for ok := tell(); ok; {
		select {
		case <-watch.wake:
			ok = tell()
		case <-alive.C:
			ok = send(": here\n\n")
		case <-d.live.closed:
			return
		case <-r.Context().Done():
			return
		}
	}
}
