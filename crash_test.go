package duvotool_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

var errDead = errors.New("this process is dead")

// A process is one life of a program: all that a registry of it does to the
// journal and to Duvo goes through it, and nothing of that once it is dead.
type process struct {
	journal journal.Journal
	client  *duvo.Client
	dieAt   string // a step: "before put 3", "after start"; what is put beside the operation is named by its kind

	mu    sync.Mutex
	dead  bool
	puts  int
	steps []string
	died  chan struct{}
}

func newProcess(j journal.Journal, c *duvo.Client, dieAt string) *process {
	return &process{journal: j, client: c, dieAt: dieAt, died: make(chan struct{})}
}

// step goes past a step, and dies there if that is its fate.
func (p *process) step(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return errDead
	}
	p.steps = append(p.steps, name)
	if name == p.dieAt {
		p.dead = true
		close(p.died)
		return errDead
	}
	return nil
}

func (p *process) around(name string, do func() error) error {
	if err := p.step("before " + name); err != nil {
		return err
	}
	err := do()
	if dead := p.step("after " + name); dead != nil {
		return dead
	}
	return err
}

func (p *process) Put(ctx context.Context, r journal.Record) (revision uint64, err error) {
	name := "put " + r.Key[:strings.Index(r.Key, "-")] // of what belongs to an operation
	if strings.HasPrefix(r.Key, "op-") {
		p.mu.Lock()
		p.puts++
		name = fmt.Sprintf("put %d", p.puts)
		p.mu.Unlock()
	}
	err = p.around(name, func() error {
		revision, err = p.journal.Put(ctx, r)
		return err
	})
	return revision, err
}

func (p *process) Get(ctx context.Context, key string) (journal.Record, error) {
	if p.isDead() {
		return journal.Record{}, errDead
	}
	return p.journal.Get(ctx, key)
}

// kill ends it now.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dead {
		p.dead = true
		close(p.died)
	}
}

// while returns a context of a caller in the process, who dies with it.
func (p *process) while(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-p.died:
			cancel(errDead)
		case <-ctx.Done():
		}
	}()
	return ctx
}

func (p *process) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

func (p *process) Unfinished(ctx context.Context) iter.Seq2[journal.Record, error] {
	return p.journal.Unfinished(ctx)
}

func (p *process) Forget(ctx context.Context, t time.Time) (int, error) {
	return p.journal.Forget(ctx, t)
}

func (p *process) Assignments(ctx context.Context) iter.Seq2[duvo.Assignment, error] {
	return p.client.Assignments(ctx)
}

func (p *process) StartJob(ctx context.Context, s duvo.StartJob) (j duvo.Job, err error) {
	err = p.around("start", func() error {
		j, err = p.client.StartJob(ctx, s)
		return err
	})
	return j, err
}

func (p *process) Job(ctx context.Context, id string) (duvo.Job, error) {
	if p.isDead() {
		return duvo.Job{}, errDead
	}
	return p.client.Job(ctx, id)
}

func (p *process) Messages(ctx context.Context, id string) iter.Seq2[duvo.Message, error] {
	return func(yield func(duvo.Message, error) bool) {
		if err := p.step("before messages"); err != nil {
			yield(duvo.Message{}, err)
			return
		}
		for m, err := range p.client.Messages(ctx, id) {
			if !yield(m, err) {
				return
			}
		}
		if err := p.step("after messages"); err != nil {
			yield(duvo.Message{}, err)
		}
	}
}

func (p *process) Respond(ctx context.Context, r duvo.Response) error {
	return p.around("respond", func() error { return p.client.Respond(ctx, r) })
}

func (p *process) PostMessage(ctx context.Context, jobID, text, key string) (m duvo.Message, err error) {
	err = p.around("message", func() error {
		m, err = p.client.PostMessage(ctx, jobID, text, key)
		return err
	})
	return m, err
}

func (p *process) StopJob(ctx context.Context, id string) error {
	return p.around("stop", func() error { return p.client.StopJob(ctx, id) })
}

func (p *process) CreateSandbox(ctx context.Context) (duvo.Sandbox, error) {
	if p.isDead() {
		return duvo.Sandbox{}, errDead
	}
	return p.client.CreateSandbox(ctx)
}

func (p *process) JobPage(ctx context.Context, f duvo.JobFilter) (duvo.JobPage, error) {
	if p.isDead() {
		return duvo.JobPage{}, errDead
	}
	return p.client.JobPage(ctx, f)
}

var slowRefunds = duvotest.Assignment{ID: refundsID, Name: "Refunds", Description: "Refunds orders.",
	Script: func(j *duvotest.Job) {
		j.Sleep(20 * time.Second)
		if !j.AskApproval("Refund "+j.Input(), "") {
			j.Complete("not refunded")
		}
		j.Sleep(20 * time.Second)
		j.Complete("refunded " + j.Input())
	},
	Resume: func(j *duvotest.Job, message string) {
		j.Sleep(5 * time.Second)
		j.Complete("about " + message)
	}}

