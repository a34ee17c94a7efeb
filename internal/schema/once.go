package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/duvotool/duvotool/internal/safetext"
)

// ErrTwice is that of JSON which says two things under one name.
var ErrTwice = errors.New("it says two things")

// decodeOnce is [Decode] for what a model has written: an object that says two things
// under one name is refused, since encoding/json takes the last and tells nobody.
func decodeOnce(text []byte) (any, error) {
	v, err := Decode(text)
	if err != nil {
		return nil, err
	}
	if name, twice := givenTwice(text); twice {
		return nil, fmt.Errorf("%w: the name %q is given twice in one object; give it once", ErrTwice, safetext.OneLine(name, 80))
	}
	return v, nil
}

// givenTwice finds a name that an object of a JSON value has twice.
func givenTwice(text []byte) (name string, twice bool) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	type level struct {
		names map[string]bool // nil: a list
		value bool            // a value comes next, not a name
	}
	var levels []level
	for {
		token, err := dec.Token()
		if err != nil {
			return "", false // the end: the text is valid
		}
		var in *level
		if len(levels) > 0 {
			in = &levels[len(levels)-1]
		}
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			levels = levels[:len(levels)-1]
			continue
		}
		if in != nil && in.names != nil && !in.value {
			key := token.(string)
			if in.names[key] {
				return key, true
			}
			in.names[key], in.value = true, true
			continue
		}
		if in != nil {
			in.value = false
		}
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{names: map[string]bool{}})
		case json.Delim('['):
			levels = append(levels, level{})
		}
	}
}
