package duvo

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/duvotool/duvotool/internal/jsonkeys"
)

// decodeField reads the object under key.
func decodeField[T any](body []byte, key string) (v T, err error) {
	if err := requireObject(body); err != nil {
		return v, err
	}
	var w map[string]json.RawMessage
	if err := json.Unmarshal(body, &w); err != nil {
		return v, err
	}
	if err := jsonkeys.Check(body, jsonkeys.Shape{key: shapeOf[T]()}); err != nil {
		return v, err
	}
	raw, ok := w[key]
	if !ok {
		return v, fmt.Errorf("no %q field", key)
	}
	if err := requireObject(raw); err != nil {
		return v, fmt.Errorf("%q: %w", key, err)
	}
	err = json.Unmarshal(raw, &v)
	return v, err
}

// decodeRun reads the envelope of getRun and startRun: a run, and beside it or
// within it the pending request. A null run is a Job that no longer exists.
//
// What says two things is an error: keys that encoding/json would take for one
// field, and two pending requests that differ.
func decodeRun(b []byte) (Job, error) {
	if j, ok := plainRun(b); ok {
		return j, nil
	}
	return patientRun(b)
}

// patientRun is decodeRun for whatever comes.
func patientRun(b []byte) (Job, error) {
	if err := jsonkeys.Check(b, jsonkeys.Shape{"run": jobShape, "pending_human_request": requestShape}); err != nil {
		return Job{}, err
	}
	if err := requireObject(b); err != nil {
		return Job{}, err
	}
	var w struct {
		Run     json.RawMessage `json:"run"`
		Pending json.RawMessage `json:"pending_human_request"`
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return Job{}, err
	}
	if w.Run == nil {
		return Job{}, errors.New(`no "run" field`)
	}
	if isNull(w.Run) {
		return Job{}, errNullRun
	}
	var j Job
	if err := json.Unmarshal(w.Run, &j); err != nil {
		return Job{}, err
	}
	p, err := decodePending(w.Pending, j.ID)
	switch {
	case err != nil:
		return Job{}, err
	case p != nil && j.Pending != nil && !reflect.DeepEqual(p, j.Pending):
		return Job{}, errors.New("two different pending requests, one beside the run and one within")
	case p != nil:
		j.Pending = p
	}
	return j, nil
}

func shapeOf[T any]() jsonkeys.Shape {
	switch any((*T)(nil)).(type) {
	case *Job:
		return jobShape
	case *Message:
		return messageShape
	case *Assignment:
		return jsonkeys.Shape{"latest_build": nil}
	}
	return nil
}

var errNullRun = errors.New("run is null")

// decodeList reads one page: the rows under key, and the total where it is
// told (-1 where it is not).
func decodeList[T any](b []byte, key string) (rows []T, total int, err error) {
	if rows, total, ok := plainList[T](b, key); ok {
		return rows, total, nil
	}
	if rows, total, err = patientList[T](b, key); err == nil && rows == nil {
		rows = []T{} // [] in JSON, not null
	}
	return rows, total, err
}

// patientList is decodeList for whatever comes.
func patientList[T any](b []byte, key string) (rows []T, total int, err error) {
	if err := jsonkeys.Check(b, jsonkeys.Shape{key: shapeOf[T]()}); err != nil {
		return nil, 0, err
	}
	if err := requireObject(b); err != nil {
		return nil, 0, err
	}
	var w map[string]json.RawMessage
	if err := json.Unmarshal(b, &w); err != nil {
		return nil, 0, err
	}
	raw, ok := w[key]
	for name, value := range w { // in whatever case, as everywhere
		if strings.EqualFold(name, key) {
			raw, ok = value, true
		}
	}
	if !ok {
		return nil, 0, fmt.Errorf("no %q field", key)
	}
	if err := json.Unmarshal(raw, &rows); err != nil {
		return nil, 0, err
	}
	total = -1
	var n *float64
	if t, ok := w["total"]; ok && json.Unmarshal(t, &n) == nil && n != nil && *n >= 0 {
		total = clampInt(*n)
	}
	return rows, total, nil
}

// clampInt turns a JSON number into a count without overflow.
func clampInt(f float64) int {
	switch {
	case f >= 1<<31-1:
		return 1<<31 - 1
	case f > 0:
		return int(f)
	}
	return 0
}