// callIn calls once in a process, in which the policy approves after a while.
func callIn(t *testing.T, p *process, key, input string, opts ...duvotool.Option) (*outcome.Result, func(), error) {
	asked := duvotool.WithPolicy(hitl.PolicyFunc(func(ctx context.Context, _ hitl.Request) (hitl.Decision, error) {
		time.Sleep(time.Minute)
		return hitl.Approve("ops", "fine"), nil
	}))
	reg, err := duvotool.Discover(context.Background(), p, append([]duvotool.Option{duvotool.WithJournal(p), asked}, opts...)...)
	require.NoError(t, err)
	end := func() { _ = reg.Close(context.Background()) }
	res, err := reg.All()[0].Run(duvotool.WithOperationKey(p.while(t.Context()), key), input)
	return res, end, err
}

// steps are all steps of a call with an approval, in the order they come.
func steps(t *testing.T) (all []string) {
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(slowRefunds))
		defer d.Close()
		p := newProcess(journal.NewMemory(), d.Client(), "")
		res, end, err := callIn(t, p, "order 1", "120 EUR")
		require.NoError(t, err)
		require.Equal(t, "refunded 120 EUR", res.Output)
		end()
		all = p.steps
	})
	return all
}

// TestEveryStepSurvivesDeath kills the process at every step of a call and makes
// the same call in the next one.
func TestEveryStepSurvivesDeath(t *testing.T) {
	all := steps(t)
	require.Equal(t, []string{"before put 1", "after put 1", "before start", "after start", "before put job", "after put job", "before put 2", "after put 2",
		"before put 3", "after put 3", "before put 4", "after put 4", "before put req", "after put req", "before put 5", "after put 5", "before respond", "after respond", "before put 6", "after put 6",
		"before messages", "after messages", "before put 7", "after put 7"}, all, "intent, start, whose Job, Job, request, decision, whose request, sending, response, delivery, result")
	for _, profile := range []duvotest.Profile{{}, {Respond: duvotest.ApplyToAny}} {
		for _, at := range all {
			t.Run(fmt.Sprintf("%s, profile %v", at, profile.Respond), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { dieOnce(t, at, profile) })
			})
		}
	}
}

func dieOnce(t *testing.T, at string, profile duvotest.Profile) {
	d := duvotest.New(duvotest.WithAssignment(slowRefunds), duvotest.WithProfile(profile))
	defer d.Close()
	journal := journal.NewMemory()
	first := newProcess(journal, d.Client(), at)
	res, end, err := callIn(t, first, "order 1", "120 EUR")
	require.True(t, first.isDead())
	if err == nil { // it died when all was done
		require.True(t, strings.HasSuffix(at, "put 7"), at)
		require.Equal(t, "refunded 120 EUR", res.Output)
	}
	end()
	second := newProcess(journal, d.Client(), "")
	again, end, err := callIn(t, second, "order 1", "120 EUR")
	defer end()
	require.NoError(t, err)
	require.Equal(t, outcome.OutcomeCompleted, again.Outcome, again.Note)
	require.Equal(t, "refunded 120 EUR", again.Output)
	require.Equal(t, "order 1", again.Key)
	require.Len(t, d.Jobs(), 1)
	require.Equal(t, again.JobID, d.Jobs()[0].ID)
	require.Len(t, d.Jobs()[0].Requests, 1)
	require.NotNil(t, d.Jobs()[0].Requests[0].Response)
	require.False(t, d.Jobs()[0].Requests[0].Bypassed)
	effects, bodies := 0, map[string]bool{}
	for _, r := range d.Requests() {
		if r.Op == "respondToHumanRequest" {
			bodies[string(r.Body)+r.Header.Get("Idempotency-Key")] = true
			if r.Effect {
				effects++
			}
		}
	}
	require.Equal(t, 1, effects)
	require.Len(t, bodies, 1, "what is sent again is the same to the byte")
	var counted []hitl.DecisionEntry
	for _, e := range again.Decisions {
		if e.Delivery != hitl.Superseded {
			counted = append(counted, e)
		}
	}
	require.Len(t, counted, 1)
	require.Equal(t, "ops", counted[0].By)

	third := newProcess(journal, d.Client(), "")
	before := d.Count("getRun")
	once, end, err := callIn(t, third, "order 1", "120 EUR")
	defer end()
	require.NoError(t, err)
	once.Repeated, again.Repeated = false, false
	require.Equal(t, again.Observation(), once.Observation())
	require.Equal(t, len(again.Messages), len(once.Messages))
	require.Equal(t, before, d.Count("getRun"), "what is recorded is not read again")
	_, end, err = callIn(t, third, "order 1", "500 EUR")
	defer end()
	require.ErrorIs(t, err, outcome.ErrKeyReused)
}
