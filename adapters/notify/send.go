package notify

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/bounded"
	"github.com/duvotool/duvotool/internal/guard"
)

// due are the notices to be sent now; they count as being sent.
func (n *Notifier) due() []order {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []order
	for _, o := range n.asked {
		if o.needed() {
			out = append(out, o)
		}
	}
	n.asked = nil
	for _, reg := range n.cfg.Registries {
		for _, r := range reg.Pending() {
			id := r.Digest()
			if n.busy[id] || n.told.has(id) || time.Since(r.FirstSeen) < n.cfg.After || !n.picks(r) {
				continue
			}
			n.busy[id] = true
			out = append(out, order{r, func() bool { return waits(reg, id) }, true})
		}
	}
	return out
}

func waits(reg Registry, digest string) bool {
	for _, r := range reg.Pending() {
		if r.Digest() == digest {
			return true
		}
	}
	return false
}

var errPanic = errors.New("notify: a function of the host's panicked")

// picks asks the host; a function of theirs that fails picks all, since one who is told
// too much can still decide.
func (n *Notifier) picks(r hitl.Request) bool {
	if n.cfg.Which == nil {
		return true
	}
	picks := true
	err := guard.Run(errPanic, func() error { picks = n.cfg.Which(r.Clone()); return nil })
	if err != nil {
		n.cfg.Log.Error("notify: Config.Which", "error", hitl.SafeLine(err.Error(), 300))
		return true
	}
	return picks
}

// send sends one notice, as often as it takes and is allowed.
func (n *Notifier) send(ctx context.Context, o order) {
	id := o.req.Digest()
	if o.pending {
		defer func() {
			n.mu.Lock()
			defer n.mu.Unlock()
			delete(n.busy, id)
		}()
	}
	var err error
	for try := range n.cfg.Tries {
		if try > 0 {
			select {
			case <-time.After(min(time.Second<<min(try-1, 10), time.Minute)):
			case <-ctx.Done():
				return
			}
		}
		if !o.needed() || ctx.Err() != nil {
			return
		}
		if err = n.once(ctx, o.req); err == nil {
			break
		}
	}
	if err != nil {
		n.cfg.Log.Error("notify: nobody was told that a request waits", "request", o.req.ID, "job", o.req.JobID, "tries", n.cfg.Tries, "error", hitl.SafeLine(err.Error(), 300))
	}
	if err := n.told.add(id, err == nil); err != nil {
		n.cfg.Log.Error("notify: what was told could not be kept; a restart tells it again", "error", err)
	}
}

func (n *Notifier) once(ctx context.Context, r hitl.Request) error {
	ctx, cancel := context.WithTimeout(ctx, sendFor)
	defer cancel()
	return guard.Run(errPanic, func() error {
		r := r.Clone()
		return n.cfg.Send(ctx, Notice{Request: r, Link: n.cfg.Link(r)})
	})
}

// told are the requests that nothing is to be said of any more, the newest of them.
type told struct {
	mu   sync.Mutex
	file *os.File
	ids  bounded.Map[string, struct{}]
}

func openTold(path string) (*told, error) {
	t := &told{}
	if path == "" {
		return t, nil
	}
	old, err := os.Open(path)
	switch {
	case err == nil:
		lines := bufio.NewScanner(old)
		for lines.Scan() {
			t.keep(strings.TrimSpace(lines.Text()))
		}
		err = errors.Join(lines.Err(), old.Close())
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err == nil { // without what is too old
		err = os.WriteFile(path+".new", []byte(strings.Join(append(t.ids.Keys(), ""), "\n")), 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		t.file, err = os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("notify: what was told: %w", err)
	}
	return t, nil
}

func (t *told) keep(id string) {
	if id != "" {
		t.ids.Set(id, struct{}{}, maxTold)
	}
}

func (t *told) has(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, kept := t.ids.Get(id)
	return kept
}

// add remembers a request; in the file only what was sent: after a restart what could
// not be is tried again.
func (t *told) add(id string, sent bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keep(id)
	if t.file == nil || !sent {
		return nil
	}
	_, err := t.file.WriteString(id + "\n")
	return err
}

func (t *told) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file == nil {
		return nil
	}
	return t.file.Close()
}
