package lifecycle

import (
	"time"
)

// wantRead wishes for a read that begins at or after since, unless such a one is
// wished for already.
func (t *turn) wantRead(since time.Duration) {
	l := &t.Live
	if l.Wish >= since && l.Wish != 0 {
		return
	}
	l.Wish = t.now.Mono
	t.emit(ReadNow{Since: t.now.Mono})
}

// watch lets the Job be read.
func (t *turn) watch() {
	l := &t.Live
	if !l.Watching {
		l.Watching = true
		t.emit(Watch{Job: t.Record.Job})
		if !l.Young {
			t.wantRead(t.now.Mono)
		}
	}
}

// count adds to the Job's own time what has passed since the last look, unless it
// waited for a person then or does now.
func (t *turn) count(human bool) {
	l := &t.Live
	if !l.Human && !human || !t.o.on(guardHuman) {
		t.Record.Worked += t.now.Mono - l.Look
	}
	l.Look, l.Human = t.now.Mono, human
}

// fresh reports whether a read is just before what is sent now: asked for after
// a moment, and not old by either clock.
func (t *turn) fresh(e *Read, since Moment) bool {
	if e == nil {
		return false
	}
	if !t.o.on(guardRead) {
		return true
	}
	if e.Began.Mono < since.Mono {
		return false
	}
	if !t.o.on(guardWall) {
		return t.now.Mono-e.Began.Mono <= t.o.Stale
	}
	return e.Began.within(t.o.Stale, t.now)
}
