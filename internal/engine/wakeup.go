package engine

import (
	"cmp"
	"strings"
	"time"

	"github.com/duvotool/duvotool/internal/digest"
)

const (
	TokenParam = "t" // of a webhook's URL: the token of its operation
)

// webhookURLFor returns the URL for one operation's Job: with a token, so that
// nobody can guess it. It is the same whenever the same start is sent, also where
// the journal was lost: another body under its Idempotency-Key would be refused. It
// is never logged.
func (c Config) webhookURLFor(tenant, key, assignment string) string {
	if c.WebhookURL == nil {
		return ""
	}
	u := *c.WebhookURL
	q := u.Query()
	what := digest.Of("webhook", tenant, key, strings.ToLower(assignment))
	q.Set(TokenParam, nameCoding.EncodeToString(digest.MAC(c.WebhookKey, []byte("duvotool webhook token "+what))[:16]))
	u.RawQuery = q.Encode()
	return u.String()
}

// wake lets the Job be read now, or, where it is not known yet, once it is.
func (eng *Engine) wake(jobID, delivery string) {
	if eng.deliveries.first(delivery, webhookRepeat) {
		eng.readNow(jobID)
	}
}

// readNow lets the Job be read now, or, where it is not known yet, once it is.
func (eng *Engine) readNow(jobID string) {
	jobID = strings.ToLower(jobID)
	if w := eng.watcher.Find(jobID); w != nil {
		w.Now()
		return
	}
	eng.early.first(jobID, earlyAge)
	eng.replicas.job(jobID)
	if w := eng.watcher.Find(jobID); w != nil {
		w.Now() // it became known meanwhile, and may have looked before that was noted
	}
}

// note remembers a pair. Neither may be empty; a longer key than IDs and tokens
// have is not remembered.
func (m *pairs) note(key, value string) {
	if key == "" || value == "" || len(key) > 64 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.of.Get(key); !ok {
		m.of.Set(key, value, cmp.Or(m.max, earlyMax))
	}
}

// drop forgets what belongs to a key, which turned out to be wrong.
func (m *pairs) drop(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of.Delete(key)
}

// get returns what belongs to a key; empty if that is not known.
func (m *pairs) get(key string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, _ := m.of.Get(key)
	return value
}

// first notes a name; false if it was noted within d before.
func (m *recent) first(name string, d time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if at, ok := m.at.Get(name); ok && now.Sub(at) < d {
		return false
	}
	m.at.Set(name, now, earlyMax)
	return true
}

// take forgets a name and reports whether it was noted within d.
func (m *recent) take(name string, d time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.at.Get(name)
	m.at.Delete(name)
	return ok && time.Since(at) < d
}

const (
	webhookRepeat = 5 * time.Second // within which one delivery wakes once
)

const (
	earlyMax = 1024 // deliveries for Jobs that are not known yet
)

const (
	earlyAge = 10 * time.Minute // how long they are kept
)
