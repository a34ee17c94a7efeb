package duvotest

import (
	"bytes"
	"net/http"
	"time"
)

// A replay is what an Idempotency-Key stands for: the first request with it.
type replay struct {
	path string
	body []byte
	done chan struct{} // closed when rep is known
	rep  reply
}

// once lets the first request with a key take effect and gives its answer to
// all others, those that come at the same time too. An answer that is no
// success is not kept: the next request tries again.
func (d *Duvo) once(in *incoming) reply {
	slot := in.Op + "\x00" + in.Header.Get("Idempotency-Key")
	for {
		d.mu.Lock()
		r := d.replays[slot]
		if r == nil {
			r = &replay{path: in.Path, body: in.Body, done: make(chan struct{})}
			d.replays[slot] = r
			d.mu.Unlock()
			r.rep = d.perform(in)
			if r.rep.status >= 300 {
				d.mu.Lock()
				delete(d.replays, slot)
				d.mu.Unlock()
			}
			close(r.done)
			return r.rep
		}
		d.mu.Unlock()
		<-r.done
		if r.rep.status >= 300 {
			continue
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		limited, header := d.window.count(time.Now(), d.cfg.rate)
		var rep reply
		switch {
		case d.closed:
			rep = fail(http.StatusServiceUnavailable, "unavailable", "The service is shutting down.")
		case limited:
			rep = fail(http.StatusTooManyRequests, "rate_limited", "There were too many requests.")
		case r.path != in.Path || !bytes.Equal(r.body, in.Body):
			rep = fail(http.StatusBadRequest, "idempotency_key_reused", "The Idempotency-Key was used for another request.")
		default:
			rep = r.rep
			in.Replay = true
		}
		rep.header = header
		return rep
	}
}
