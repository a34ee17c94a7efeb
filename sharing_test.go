package duvotool_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// scrawl is what vandals write into all that they are handed.
const scrawl = "SCRAWLED"

// A vandal looks at what it is handed, which must be whole, and then writes into
// every map, slice and pointer that leads out of it, at once with all else.
type vandal struct {
	t  *testing.T
	wg sync.WaitGroup

	mu     sync.Mutex
	handed map[string]int // how often, by what it was
}

// take is given a pointer to what was handed out.
func (v *vandal) take(what string, p any) {
	v.mu.Lock()
	if v.handed == nil {
		v.handed = map[string]int{}
	}
	v.handed[what]++
	v.mu.Unlock()
	if text := fmt.Sprintf("%s %+v", asJSON(p), p); strings.Contains(text, scrawl) {
		v.t.Errorf("%s was handed out with somebody else's scrawl: %s", what, text)
	}
	v.wg.Go(func() { deface(reflect.ValueOf(p)) })
}

func asJSON(p any) string {
	b, err := json.Marshal(p)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// deface writes into whatever can be reached and set.
func deface(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			deface(v.Elem())
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			if v.CanSet() {
				v.SetZero()
			}
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				deface(v.Field(i))
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			deface(v.Index(i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			n := reflect.New(v.Type().Elem()).Elem()
			n.Set(v.MapIndex(k))
			deface(n)
			v.SetMapIndex(k, n)
		}
		if v.Len() > 0 && v.Type().Key().Kind() == reflect.String {
			v.SetMapIndex(reflect.ValueOf(scrawl).Convert(v.Type().Key()), reflect.Zero(v.Type().Elem()))
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString(scrawl)
		}
	case reflect.Bool:
		if v.CanSet() {
			v.SetBool(!v.Bool())
		}
	case reflect.Uint8:
		if v.CanSet() {
			v.SetUint('!')
		}
	case reflect.Int, reflect.Int64:
		if v.CanSet() {
			v.SetInt(-1)
		}
	}
}

// vandalBackend writes into what it is called with, once it has used it, and into
// what it has returned.
type vandalBackend struct {
	*duvo.Client
	v *vandal
}

func (b *vandalBackend) Assignments(ctx context.Context) iter.Seq2[duvo.Assignment, error] {
	return func(yield func(duvo.Assignment, error) bool) {
		for a, err := range b.Client.Assignments(ctx) {
			if !yield(a, err) {
				return
			}
			b.v.take("Assignments", &a)
		}
	}
}

func (b *vandalBackend) Messages(ctx context.Context, id string) iter.Seq2[duvo.Message, error] {
	return func(yield func(duvo.Message, error) bool) {
		for m, err := range b.Client.Messages(ctx, id) {
			if !yield(m, err) {
				return
			}
			b.v.take("Messages", &m)
		}
	}
}

func (b *vandalBackend) Respond(ctx context.Context, r duvo.Response) error {
	err := b.Client.Respond(ctx, r)
	b.v.take("Respond", &r)
	return err
}

// vandalJournal does so with records.
type vandalJournal struct {
	journal.Journal
	v *vandal
}

func (j *vandalJournal) Put(ctx context.Context, r journal.Record) (uint64, error) {
	revision, err := j.Journal.Put(ctx, r)
	if strings.Contains(string(r.Data), scrawl) {
		j.v.t.Errorf("a record holds scrawl: %s", r.Data)
	}
	j.v.take("Put", &r)
	return revision, err
}

// A vandalPolicy keeps what it returned, and writes into that too.
type vandalPolicy struct {
	v *vandal

	mu   sync.Mutex
	kept []hitl.Decision
}

func (p *vandalPolicy) Decide(_ context.Context, req hitl.Request) (hitl.Decision, error) {
	title, kind := req.Title, req.Kind
	p.v.take("Decide", &req)
	switch {
	case strings.HasPrefix(title, "Later"):
		return hitl.Suspend(), nil
	case kind == duvo.Question:
		d := hitl.Decision{Verdict: hitl.Answered, By: "rule", Answers: map[string]string{"Colour?": "red"}}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.kept = append(p.kept, d)
		return d, nil
	}
	return hitl.Approve("rule", "small"), nil
}

// spoil writes into the decisions, which the engine has by now.
func (p *vandalPolicy) spoil() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.kept {
		p.v.take("returned Decision", &p.kept[i])
	}
	p.kept = nil
}

type vandalAudit struct{ v *vandal }

func (a vandalAudit) Record(_ context.Context, r audit.Record) error {
	for q := range r.Answers { // as one that redacts
		r.Answers[q] = "[redacted]"
	}
	a.v.take("AuditRecord", &r)
	return nil
}

