package main

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
)

// atDuvo decides at Duvo itself.
type atDuvo struct {
	app    *app
	client *duvo.Client

	mu    sync.Mutex
	names map[string]string // of Assignments, by ID
}

func (d *atDuvo) where() string {
	return "This goes to Duvo itself: no service's policy was asked, and none records who decided. A desk does both: see --desk."
}

func (d *atDuvo) close() { d.client.CloseIdleConnections() }

func (d *atDuvo) changed(ctx context.Context) error {
	return rest(ctx, d.app.pause(d.client.BaseURL(), 0))
}

// readers is how many Jobs are read at once.
const readers = 6

// pending reads the Jobs that are listed as waiting: lists do not tell for what.
func (d *atDuvo) pending(ctx context.Context) ([]*request, error) {
	var jobs []string
	for j, err := range d.client.Jobs(ctx, duvo.JobFilter{Status: duvo.StatusWaiting, OldestFirst: true}) {
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, j.ID)
	}
	found, errs := make([]*request, len(jobs)), make([]error, len(jobs))
	places := make(chan struct{}, readers)
	var wg sync.WaitGroup
	for i, id := range jobs {
		wg.Go(func() {
			places <- struct{}{}
			found[i], errs[i] = d.ofJob(ctx, id)
			<-places
		})
	}
	wg.Wait()
	var out []*request
	for i, r := range found {
		if err := errs[i]; err != nil && !errors.Is(err, duvo.ErrNotFound) {
			return nil, err
		}
		if r != nil {
			out = append(out, r)
		}
	}
	return out, nil
}

// ofJob reads what a Job waits for; nil if it waits for nothing. A Job waits for one
// request at a time, so here a request is named by its Job.
func (d *atDuvo) ofJob(ctx context.Context, id string) (*request, error) {
	j, err := d.client.Job(ctx, id)
	if err != nil || j.Pending == nil {
		return nil, err
	}
	p := j.Pending
	q := hitl.Request{JobID: j.ID, ID: p.ID, Kind: p.Type, Title: p.Title, Description: p.Description, Questions: p.Questions,
		Assignment: duvo.Assignment{ID: j.AssignmentID}, BuildID: j.BuildID, CreatedAt: p.CreatedAt}
	if q.Assignment.Name, err = d.nameOf(ctx, j.AssignmentID); err != nil {
		return nil, err
	}
	var said []string
	for m, err := range d.client.Messages(ctx, id) {
		if err != nil {
			return nil, err
		}
		if strings.EqualFold(m.Role, duvo.RoleUser) && !m.Instruction && m.Text != "" {
			said = append(said, m.Text)
		}
	}
	if len(said) > 0 {
		q.Input, q.FollowUp = said[0], strings.Join(said[1:], "\n")
	}
	answerable := p.Type == duvo.Approval || p.Type == duvo.Question
	return &request{At: "duvo", Ref: j.ID, Digest: q.Digest(), Decide: answerable, Request: q}, nil
}

func (d *atDuvo) nameOf(ctx context.Context, id string) (string, error) {
	d.mu.Lock()
	name, ok := d.names[id]
	d.mu.Unlock()
	if ok || id == "" {
		return name, nil
	}
	a, err := d.client.Assignment(ctx, id)
	if err != nil && !errors.Is(err, duvo.ErrNotFound) && !errors.Is(err, duvo.ErrForbidden) {
		return "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names == nil {
		d.names = map[string]string{}
	}
	d.names[id] = a.Name
	return a.Name, nil
}

// find looks for a request by its ID or by its Job's.
func (d *atDuvo) find(ctx context.Context, name string) (*request, error) {
	none := &failure{kind: "not_found", text: "no request " + quoted(name) + " waits", do: "'duvoctl pending' lists what waits; at Duvo itself a request is named by its Job's ID"}
	if !isID(name) {
		return nil, none
	}
	r, err := d.ofJob(ctx, name)
	switch {
	case err == nil && r != nil:
		return r, nil
	case err == nil:
		return nil, &failure{kind: "elsewhere", text: "the Job " + name + " waits for nothing now: it was decided elsewhere, or it has not asked yet", do: "duvoctl watch " + name}
	case !errors.Is(err, duvo.ErrNotFound):
		return nil, err
	}
	all, err := d.pending(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if strings.EqualFold(r.Request.ID, name) {
			return r, nil
		}
	}
	return nil, none
}

func (d *atDuvo) decide(ctx context.Context, r *request, o order) (result, error) {
	res := result{At: "duvo", Ref: r.Ref, JobID: r.Request.JobID, Digest: r.Digest, Verdict: o.verdict}
	read := time.Now()
	now, err := d.ofJob(ctx, r.Request.JobID)
	switch {
	case err != nil:
		return res, err
	case now == nil, now.Request.ID != r.Request.ID:
		res.Ending, res.Text = endElsewhere, "Nothing was sent. The request waits no more: it was decided elsewhere, or the Job has ended."
		return res, nil
	case now.Digest != r.Digest:
		res.Ending, res.Text = endChanged, "Nothing was sent. The request reads differently now. Read it: duvoctl show "+hitl.SafeLine(r.Ref, 0)
		return res, nil
	}
	response := duvo.Response{JobID: r.Request.JobID, RequestID: r.Request.ID, Answers: o.answers, IdempotencyKey: rand.Text()}
	if o.verdict != "answer" {
		yes := o.verdict == "approve"
		response.Approved, response.Answers = &yes, nil
	}
	until := read.Add(d.app.soon)
	err = d.app.sending(ctx, "the decision", func(own, caller context.Context) error {
		return d.client.Respond(duvo.WithoutResend(duvo.NotAfter(own, until, caller)), response)
	})
	d.came(context.WithoutCancel(ctx), r, &res, err)
	if res.Ending == "" {
		return res, err
	}
	return res, nil
}

// came tells what came of a response; an empty ending leaves it to the error.
func (d *atDuvo) came(ctx context.Context, r *request, res *result, err error) {
	if err == nil {
		res.Ending, res.Text = endSent, "Sent. Duvo has taken the decision."
		return
	}
	if errors.Is(err, duvo.ErrTooLate) {
		res.Ending, res.Text = endFailed, "Nothing was sent: "+hitl.SafeLine(err.Error(), 300)+"."
		return
	}
	ctx, cancel := context.WithTimeout(ctx, d.app.timeout)
	defer cancel()
	now, err2 := d.ofJob(ctx, res.JobID)
	waits := err2 == nil && now != nil && now.Request.ID == r.Request.ID
	var api *duvo.APIError
	refused := errors.As(err, &api) && api.Status/100 == 4
	switch {
	case refused && err2 == nil && !waits: // it was the first attempt, and the only one
		res.Ending, res.Text = endElsewhere, "Nothing was sent that counts: the request waits no more, so it was decided elsewhere meanwhile."
	case !duvo.MayHaveTakenEffect(err):
		return
	case waits:
		res.Ending = endUnknown
		res.Text = unknownText(err) + " Duvo still shows the request; what was sent may arrive late. Look again in a minute with 'duvoctl show " + res.Ref + "' before you repeat it."
	case err2 == nil:
		res.Ending = endUnknown
		res.Text = unknownText(err) + " The request waits no more: by this decision or by somebody else's."
	default:
		res.Ending = endUnknown
		res.Text = unknownText(err) + " Look with 'duvoctl show " + res.Ref + "' before you repeat it."
	}
}
