package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// A badRequest is what a client sent that makes no sense.
type badRequest string

func (e badRequest) Error() string { return string(e) }

// errNotKnown is a start before the Assignments were listed.
var errNotKnown = errors.New("the Assignments are not known yet, since Duvo has not told them so far; nothing was started")

// errNotKept is a decision that could not be recorded, where some of it may have been.
var errNotKept = errors.New("the decision could not be recorded, so it is not known whether it counts; post the same one again")

// errNotRead is a decision about a Job that was taken up from the journal and has not
// been read since, or has just asked: what it waits for is not known at this moment.
var errNotRead = errors.New("what this Job waits for is being read; nothing was decided")

// explain makes an HTTP answer of an error: its status, and words that hold nothing of
// a server's, a disk's or a key's.
func explain(err error) (status int, words string) {
	var bad badRequest
	var input *outcome.InputError
	is := func(errs ...error) bool {
		for _, e := range errs {
			if errors.Is(err, e) {
				return true
			}
		}
		return false
	}
	switch own := hitl.SafeLine(err.Error(), 500); {
	case errors.As(err, &bad):
		return http.StatusBadRequest, own
	case errors.As(err, &input) && input.Gone:
		return http.StatusGone, input.Observation()
	case errors.As(err, &input):
		return http.StatusUnprocessableEntity, input.Observation()
	case is(hitl.ErrInvalidDecision): // the answers do not fit the questions, say
		return http.StatusUnprocessableEntity, own
	case is(hitl.ErrNoTool, outcome.ErrUnknownKey):
		return http.StatusNotFound, own
	case is(outcome.ErrNotPending, hitl.ErrRequestChanged, outcome.ErrKeyReused):
		return http.StatusConflict, own
	case is(errNotKnown, errNotRead):
		return http.StatusServiceUnavailable, own
	case is(errNotKept):
		return http.StatusServiceUnavailable, errNotKept.Error()
	case is(outcome.ErrClosed, journal.ErrUnavailable, audit.ErrUnavailable, context.Canceled, context.DeadlineExceeded), duvo.Temporary(err):
		return http.StatusServiceUnavailable, duvotool.ErrorText(err) // come again
	case is(duvo.ErrUnauthorized, duvo.ErrForbidden):
		return http.StatusBadGateway, duvotool.ErrorText(err)
	}
	return http.StatusInternalServerError, duvotool.ErrorText(err)
}

// decode reads one JSON object with known fields.
func decode(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return badRequest("the body is not the JSON object that is wanted here: " + err.Error())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return badRequest("there is something behind the JSON object")
	}
	return nil
}
