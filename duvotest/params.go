package duvotest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// What every operation checks of its parameters and its body.

// paging reads limit and offset.
func paging(q url.Values, limit, most int) (int, int, *reply) {
	offset := 0
	for name, into := range map[string]*int{"limit": &limit, "offset": &offset} {
		if !q.Has(name) {
			continue
		}
		n, err := strconv.Atoi(q.Get(name))
		if err != nil || n < 0 || name == "limit" && (n < 1 || n > most) {
			rep := fail(http.StatusBadRequest, "invalid_request", fmt.Sprintf("The parameter %s is out of range.", name))
			return 0, 0, &rep
		}
		*into = n
	}
	return limit, offset, nil
}

// oneOf refuses a query parameter with another value.
func oneOf(q url.Values, name string, values ...string) *reply {
	if !q.Has(name) || slices.Contains(values, q.Get(name)) {
		return nil
	}
	rep := fail(http.StatusBadRequest, "invalid_request", fmt.Sprintf("The parameter %s must be one of %s.", name, strings.Join(values, ", ")))
	return &rep
}

func uuidParam(q url.Values, name string) *reply {
	if !q.Has(name) || isUUID(q.Get(name)) {
		return nil
	}
	rep := fail(http.StatusBadRequest, "invalid_request", fmt.Sprintf("The parameter %s must be a UUID.", name))
	return &rep
}

func firstFailure(reps ...*reply) *reply {
	for _, r := range reps {
		if r != nil {
			return r
		}
	}
	return nil
}

// A field of a body. Null is as good as absent.
type field struct {
	name  string
	into  any
	there *bool // tells whether it was there; may be nil
}

// decodeBody reads the fields of a JSON object. Names count to the letter,
// and fields that are not asked for are left alone.
func decodeBody(r *incoming, fields ...field) *reply {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(r.content, &all); err != nil || all == nil {
		rep := fail(http.StatusBadRequest, "invalid_request", "The body is no JSON object.")
		return &rep
	}
	for _, f := range fields {
		raw, there := all[f.name]
		there = there && string(raw) != "null"
		if there && json.Unmarshal(raw, f.into) != nil {
			rep := fail(http.StatusBadRequest, "invalid_request", fmt.Sprintf("The field %s is of the wrong type.", f.name))
			return &rep
		}
		if f.there != nil {
			*f.there = there
		}
	}
	return nil
}
