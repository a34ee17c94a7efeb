package lifecycle

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"
)

// Two processes that share a journal without leases both want one follow-up. Its
// message, whose first post was reset, gets through in the end, though a part of all
// that they read, record and send fails and each takes its time: neither keeps the
// other from sending for good.
func TestTwoProcessesGetAMessageOut(t *testing.T) {
	for seed := range uint64(500) {
		m := newMeeting(seed)
		for m.posts == 0 && m.now < 10*time.Minute && m.more() {
		}
		if m.posts == 0 {
			t.Errorf("seed %d: nothing got through in %v, with %d conflicts", seed, m.now, m.conflicts)
		}
	}
}

// A meeting is two processes at one operation, in simulated time.
type meeting struct {
	dice      *rand.Rand
	now       time.Duration
	queue     happenings
	serial    int
	journal   *Record
	revision  uint64
	sides     [2]State
	reads     [2]bool // the watcher reads the Job
	posts     int
	conflicts int
}

type happening struct {
	at     time.Duration
	serial int
	side   int
	event  func() Event
}

type happenings []happening

func (h happenings) Len() int { return len(h) }
func (h happenings) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].serial < h[j].serial
}
func (h happenings) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *happenings) Push(x any)   { *h = append(*h, x.(happening)) }
func (h *happenings) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

func newMeeting(seed uint64) *meeting {
	m := &meeting{dice: rand.New(rand.NewPCG(seed, 1)), now: time.Minute}
	o := Options{Stale: 5 * time.Second, Window: 12 * time.Second, Post: 2 * time.Second, Settle: time.Second, Recording: 2 * time.Second, Resend: 2 * time.Second,
		Pause: 2 * time.Second, StartMax: 15 * time.Minute, Skew: 5 * time.Minute, BackoffMin: 500 * time.Millisecond, BackoffMax: time.Minute,
		MissingGrace: 3 * time.Minute, OddGrace: 5 * time.Minute, Lag: 30 * time.Second, Attempts: 6, PageSize: 50, Claims: true}
	m.journal = &Record{Order: followOrder, Stage: Posting, Writer: "Z", Serial: 4, Job: "job", Status: "completed", Ours: true, Holders: []string{"Z"}, Credential: "own",
		Latest: &Message{Kind: FollowUpMessage, Text: "go on", Key: "key", After: 2, Attempt: Attempt{First: Time(m.now - time.Second), Until: Time(m.now + 5*time.Second), Open: true}}}
	m.revision = 4
	for i := range m.sides {
		m.sides[i] = Recover(m.journal.sealed(), m.revision, &o, []string{"A0", "B0"}[i], "own", m.moment())
		m.after(i, m.some(3*time.Second), func() Event { return Resumed{} })
	}
	return m
}

func (m *meeting) moment() Moment { return Moment{Wall: Time(m.now), Mono: m.now} }

func (m *meeting) some(most time.Duration) time.Duration {
	return time.Duration(m.dice.Int64N(int64(most))) + 1
}

func (m *meeting) fails() bool { return m.dice.IntN(5) == 0 }

func (m *meeting) after(side int, d time.Duration, event func() Event) {
	m.serial++
	heap.Push(&m.queue, happening{m.now + d, m.serial, side, event})
}

// more lets the next thing happen.
func (m *meeting) more() bool {
	if len(m.queue) == 0 {
		return false
	}
	h := heap.Pop(&m.queue).(happening)
	m.now = max(m.now, h.at)
	e := h.event()
	if e == nil {
		return true
	}
	s, effects := Step(m.sides[h.side], e, m.moment())
	m.sides[h.side] = s
	for _, f := range effects {
		m.carry(h.side, f)
	}
	return true
}

// carry carries an effect out, which takes a while and may fail.
func (m *meeting) carry(side int, f Effect) {
	soon := m.some(20 * time.Millisecond)
	switch f := f.(type) {
	case Save:
		if m.dice.IntN(10) == 0 {
			landed := m.fails()
			m.after(side, soon, func() Event {
				if landed {
					m.save(f)
				}
				return SaveFailed{Name: f.Name}
			})
			return
		}
		m.after(side, soon, func() Event { return m.save(f) })
	case Load:
		m.after(side, soon, func() Event { return Loaded{Name: f.Name, Record: m.journal.sealed(), Revision: m.revision} })
	case Claim:
		m.after(side, soon, func() Event { return Claimed{Name: f.Name} })
	case Wake:
		m.after(side, max(f.At-m.now, 1), func() Event { return Tick{} })
	case Watch:
		m.reads[side] = true
		m.read(side)
	case Unwatch:
		m.reads[side] = false
	case Collect:
		failed := m.fails()
		m.after(side, m.some(2*time.Second), func() Event {
			if failed {
				return Collected{Name: f.Name, Failed: Down}
			}
			return Collected{Name: f.Name}
		})
	case Post:
		m.after(side, soon, func() Event {
			if !f.Window.Open(m.moment()) {
				return Sent{Name: f.Name, Reply: TooLate}
			}
			switch m.dice.IntN(10) {
			case 0, 1:
				return Sent{Name: f.Name, Reply: Doubt, Local: m.fails()}
			case 2:
				return Sent{Name: f.Name, Reply: Nothing}
			case 3:
				return Sent{Name: f.Name, Reply: Wait, RetryAfter: time.Second}
			}
			m.posts++
			return nil
		})
	}
}

// save puts a record, and answers.
func (m *meeting) save(f Save) Event {
	switch {
	case f.LinesOnly:
		return Saved{Name: f.Name, Revision: f.Revision}
	case f.Revision != m.revision:
		m.conflicts++
		return Conflict{Name: f.Name, Record: m.journal.sealed(), Revision: m.revision}
	}
	m.journal, m.revision = f.Record.sealed(), m.revision+1
	return Saved{Name: f.Name, Revision: m.revision}
}

// read reads the Job, again and again, as long as it is watched.
func (m *meeting) read(side int) {
	m.after(side, m.some(400*time.Millisecond), func() Event {
		if !m.reads[side] {
			return nil
		}
		began, failed := m.moment(), m.fails()
		m.after(side, m.some(4*time.Second), func() Event {
			m.read(side)
			if failed {
				return Read{Began: began, Failed: Down}
			}
			return Read{Began: began, Status: "completed", End: Completed, Ours: true, Updated: 50}
		})
		return nil
	})
}
