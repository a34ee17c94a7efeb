package duvotest

import (
	"crypto/sha256"
	"net/http"
)

// A replay is what an Idempotency-Key stands for: the first request with it.
type replay struct {
	method, path string
	body         [sha256.Size]byte // its digest
	done         chan struct{}     // closed when rep is known
	rep          reply
}

// once lets the first request with a key take effect and gives its answer to
// all others, those that come at the same time too. An answer that is no
// success is not kept: the next request tries again.
func (d *Duvo) once(in *incoming) reply {
	key, body := in.Header.Get("Idempotency-Key"), sha256.Sum256(in.content)
	for {
		d.mu.Lock()
		first := d.replays[key]
		if first == nil {
			first = &replay{method: in.Method, path: in.Path, body: body, done: make(chan struct{})}
			d.replays[key] = first
			d.mu.Unlock()
			return d.lead(in, key, first)
		}
		d.mu.Unlock()
		<-first.done
		switch {
		case first.rep.status >= 300:
			continue
		case first.method != in.Method || first.path != in.Path || first.body != body:
			return fail(http.StatusUnprocessableEntity, "idempotency_key_reused", "The Idempotency-Key was used for another request.")
		}
		d.mu.Lock()
		in.Replay = true
		d.mu.Unlock()
		return first.rep
	}
}

func (d *Duvo) lead(in *incoming, key string, r *replay) reply {
	r.rep.status = http.StatusInternalServerError // what the others find if perform panics
	defer func() {
		if r.rep.status >= 300 {
			d.mu.Lock()
			delete(d.replays, key)
			d.mu.Unlock()
		}
		close(r.done)
	}()
	r.rep = d.perform(in)
	return r.rep
}