var colours = duvo.QuestionItem{Question: "Colour?", Header: "Colour", Options: []duvo.Choice{{Label: "red", Description: "like blood"}, {Label: "blue"}}}

func vandalised(name string) duvotest.Assignment {
	return duvotest.Assignment{Name: name, Description: "Does " + name + ".", Script: func(j *duvotest.Job) {
		j.CallTool("look", map[string]any{"order": 4711}, map[string]any{"found": true})
		if j.Input() == "sleep" {
			j.Sleep(time.Hour)
		}
		got := j.Ask("Now "+j.Input(), "which one", colours)["Colour?"]
		later := j.Ask("Later "+j.Input(), "which one", colours)["Colour?"]
		ok := j.AskApproval("Refund", "120 EUR")
		j.Complete(fmt.Sprintf(`{"colours":"%s %s","ok":%v}`, got, later, ok))
	}}
}

// Nothing that is handed out shares memory with the engine, with what was sealed,
// or with what somebody else was handed: everybody writes into all they get, all
// the time, and what is sent, journaled and told is as it was. Run it with -race.
func TestNobodySharesMemory(t *testing.T) {
	for _, journaled := range []bool{true, false} {
		t.Run(fmt.Sprint("journal ", journaled), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { nobodySharesMemory(t, journaled) })
		})
	}
}

func nobodySharesMemory(t *testing.T, journaled bool) {
	v := &vandal{t: t}
	d := duvotest.New(duvotest.WithAssignments(vandalised("Refunds"), vandalised("Other"), vandalised("Held")))
	defer d.Close()
	p := &vandalPolicy{v: v}
	opts := []duvotool.Option{
		duvotool.WithPolicy(hitl.FirstOf(
			hitl.Route(hitl.When(hitl.AssignmentIs("nobody").Optional(), hitl.LeaveToDuvo())),
			hitl.PolicyFunc(func(_ context.Context, req hitl.Request) (hitl.Decision, error) {
				v.take("Decide, first", &req)
				return hitl.Pass(), nil
			}), p)),
		duvotool.WithAudit(vandalAudit{v}),
		duvotool.WithAcceptance(func(c outcome.Change) bool {
			held := c.After.Name == "Held"
			v.take("accepted Change", &c)
			return !held
		}),
		duvotool.OutputOf[map[string]any](), duvotool.WithFollowUps(), duvotool.WithLiveMessages(),
		duvotool.WithObserver(func(e outcome.Event) { p.spoil(); v.take("Event "+string(e.Kind), &e) }),
	}
	handed := []string{"Assignments", "Messages", "Respond", "Decide", "Decide, first", "returned Decision", "given Decision", "AuditRecord", "accepted Change",
		"Event requested", "Event suspended", "Event decided", "Event delivered", "Event message", "Event finished", "Event refreshed", "Event parked",
		"Run", "Call", "Jobs", "Pending", "DecidedError", "JobError", "Stop", "Resume", "Continue", "Changes", "Assignment", "Match", "Schema", "Tools"}
	if journaled {
		opts = append(opts, duvotool.WithJournal(&vandalJournal{journal.NewMemory(), v}))
		handed = append(handed, "Put")
	}
	reg, err := duvotool.Discover(t.Context(), &vandalBackend{d.Client(), v}, opts...)
	require.NoError(t, err)
	vandalsCall(t, v, d, reg, journaled)
	shut(t, reg)
	v.wg.Wait()
	vandalsSent(t, d)
	for _, what := range handed {
		require.NotZero(t, v.handed[what], what)
	}
}

