package temporal

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
)

// An updating is an update that was sent.
type updating struct {
	w        *flow
	accepted chan struct{}
	done     chan struct{}
	result   any
	err      error
}

func (u *updating) Accept() { close(u.accepted) }
func (u *updating) Reject(err error) {
	u.err = err
	close(u.done)
}
func (u *updating) Complete(result any, err error) {
	u.result, u.err = result, err
	close(u.done)
}

func (u *updating) WorkflowID() string { return u.w.id }
func (u *updating) RunID() string      { return "" }
func (u *updating) UpdateID() string   { return "" }
func (u *updating) Get(ctx context.Context, out any) error {
	select {
	case <-u.done:
	case <-ctx.Done():
		return ctx.Err()
	case <-u.w.done:
		select {
		case <-u.done:
		default:
			return serviceerror.NewNotFound("the workflow has ended")
		}
	}
	if u.err != nil || out == nil || reflect.ValueOf(out).Kind() != reflect.Pointer {
		return u.err
	}
	text, err := json.Marshal(u.result)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, out)
}

func (f *fake) UpdateWorkflow(ctx context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	w, err := f.find(o.WorkflowID)
	if err != nil {
		return nil, err
	}
	gone := serviceerror.NewNotFound("the workflow has ended")
	if w.isDone() {
		return nil, gone
	}
	u := &updating{w: w, accepted: make(chan struct{}), done: make(chan struct{})}
	if !w.inside(func() { w.env.UpdateWorkflow(o.UpdateName, o.UpdateID, u, o.Args...) }) {
		return nil, gone
	}
	select {
	case <-u.accepted:
	case <-u.done:
	case <-w.done:
		return nil, gone
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return u, nil
}

func (f *fake) SignalWorkflow(_ context.Context, id, _, name string, arg any) error {
	w, err := f.find(id)
	if err == nil && !w.inside(func() { w.env.SignalWorkflow(name, arg) }) {
		err = serviceerror.NewNotFound("the workflow has ended")
	}
	return err
}

func (f *fake) QueryWorkflow(ctx context.Context, id, _, name string, args ...any) (converter.EncodedValue, error) {
	w, err := f.find(id)
	if err != nil {
		return nil, err
	}
	var v converter.EncodedValue
	if w.inside(func() { v, err = w.env.QueryWorkflow(name, args...) }) {
		return v, err
	}
	if now, _ := f.find(id); now != w {
		return f.QueryWorkflow(ctx, id, "", name, args...) // it was continued
	}
	if w.err != nil && w.kind == operationType {
		return nil, w.err
	}
	if w.kind == holdingType {
		text, err := json.Marshal(w.input)
		return value(text), err
	}
	return value(w.result), nil
}

// value is JSON as a value.
type value []byte

func (v value) HasValue() bool    { return true }
func (v value) Get(out any) error { return json.Unmarshal(v, out) }

func (f *fake) ListWorkflow(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	f.mu.Lock()
	all := make([]*flow, 0, len(f.flows))
	for _, w := range f.flows {
		all = append(all, w)
	}
	f.mu.Unlock()
	out := &workflowservice.ListWorkflowExecutionsResponse{}
	for _, w := range all {
		if w.kind != operationType || w.isDone() {
			continue
		}
		waits, err := converter.GetDefaultDataConverter().ToPayload(true) // all are looked at
		if err != nil {
			return nil, err
		}
		out.Executions = append(out.Executions, &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{WorkflowId: w.id},
			Memo: &commonpb.Memo{Fields: map[string]*commonpb.Payload{waitsMemo: waits}}})
	}
	return out, nil
}

func (f *fake) CompleteActivity(context.Context, []byte, any, error) error {
	return errors.New("activities block here")
}

// RecordActivityHeartbeat tells that all are waited for, or why none is.
func (f *fake) RecordActivityHeartbeat(context.Context, []byte, ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refusal
}

// refuses lets the server wait for no activity any more, or again.
func (f *fake) refuses(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusal = err
}

// all returns the latest runs of all workflows.
func (f *fake) all() (all []*flow) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.flows {
		all = append(all, w)
	}
	return all
}
