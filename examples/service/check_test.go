package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// check holds what clients and people were told against what Duvo saw.
func (d *day) check() {
	byInput := map[string][]duvotest.JobRecord{}
	for _, j := range d.duvo.Jobs() {
		byInput[j.Input] = append(byInput[j.Input], j)
	}
	require.LessOrEqual(d.t, len(byInput), d.jobs)
	var listed struct{ Jobs []work }
	require.Equal(d.t, http.StatusOK, d.call("kim", http.MethodGet, "/jobs", nil, &listed))
	var wait struct{ Requests []waiting }
	require.Equal(d.t, http.StatusOK, d.call("kim", http.MethodGet, "/requests", nil, &wait))
	inFlight, open := map[string]work{}, map[string]waiting{}
	for _, w := range listed.Jobs {
		inFlight[w.Key] = w
	}
	for _, r := range wait.Requests {
		open[r.Key] = r
	}
	for i, w := range d.wishes {
		if !d.checkWish(i, w, byInput[keyOf(i)], inFlight, open) {
			d.t.Fatalf("the wish %s: %+v; listed: %+v; Jobs: %+v", keyOf(i), *w, inFlight[keyOf(i)], byInput[keyOf(i)])
		}
	}
	for _, jobs := range byInput {
		for _, j := range jobs {
			for _, r := range j.Requests {
				d.checkRequest(j, r)
			}
		}
	}
	d.stop()
	d.checkAudit()
}

// checkWish: one Job for each wish, which its client was told the end of; or else it
// is listed.
func (d *day) checkWish(i int, w *wish, jobs []duvotest.JobRecord, inFlight map[string]work, open map[string]waiting) bool {
	key := keyOf(i)
	now, listed := inFlight[key]
	if w.last.Outcome == outcome.OutcomeUnknown {
		d.unknown++
		return assert.True(d.t, listed) && assert.Equal(d.t, outcome.OutcomeUnknown, now.Outcome) && assert.LessOrEqual(d.t, len(jobs), 1)
	}
	if !assert.Len(d.t, jobs, 1) {
		return false
	}
	j := jobs[0]
	if kindOf(i) == forgotten {
		return assert.Equal(d.t, duvo.StatusWaiting, j.Status) && assert.True(d.t, listed) && assert.Equal(d.t, j.ID, now.JobID) &&
			assert.Equal(d.t, j.Requests[0].ID, open[key].ID) && assert.Equal(d.t, outcome.OutcomePending, w.last.Outcome)
	}
	text := j.Messages[len(j.Messages)-1].Text
	return assert.False(d.t, listed) && assert.Equal(d.t, j.ID, w.last.JobID) && assert.Equal(d.t, string(j.Status), string(w.last.Outcome)) &&
		assert.Equal(d.t, text, w.last.Output)
}

// checkRequest: nobody walked past it, and what it was answered is what somebody has
// decided who saw just this text.
func (d *day) checkRequest(j duvotest.JobRecord, r duvotest.RequestRecord) {
	bodies := d.gate.responses[r.ID]
	what := fmt.Sprintf("%s, request %s: sent %q, answered %+v", j.Input, r.ID, bodies, r.Response)
	require.False(d.t, r.Bypassed, what)
	if kindOf(numberOf(j.Input)) == forgotten {
		require.Nil(d.t, r.Response, what)
	} else {
		require.NotNil(d.t, r.Response, what)
	}
	require.LessOrEqual(d.t, len(slices.Compact(slices.Clone(bodies))), 1, what)
	if r.Response == nil || r.Response.Elsewhere {
		require.Empty(d.t, bodies, what)
		return
	}
	d.responses++
	verdict := "answer"
	if r.Response.Approved != nil {
		verdict = map[bool]string{true: "approve", false: "deny"}[*r.Response.Approved]
	}
	digest := hitl.Digest(j.ID, "", r.HumanRequest) + "."
	require.True(d.t, slices.ContainsFunc(d.tries, func(t try) bool {
		return t.request == r.ID && t.verdict == verdict && strings.HasPrefix(t.digest, digest) && (t.status < 400 || t.status >= 500)
	}), "nobody has decided so: %s", what)
	// Who was told that Duvo has theirs has decided. What was only accepted, while the key
	// was refused, may have become too old since, or be about a text that is gone.
	for _, t := range d.tries {
		if t.request == r.ID && t.status == http.StatusOK {
			require.Equal(d.t, verdict, t.verdict, what)
		}
	}
}

// checkAudit: its lines follow one another, and each response was announced there as
// what a person had decided.
func (d *day) checkAudit() {
	path := filepath.Join(d.dir, "audit.jsonl")
	f, err := audit.Open(path)
	require.NoError(d.t, err)
	lines, _, err := audit.Verify(f, 0, "")
	require.NoError(d.t, errors.Join(err, f.Close()))
	d.lines = lines
	files, err := filepath.Glob(path + ".*")
	require.NoError(d.t, err)
	require.Equal(d.t, runtime.GOOS != "windows", len(files) > 0, "it was continued in other files: %v", files)
	for _, name := range append(files, path) {
		if info, err := os.Stat(name); err == nil {
			d.audited += info.Size()
		}
	}
	if f, err = audit.Open(path); err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	sent := map[string]bool{}
	for r, err := range audit.Read(f) {
		require.NoError(d.t, err)
		if r.Event == audit.Sent {
			require.Contains(d.t, []string{"kim", "lee"}, r.By)
			require.Equal(d.t, hitl.SourcePerson, r.Source)
			sent[r.RequestID] = true
		}
	}
	for id := range d.gate.responses {
		require.True(d.t, sent[id], "a response to %s that the audit does not know", id)
	}
}

// report tells the figures of the day.
func (d *day) report(took time.Duration) {
	posts, told := 0, map[outcome.Outcome]int{}
	for _, w := range d.wishes {
		posts += w.posts
		told[w.last.Outcome]++
	}
	tries := map[int]int{}
	for _, t := range d.tries {
		tries[t.status]++
	}
	requests := 0
	for _, op := range duvotest.Operations() {
		if n := d.duvo.Count(op.ID); n > 0 {
			requests += n
			d.t.Logf("%9d %s", n, op.ID)
		}
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	size := int64(0)
	if info, err := os.Stat(filepath.Join(d.dir, "journal.db")); err == nil {
		size = info.Size()
	}
	d.t.Logf("%d Jobs in %s: %d lives of the service, %d POSTs of clients, told %v (%d unknown), %d requests answered by people, decisions by status %v, all answers by status %v",
		d.jobs, took.Round(time.Second), d.lives, posts, told, d.unknown, d.responses, tries, d.answers)
	d.t.Logf("%d requests to Duvo, %.1f a Job; %d lines of audit, %.1f kB a Job; %.1f kB of journal a Job; %d MiB got from the system",
		requests, float64(requests)/float64(d.jobs), d.lines, float64(d.audited)/1e3/float64(d.jobs), float64(size)/1e3/float64(d.jobs), mem.Sys>>20)
}
