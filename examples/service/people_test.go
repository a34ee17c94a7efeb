package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// What the Job of a number is about: ten in twenty ask nobody.
const (
	twoApprovals = iota + 10
	approved
	approvedLate
	denied
	question
	inbox     // answered in Duvo's own inbox, also against somebody who decides at once
	rewritten // its text changes while it waits
	contested // two people decide, differently
	failing
	forgotten // nobody decides
)

func keyOf(i int) string { return fmt.Sprintf("order %05d/%d", i, i%20) }

func numberOf(key string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(strings.Split(key, "/")[0], "order "))
	if err != nil {
		panic(err)
	}
	return n
}

// kindOf is what a Job is about: one in a hundred is forgotten.
func kindOf(i int) int {
	if i%20 == forgotten && i%100 != 19 {
		return 0
	}
	return i % 20
}

// script is what Jobs do.
func (d *day) script(j *duvotest.Job) {
	i := numberOf(j.Input())
	j.Sleep(time.Duration(20+i%900) * time.Second)
	ok := true
	switch kind := kindOf(i); kind {
	case twoApprovals:
		ok = j.AskApproval("Refund "+j.Input(), "the first half") && j.AskApproval("Refund "+j.Input(), "the second half")
	case question:
		ok = j.Ask("Which size?", "", duvo.QuestionItem{Question: "Size?", Options: []duvo.Choice{{Label: "S"}, {Label: "M"}}})["Size?"] == "M"
	case approved, approvedLate, denied, inbox, rewritten, contested, forgotten:
		if kind == inbox {
			d.people.Go(func() { d.elsewhere(j.ID(), i) })
		} else if kind == rewritten {
			d.people.Go(func() { d.rewrite(j.ID()) })
		}
		ok = j.AskApproval("Refund "+j.Input(), "the order is damaged")
	case failing:
		j.Fail("cannot do " + j.Input())
	}
	j.Complete(fmt.Sprintf("%s: %v", j.Input(), ok))
}

// elsewhere decides in Duvo's own inbox, some before and some after others could.
func (d *day) elsewhere(job string, i int) {
	time.Sleep(time.Duration(i%600) * time.Second)
	yes := i%3 == 0
	_ = d.duvo.AnswerElsewhere(job, duvo.Response{JobID: job, Approved: &yes}) // somebody may have been faster
}

// rewrite changes what a Job asks for while it waits.
func (d *day) rewrite(job string) {
	time.Sleep(7 * time.Minute)
	_ = d.duvo.ChangeRequest(job, func(r *duvo.HumanRequest) { r.Description = "and a thousand more" })
}

// work lets clients come all day long.
func (d *day) work() {
	for i := range d.jobs {
		time.Sleep(time.Until(d.began.Add(dayLong * time.Duration(i) / time.Duration(d.jobs))))
		d.people.Go(func() { d.client(i) })
	}
}

// client asks for work until it is accepted, and comes back until it has ended.
func (d *day) client(i int) {
	w, key := d.wishes[i], keyOf(i)
	for pause := time.Minute; time.Since(d.began) < dayLong+nightLong; pause = min(pause*3/2, time.Hour) {
		var now work
		if !w.accepted {
			status := d.call("client", http.MethodPost, "/jobs", map[string]string{"key": key, "assignment": "Orders", "input": key}, &now)
			w.posts++
			w.accepted = status == http.StatusAccepted || status == http.StatusOK
			if !w.accepted {
				pause = time.Minute
			}
		} else if status := d.call("client", http.MethodGet, "/jobs/"+url.PathEscape(key), nil, &now); status == http.StatusOK {
			w.accepted = now.Outcome != outcome.OutcomeFailed || now.JobID != "" // else no Job was started: ask again
		}
		if now.Key != "" {
			w.last = now
		}
		if w.accepted && w.last.Outcome != "" && w.last.Outcome != outcome.OutcomePending {
			return
		}
		time.Sleep(pause)
	}
}

// desk is a person who looks at what waits, every two minutes.
func (d *day) desk(by string, first time.Duration) {
	seen := map[string]waiting{} // as first seen
	time.Sleep(first)
	for ; time.Since(d.began) < dayLong+nightLong; time.Sleep(2 * time.Minute) {
		var all struct{ Requests []waiting }
		d.call(by, http.MethodGet, "/requests", nil, &all)
		for _, now := range all.Requests {
			r, ok := seen[now.ID]
			if !ok {
				r, seen[now.ID] = now, now
			}
			d.consider(by, r, now)
		}
	}
}

// consider decides a request, if it is time for that, and this person's business.
func (d *day) consider(by string, shown, now waiting) {
	i := numberOf(now.Key)
	kind, age := kindOf(i), time.Since(now.FirstSeen)
	verdict := "approve"
	switch {
	case kind == contested:
		if by == "lee" {
			verdict = "deny"
		}
		d.decide(by, now, now, verdict)
	case (by == "kim") != (i/20%2 == 0), kind == forgotten, kind == inbox && i%2 == 0:
	case kind == approvedLate && age < 6*time.Hour, kind == rewritten && age < 15*time.Minute:
	case kind == rewritten:
		if d.decide(by, now, shown, "approve") != http.StatusOK { // by what they remember; then by what there is
			d.decide(by, now, now, "deny")
		}
	default:
		if kind == denied {
			verdict = "deny"
		} else if kind == question {
			verdict = "answer"
		}
		if d.decide(by, now, now, verdict); i%7 == 0 {
			d.decide(by, now, now, verdict) // pressed twice
		}
	}
}

// decide posts a decision about what was shown.
func (d *day) decide(by string, r, shown waiting, verdict string) int {
	body := map[string]any{"digest": shown.Digest, "verdict": verdict, "reason": "by " + by}
	if verdict == "answer" {
		body["answers"] = map[string]string{"Size?": "M"}
	}
	status := d.call(by, http.MethodPost, r.Decide, body, nil)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tries = append(d.tries, try{by, r.ID, shown.Digest, verdict, status})
	return status
}

// call calls the service; 0 if it does not run.
func (d *day) call(by, method, path string, body, into any) int {
	l := d.life.Load()
	if l == nil {
		return 0
	}
	text, err := json.Marshal(body)
	require.NoError(d.t, err)
	r, err := http.NewRequestWithContext(d.t.Context(), method, "http://service"+path, bytes.NewReader(text))
	require.NoError(d.t, err)
	r.Header.Set("X-Person", by)
	resp, err := l.http.Do(r)
	if err != nil || l.dead.Load() {
		return 0
	}
	defer resp.Body.Close()
	d.mu.Lock()
	d.answers[resp.StatusCode]++
	d.mu.Unlock()
	if into != nil && resp.StatusCode < 300 {
		require.NoError(d.t, json.NewDecoder(resp.Body).Decode(into))
	}
	return resp.StatusCode
}
