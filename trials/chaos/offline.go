package main

import (
	"context"
	"errors"
	"iter"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
)

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

// catalog makes an offline backend.
func catalog(ctx context.Context) (offline, error) {
	d := duvotest.New()
	defer d.Close()
	for i := range assignments {
		if err := d.AddAssignment(duvotest.Assignment{Name: assignmentName(i)}); err != nil {
			return nil, err
		}
	}
	known := offline{}
	for a, err := range d.Client().Assignments(ctx) {
		if err != nil {
			return nil, err
		}
		known = append(known, a)
	}
	return known, nil
}
