package watch

import (
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// Schedule plans the next read: when the Job's age calls for it, or a list shows
// a change, and in any case once limit has passed. A limit of zero means none.
// What is planned for earlier stays.
func (n *Watch) Schedule(limit time.Duration) {
	n.w.mu.Lock()
	defer n.w.unlock()
	n.retries = 0
	now := n.w.now()
	n.byAge = sooner(n.byAge, now.Add(jitter(n.pause(now))))
	if limit > 0 {
		n.asked = sooner(n.asked, now.Add(limit))
	}
	n.w.plan(n)
}

// Retry plans a read soon, and each time later, because what the last one was
// for has failed.
func (n *Watch) Retry() {
	n.w.mu.Lock()
	defer n.w.unlock()
	n.asked = sooner(n.asked, n.w.now().Add(jitter(min(time.Second<<min(n.retries, 6), time.Minute))))
	n.retries = min(n.retries+1, 100)
	n.w.plan(n)
}

// Now plans a read at once, before the reads that nobody waits for.
func (n *Watch) Now() {
	n.w.mu.Lock()
	defer n.w.unlock()
	n.urgent = true
	n.asked = n.w.now()
	n.w.plan(n)
}

// Alone lets the Job be read by its age, however many others there are.
func (n *Watch) Alone() {
	n.w.mu.Lock()
	defer n.w.unlock()
	n.outsideSweeps, n.pinned = true, true
	n.w.plan(n)
}

// Alive makes the Job young again, and so the next read come soon: something was
// just sent to it. answered tells that what it waited for has been taken.
func (n *Watch) Alive(answered bool) {
	n.w.mu.Lock()
	defer n.w.unlock()
	n.since = n.w.now()
	if answered {
		n.status, n.updated = duvo.StatusRunning, 0 // as lists will tell it
		n.hintStatus, n.hintUpdated = "", 0
	}
	n.slowUntil = 0
	n.byAge = sooner(n.byAge, n.since.Add(jitter(n.pause(n.since))))
	n.w.plan(n)
}

// Slow lets reads come no faster than Duvo advises, for a while: something was sent
// whose effect may yet land, and nothing that a read shows lets it be sent again
// sooner.
func (n *Watch) Slow(d time.Duration) {
	n.w.mu.Lock()
	defer n.w.unlock()
	now := n.w.now()
	n.slowUntil = now.Add(d)
	if soon := now.Add(jitter(n.pause(now))); n.byAge.Before(soon) && n.byAge != 0 {
		n.byAge = soon
	}
	n.w.plan(n)
}

// pause is how long to wait before the next read by age.
func (n *Watch) pause(now instant) time.Duration {
	age := now.Sub(n.since)
	if now.Before(n.slowUntil) {
		return max(n.w.pause(age), advised(age))
	}
	return n.w.pause(age)
}

// Stop ends the watch, and a read that is under way: what it finds is told to nobody.
func (n *Watch) Stop() {
	n.w.mu.Lock()
	defer n.w.unlock()
	n.w.remove(n)
	if n.cancel != nil {
		n.cancel()
	}
}
