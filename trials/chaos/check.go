package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/bolt"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
)

// evidence is all that is known of a run, from three sides: what the emulator saw,
// what callers and policies wrote down, and what the journals hold.
type evidence struct {
	seed      uint64
	jobs      int // operation keys; zero: those that are found
	saw       saw
	outcomes  []delivered
	decisions []decided

	journaled  map[string]*outcome.Result // by key
	unreadable map[string]error           // keys whose journal has no result
	unfinished []string                   // keys that the journals hold as not done

	at   map[string]time.Time // when the outcomes of a soak were delivered
	last time.Time            // when the last of them was
}

// keys lists the operation keys of the run.
func (e *evidence) keys() []string {
	if e.jobs > 0 {
		out := make([]string, e.jobs)
		for n := range out {
			out[n] = keyName(n)
		}
		return out
	}
	found := map[string]bool{}
	for _, j := range e.saw.Jobs {
		found[j.Input] = true
	}
	for _, o := range e.outcomes {
		found[o.Key] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// forgotten reports whether the journals of a soak may hold no result of a key any
// more, since it was delivered a while before the last.
func (e *evidence) forgotten(key string) bool {
	if e.jobs > 0 {
		return false
	}
	if e.at == nil {
		e.at = map[string]time.Time{}
		for _, o := range e.outcomes {
			e.at[o.Key], e.last = o.At, later(e.last, o.At)
		}
	}
	at, ok := e.at[key]
	return ok && e.last.Sub(at) > soakRetention/2
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

var errOffline = errors.New("the checker asks Duvo nothing")

// offline is a backend that knows the Assignments, and does nothing.
type offline []duvo.Assignment

func (o offline) Assignments(context.Context) iter.Seq2[duvo.Assignment, error] {
	return func(yield func(duvo.Assignment, error) bool) {
		for _, a := range o {
			if !yield(a, nil) {
				return
			}
		}
	}
}
func (offline) refuse() error { return &duvo.APIError{Status: 403, Message: errOffline.Error()} }
func (o offline) StartJob(context.Context, duvo.StartJob) (duvo.Job, error) {
	return duvo.Job{}, o.refuse()
}
func (o offline) Job(context.Context, string) (duvo.Job, error) { return duvo.Job{}, o.refuse() }
func (o offline) Respond(context.Context, duvo.Response) error  { return o.refuse() }
func (o offline) Messages(context.Context, string) iter.Seq2[duvo.Message, error] {
	return func(yield func(duvo.Message, error) bool) { yield(duvo.Message{}, o.refuse()) }
}

// readJournal reads what a journal holds of keys, as a program would that calls
// with these keys again, and cannot reach Duvo.
func (e *evidence) readJournal(ctx context.Context, path string, keys []string) error {
	j, err := bolt.Open(path)
	if err != nil {
		return err
	}
	defer j.Close()
	known := offline{}
	d := duvotest.New()
	defer d.Close()
	for i := range assignments {
		if err := d.AddAssignment(duvotest.Assignment{Name: assignmentName(i)}); err != nil {
			return err
		}
	}
	for a, err := range d.Client().Assignments(ctx) {
		if err != nil {
			return err
		}
		known = append(known, a)
	}
	reg, err := duvotool.Discover(ctx, known, duvotool.WithJournal(j), duvotool.WithoutResume())
	if err != nil {
		return err
	}
	defer reg.Close(ctx)
	tools := map[string]*duvotool.Tool{}
	for _, t := range reg.All() {
		tools[t.Assignment().Name] = t
	}
	if e.journaled == nil {
		e.journaled, e.unreadable = map[string]*outcome.Result{}, map[string]error{}
	}
	for rec, err := range j.Unfinished(ctx) {
		if err != nil {
			return err
		}
		if strings.HasPrefix(rec.Key, "op-") {
			e.unfinished = append(e.unfinished, rec.Key)
		}
	}
	for _, key := range keys {
		t := tools[assignmentName(planOf(e.seed, key).Assignment)]
		// What has a result is told at once. What has none may wait for another
		// process that could be at it.
		short, cancel := context.WithTimeout(duvotool.WithOperationKey(ctx, key), 2*time.Second)
		res, err := t.Run(short, key)
		cancel()
		if err != nil {
			e.unreadable[key] = err
			continue
		}
		e.journaled[key] = res
	}
	return nil
}

// check holds all sides against each other.
func (e *evidence) check() report {
	rep := report{Requests: e.saw.Requests, Kinds: e.saw.Faults, Hooks: e.saw.Hooks}
	for _, n := range e.saw.Faults {
		rep.Faults += n
	}
	jobs := map[string][]jobSeen{}
	for _, j := range e.saw.Jobs {
		jobs[j.Input] = append(jobs[j.Input], j)
	}
	outcomes := map[string][]delivered{}
	for _, o := range e.outcomes {
		outcomes[o.Key] = append(outcomes[o.Key], o)
	}
	decisions := map[string][]decided{} // by request
	for _, d := range e.decisions {
		decisions[d.RequestID] = append(decisions[d.RequestID], d)
	}
	for _, key := range e.keys() {
		rep.Jobs++
		e.checkKey(&rep, key, jobs[key], outcomes[key])
		for _, j := range jobs[key] {
			e.checkRequests(&rep, key, j, decisions)
		}
		delete(jobs, key)
	}
	for _, key := range slices.Sorted(maps.Keys(jobs)) {
		rep.problem(&rep.Doubled, "a Job was started with the input %q, which nobody asked for", key)
	}
	e.checkPosts(&rep)
	if n := len(e.unfinished); n != rep.Unknown {
		rep.problem(&rep.Lost, "the journals hold %d operations that are not done; %d outcomes are unknown", n, rep.Unknown)
	}
	return rep
}

// checkKey checks that a key has one Job, and its outcome was delivered.
func (e *evidence) checkKey(rep *report, key string, jobs []jobSeen, outcomes []delivered) {
	if len(outcomes) == 0 {
		rep.problem(&rep.Lost, "%s: no outcome was delivered", key)
	}
	if len(outcomes) > 1 && !planOf(e.seed, key).Twice || len(outcomes) > 2 {
		rep.Redelivered++
	}
	unknown := false
	for _, o := range outcomes {
		if !o.same(outcomes[0]) {
			rep.problem(&rep.Lost, "%s: two callers were told different outcomes, %s of Job %s and %s of Job %s", key, outcomes[0].Outcome, outcomes[0].JobID, o.Outcome, o.JobID)
			break
		}
	}
	for _, o := range outcomes {
		unknown = unknown || o.Outcome == outcome.OutcomeUnknown
		if o.Wrong != "" {
			rep.problem(&rep.Lost, "%s: %s", key, o.Wrong)
		}
	}
	e.checkJournal(rep, key, outcomes)
	if unknown {
		rep.Unknown++
		return // whatever became of it, it was reported
	}
	switch {
	case len(jobs) == 0:
		rep.problem(&rep.Lost, "%s: it has no Job", key)
		return
	case len(jobs) > 1:
		rep.problem(&rep.Doubled, "%s: it has %d Jobs", key, len(jobs))
		return
	case len(outcomes) == 0:
		return
	}
	j, o := jobs[0], outcomes[0]
	if string(o.Outcome) != string(j.Status) || o.JobID != j.ID || o.Output != j.Last {
		rep.problem(&rep.Lost, "%s: a caller was told that Job %s is %s: %q; Job %s is %s: %q", key, o.JobID, o.Outcome, o.Output, j.ID, j.Status, j.Last)
	}
}

// checkJournal checks that the journal holds what was delivered.
func (e *evidence) checkJournal(rep *report, key string, outcomes []delivered) {
	res := e.journaled[key]
	switch {
	case res == nil && e.forgotten(key): // as a soak's worker asks for
	case res == nil:
		rep.problem(&rep.Lost, "%s: its journal has no result: %v", key, e.unreadable[key])
	case len(outcomes) > 0 && !outcomes[0].same(delivered{Outcome: res.Outcome, JobID: res.JobID, Output: res.Output}):
		rep.problem(&rep.Lost, "%s: its journal tells %s of Job %s, the caller was told %s of Job %s", key, res.Outcome, res.JobID, outcomes[0].Outcome, outcomes[0].JobID)
	}
}

// checkRequests checks that what was answered by us was decided before, once, and
// that the journal tells so.
func (e *evidence) checkRequests(rep *report, key string, j jobSeen, decisions map[string][]decided) {
	var entries []hitl.DecisionEntry
	res := e.journaled[key]
	ours := res != nil && res.JobID == j.ID
	if ours {
		entries = res.Decisions
	}
	for _, q := range j.Requests {
		rep.Asked++
		name := fmt.Sprintf("%s, request %q", key, q.Title)
		if q.Bypassed {
			rep.problem(&rep.Unauthorised, "%s: a message walked past it", name)
			continue
		}
		reached := 0
		var entry hitl.DecisionEntry
		for _, d := range entries {
			if d.RequestID == q.ID && (d.Delivery == hitl.Accepted || d.Delivery == hitl.Unconfirmed || d.Delivery == hitl.Sent) {
				reached++
				entry = d
			}
		}
		if reached > 1 {
			rep.problem(&rep.Doubled, "%s: the journal has %d decisions that were sent", name, reached)
		}
		switch r := q.Response; {
		case r == nil:
			if j.Status.Terminal() {
				rep.problem(&rep.Lost, "%s: its Job ended without an answer", name)
			}
		case r.Elsewhere:
			rep.Elsewhere++
			if reached > 0 && entry.Delivery == hitl.Accepted {
				rep.problem(&rep.Unauthorised, "%s: the inbox answered it, and the journal says that we did", name)
			}
		default:
			rep.Answered++
			e.checkResponse(rep, name, q, decisions[q.ID], entry, reached > 0, ours)
		}
	}
}

func (e *evidence) checkResponse(rep *report, name string, q asking, decisions []decided, entry hitl.DecisionEntry, recorded, ours bool) {
	r := q.Response
	said := responseOf(r.Approved, r.Answers)
	if !strings.EqualFold(r.RequestID, q.ID) {
		rep.problem(&rep.Doubled, "%s: it got what was sent again for another request", name)
	}
	made := slices.ContainsFunc(decisions, func(d decided) bool { return !d.Told && !d.At.After(r.At) && d.says(said) })
	if !made {
		rep.problem(&rep.Unauthorised, "%s: it was %s, which nobody had decided", name, said.verdict)
	}
	if strings.Contains(q.Title, string(asksNever)) && said.verdict != hitl.Denied {
		rep.problem(&rep.Unauthorised, "%s: it was %s, which the policy never does", name, said.verdict)
	}
	switch {
	case ours && !recorded:
		rep.problem(&rep.Unauthorised, "%s: it was %s, and the journal has no decision", name, said.verdict)
	case ours && !(decided{Verdict: entry.Verdict, Answers: entry.Answers}).says(said):
		rep.problem(&rep.Unauthorised, "%s: it was %s, and the journal says %s by %s", name, said.verdict, entry.Verdict, entry.By)
	}
	told := 0
	for _, d := range decisions {
		if d.Told && d.Error == "" {
			told++
		}
	}
	if told > 1 {
		rep.problem(&rep.Doubled, "%s: two people were told that they had decided", name)
	}
}

// checkPosts checks that what is sent again is the same to the byte, and that
// nothing else was sent.
func (e *evidence) checkPosts(rep *report) {
	sent := map[string]map[string]int{} // by what it is about, by key and body
	for _, p := range e.saw.Posts {
		about := p.Path
		switch {
		case strings.HasSuffix(p.Path, "/respond"):
		case strings.HasSuffix(p.Path, "/runs"):
			var body struct {
				Message string `json:"message"`
			}
			_ = json.Unmarshal([]byte(p.Body), &body)
			about = "the start of " + body.Message
		case strings.HasSuffix(p.Path, "/sandboxes"):
			continue
		default:
			rep.problem(&rep.Unauthorised, "somebody sent a POST to %s", p.Path)
			continue
		}
		if sent[about] == nil {
			sent[about] = map[string]int{}
		}
		if len(sent[about]) > 0 {
			rep.Resent++
		}
		sent[about][p.Key+"\n"+p.Body]++
	}
	for _, about := range slices.Sorted(maps.Keys(sent)) {
		if n := len(sent[about]); n > 1 {
			rep.problem(&rep.Doubled, "%s: %d different requests were sent", about, n)
		}
	}
}
