package engine

import "github.com/duvotool/duvotool/internal/lifecycle"

// take takes an event out of the mailbox.
func (op *operation) take(e lifecycle.Event) {
	if c, ok := e.(lifecycle.Called); ok {
		op.enter(c.Caller)
	}
	before := op.latest()
	if c, tell := op.eng.closed(&before.Live); tell {
		before = op.step(before, c)
	}
	if sees(e) {
		if print := op.eng.credential(); print != before.Live.Print {
			before = op.step(before, lifecycle.Renewed{Print: print})
		}
	}
	op.step(before, e)
}

// sees reports whether an event can tell that the credential is another by now.
func sees(e lifecycle.Event) bool {
	switch e := e.(type) {
	case lifecycle.Called, lifecycle.Resumed, lifecycle.Sent, lifecycle.Saved:
		return true
	case lifecycle.Read:
		return e.Failed != ""
	}
	return false
}

// step takes in one event.
func (op *operation) step(before *lifecycle.State, e lifecycle.Event) *lifecycle.State {
	after, effects := lifecycle.Step(*before, e, op.eng.clock())
	op.mu.Lock()
	op.state = &after
	r := op.run
	r.endAsksFirst(effects)
	begins, ends := r == nil && after.Live.Running, r != nil && !after.Live.Running
	if begins {
		r = op.beginRunLocked(op.behindLocked(e))
	}
	if r != nil {
		r.follow(&after)
	}
	op.mu.Unlock()
	if begins {
		op.lineUp(r)
	}
	if ends {
		op.giveBack(r) // who is told of the end finds room
	}
	for _, f := range effects {
		op.carry(r, &after, f)
	}
	if ends {
		op.endRun(r)
	}
	op.eng.replicas.regard(op, before, &after)
	op.mu.Lock()
	op.tellMomentsLocked()
	op.mu.Unlock()
	return &after
}

func (op *operation) tellMomentsLocked() {
	if op.more == nil {
		return
	}
	kept := op.more.until[:0]
	for _, m := range op.more.until {
		if m.come(op.state) {
			close(m.at)
			continue
		}
		kept = append(kept, m)
	}
	clear(op.more.until[len(kept):])
	op.more.until = kept
}
