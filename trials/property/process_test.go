package property

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/journal"
)

var errDead = errors.New("this process is dead")

// oneProcess is what a process does to the world. Once it is dead it does nothing
// more, and learns nothing more.
type oneProcess struct {
	l       *life
	number  int
	journal journal.Journal
}

// step goes past a step; false if the process is dead.
func (o *oneProcess) step(name string) bool {
	l := o.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if o.number != 1 {
		return true
	}
	if l.dead.seq > 0 {
		return false
	}
	if l.ticks++; l.ticks != l.plan.dieAt || l.ended.seq > 0 {
		return true
	}
	l.dead = l.now()
	l.ended = l.dead
	l.say("the process dies %s", name)
	close(l.died)
	return false
}

func (o *oneProcess) isDead() bool {
	o.l.mu.Lock()
	defer o.l.mu.Unlock()
	return o.number == 1 && o.l.dead.seq > 0
}

func (o *oneProcess) Put(ctx context.Context, r journal.Record) (uint64, error) {
	if !o.step("before a put") {
		return 0, errDead
	}
	n, err := o.journal.Put(ctx, r)
	if !o.step("after a put") {
		return 0, errDead
	}
	return n, err
}

func (o *oneProcess) Get(ctx context.Context, key string) (journal.Record, error) {
	if o.isDead() {
		return journal.Record{}, errDead
	}
	return o.journal.Get(ctx, key)
}

func (o *oneProcess) Unfinished(ctx context.Context) iter.Seq2[journal.Record, error] {
	return o.journal.Unfinished(ctx)
}

func (o *oneProcess) Forget(ctx context.Context, before time.Time) (int, error) {
	if o.isDead() {
		return 0, errDead
	}
	return o.journal.Forget(ctx, before)
}

func (o *oneProcess) Record(_ context.Context, r audit.Record) error {
	if o.isDead() {
		return errDead
	}
	o.l.take(r)
	o.l.log(func(moment) { o.l.audit = append(o.l.audit, r) })
	return nil
}
