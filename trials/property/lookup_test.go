package property

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/outcome"
)

// A lookPlan is somebody who asks the registry how an operation stands.
type lookPlan struct {
	op int
	at time.Duration
}

// A lifeLook is what Registry.Lookup told.
type lifeLook struct {
	op         int
	began, end moment
	key        string
	res        *outcome.Result
	err        error
	process    int
}

// lookingUp marks the context of a Lookup.
type lookingUp struct{}

func (l *life) look(reg *duvotool.Registry, process int, p lookPlan) {
	if l.plan.ops[p.op].naming != namedByKey {
		return // its key is not known beforehand
	}
	time.Sleep(p.at)
	v := &lifeLook{op: p.op, key: "key-" + strconv.Itoa(p.op), process: process}
	l.log(func(m moment) {
		v.began = m
		l.looks = append(l.looks, v)
	})
	ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), lookingUp{}, true), 10*time.Minute)
	defer cancel()
	v.res, v.err = reg.Lookup(ctx, v.key)
	l.log(func(m moment) {
		v.end = m
		if v.res != nil {
			l.say("op %d: looked up: %s %s", p.op, v.res.Outcome, v.res.Note)
			return
		}
		l.say("op %d: looked up: %v", p.op, v.err)
	})
}

// checkLook is about what was told without waiting: (f) it is so, and (e) what was
// begun is known.
func (l *life) checkLook(v *lifeLook, fail failFunc) {
	if l.dead.seq > 0 && v.process == 1 && (v.end.seq == 0 || v.end.seq > l.dead.seq) {
		return
	}
	if v.end.seq == 0 {
		fail("(g) Lookup of op %d did not return", v.op)
		return
	}
	if v.res != nil {
		if v.res.Key != v.key || v.res.Handle != "" {
			fail("(f) Lookup of %s told of %s, with the handle %q", v.key, v.res.Key, v.res.Handle)
		}
		told := *v.res
		told.Decisions = nil // they may be on their way
		if told.JobID != "" {
			l.checkResult(&told, fail)
		}
		return
	}
	if !errors.Is(v.err, outcome.ErrUnknownKey) {
		return
	}
	for _, p := range l.posts {
		if p.op == v.op && p.name == "runs" && p.began.seq < v.began.seq && (p.process == v.process || l.plan.journal) {
			fail("(e) op %d was started, and Lookup does not know its key", v.op)
			return
		}
	}
}
