package property

import (
	"fmt"
	"strconv"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// event counts something that happened to an operation, and lets other people
// do what they do on it.
func (l *life) event(op int, name string) {
	l.mu.Lock()
	id := name + strconv.Itoa(op)
	l.events[id]++
	n := l.events[id]
	l.mu.Unlock()
	for _, d := range l.plan.deeds {
		if d.op != op || d.on != name || d.nth != n && name != "start" {
			continue
		}
		if d.after == 0 {
			l.do(d)
		} else {
			time.AfterFunc(d.after, func() { l.do(d) })
		}
	}
}

func (l *life) do(d otherDeed) {
	yes, no := true, false
	for _, j := range l.duvo.Jobs() {
		if j.Input != lifeInput(d.op) {
			continue
		}
		var err error
		pending := l.duvo.Pending(j.ID)
		switch d.what {
		case "yes", "no":
			r := duvo.Response{Approved: &yes}
			if d.what == "no" {
				r.Approved = &no
			}
			if pending != nil && pending.Type == duvo.Question {
				r = duvo.Response{Answers: map[string]string{"Which size?": d.what}}
			}
			err = l.duvo.AnswerElsewhere(j.ID, r)
		case "text":
			err = l.duvo.ChangeRequest(j.ID, func(q *duvo.HumanRequest) { q.Title = d.title })
		case "ID":
			id := fmt.Sprintf("7d3f0c3a-58a5-4f0e-9e0a-%012d", len(j.Requests))
			err = l.duvo.ChangeRequest(j.ID, func(q *duvo.HumanRequest) { q.ID = id })
		case "ID back":
			err = l.duvo.ChangeRequest(j.ID, func(q *duvo.HumanRequest) { q.ID = j.Requests[0].ID })
		case "stop":
			err = l.duvo.StopJob(j.ID)
		case "delete":
			err = l.duvo.DeleteJob(j.ID)
		}
		l.log(func(m moment) {
			if err == nil {
				l.acts = append(l.acts, lifeAct{m, d.op, j.ID, d.what})
				l.say("op %d: somebody: %s %s", d.op, d.what, d.title)
			}
		})
	}
}