// vandalsCall calls all there is to be called.
func vandalsCall(t *testing.T, v *vandal, d *duvotest.Duvo, reg *duvotool.Registry, journaled bool) {
	taken := func(what string) func(*outcome.Result, error) *outcome.Result {
		return func(res *outcome.Result, err error) *outcome.Result {
			require.NoError(t, err, what)
			own := *res
			v.take(what, &res)
			return &own
		}
	}
	tool := mustTool(reg, "refunds")
	ctx := duvotool.WithOperationKey(t.Context(), "k")
	var wg sync.WaitGroup
	for range 3 { // callers of one operation
		wg.Go(func() { require.Equal(t, outcome.OutcomePending, taken("Run")(tool.Run(ctx, "x")).Outcome) })
	}
	wg.Wait()
	jobs, again := reg.Jobs(), reg.Jobs()
	v.take("Jobs", &jobs)
	v.take("Jobs", &again)
	pending := reg.Pending()
	require.Len(t, pending, 1)
	req := pending[0].Clone()
	v.take("Pending", &pending)
	answers := map[string]string{"Colour?": "blue"}
	decision := hitl.Decision{Verdict: hitl.Answered, By: "kim", Answers: answers}
	for range 3 { // of whom one wins, and the others are told its answers
		wg.Go(func() {
			if err := reg.Decide(t.Context(), req.Clone(), decision); err != nil {
				var other *outcome.DecidedError
				require.ErrorAs(t, err, &other)
				require.Equal(t, "blue", other.Entry.Answers["Colour?"])
				v.take("DecidedError", &other)
			}
		})
	}
	wg.Wait()
	v.take("given Decision", &decision)
	jobID := d.Jobs()[0].ID
	// Resume while it runs, a second time when it has ended, Call and Continue.
	require.NoError(t, reg.Wait(t.Context()))
	res := taken("Run")(tool.Run(ctx, "x"))
	require.Equal(t, `{"colours":"red blue","ok":true}`, res.Output)
	require.Equal(t, jobID, res.JobID)
	text, err := tool.Call(ctx, "x")
	require.NoError(t, err)
	require.Contains(t, text, "red blue")
	v.take("Call", &text)
	after := taken("Run")(tool.Run(ctx, "x"))
	go func() { taken("Continue")(reg.Continue(t.Context(), after, "and now?")) }()
	sleepers(t, v, d, reg, taken, journaled)
	catalogs(t, v, d, reg)
}

// sleepers are left, resumed and stopped.
func sleepers(t *testing.T, v *vandal, d *duvotest.Duvo, reg *duvotool.Registry, taken func(string) func(*outcome.Result, error) *outcome.Result, journaled bool) {
	left, cancel := context.WithCancel(duvotool.WithOperationKey(t.Context(), "sleep"))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			_, err := mustTool(reg, "other").Run(left, "sleep")
			var je *outcome.JobError
			require.ErrorAs(t, err, &je)
			v.take("JobError", &je)
		})
	}
	time.Sleep(time.Minute)
	cancel()
	wg.Wait()
	synctest.Wait() // it is recorded by now that nobody works on it
	var id string
	for _, j := range d.Jobs() {
		if j.Input == "sleep" {
			id = j.ID
		}
	}
	wg.Go(func() { taken("Resume")(reg.Resume(t.Context(), id)) })
	time.Sleep(time.Minute)
	taken("Stop")(reg.Stop(t.Context(), id, "kim"))
	wg.Wait()
	if journaled { // it has ended, and is the journal's
		return
	}
	taken("Stop")(reg.Stop(t.Context(), id, "kim"))
	taken("Resume")(reg.Resume(t.Context(), id))
}

// catalogs are looked through and refreshed.
func catalogs(t *testing.T, v *vandal, d *duvotest.Duvo, reg *duvotool.Registry) {
	tool := mustTool(reg, "refunds")
	for range 2 {
		a, schema, all, own := tool.Assignment(), tool.Schema(), reg.Tools(), reg.All()
		require.Equal(t, "Does Refunds.", a.LatestBuild.Description)
		v.take("Assignment", &a)
		v.take("Schema", &schema)
		v.take("Tools", &all)
		v.take("Tools", &own)
		matches := reg.Search("refunds", 3)
		v.take("Match", &matches)
	}
	require.NoError(t, d.UpdateAssignment(tool.Assignment().ID, func(a *duvotest.Assignment) { a.Name = "Repayments" }))
	changes, err := reg.Refresh(t.Context())
	require.NoError(t, err)
	require.Len(t, changes.Changed, 1)
	require.Equal(t, "Does Held.", changes.Held[0].LatestBuild.Description)
	v.take("Changes", &changes)
	synctest.Wait()
	changes, err = reg.Refresh(t.Context())
	require.NoError(t, err)
	require.True(t, changes.Empty(), "the catalog is as it was: %v", changes)
}

// vandalsSent holds what the emulator was sent against what was decided.
func vandalsSent(t *testing.T, d *duvotest.Duvo) {
	var responses []string
	for _, r := range d.Requests() {
		if strings.Contains(string(r.Body)+r.Path, scrawl) {
			t.Errorf("scrawl was sent: %s %s %s", r.Method, r.Path, r.Body)
		}
		if r.Op == "respondToHumanRequest" && r.Method == http.MethodPost {
			responses = append(responses, string(r.Body))
		}
	}
	require.Len(t, responses, 3)
	require.Contains(t, responses[0], `"Colour?":"red"`)
	require.Contains(t, responses[1], `"Colour?":"blue"`)
	require.Contains(t, responses[2], `"approved":true`)
}
