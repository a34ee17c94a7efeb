// Package plainjson reads JSON of the usual form, in one pass and with little made
// anew: objects whose names are ASCII without escapes, and none of them twice. Of
// anything else it says only that it is odd, and then nothing that was read counts:
// whoever asked has encoding/json read it again. What is not odd is valid JSON, and
// encoding/json reads the same out of it.
package plainjson

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"
)

// The bounds of what is usual.
const (
	maxNames = 32 // of an object
	maxDepth = 64 // of what is skipped
)

// A Reader reads one value from left to right. The zero value reads nothing.
type Reader struct {
	data  []byte
	at    int
	odd   bool
	names [][]byte // of the objects that are open, one after another
	room  [2 * maxNames][]byte
}

// Read begins to read data, which must not change meanwhile.
func (r *Reader) Read(data []byte) {
	r.data, r.at, r.odd = data, 0, false
	r.names = r.room[:0]
}

// Odd reports whether something was not as usual.
func (r *Reader) Odd() bool { return r.odd }

// End reports whether all was read, and nothing was odd.
func (r *Reader) End() bool {
	r.space()
	return !r.odd && r.at == len(r.data)
}

// An Object is one that is being read.
type Object struct {
	fields []string
	from   int // where its names begin
	begun  bool
}

// Open begins an object. Its fields are those that the caller knows: a name that
// differs from one of them in case alone is odd, since encoding/json takes it for
// the field. Null is an object without fields.
func (r *Reader) Open(fields []string) Object {
	o := Object{fields: fields, from: len(r.names)}
	if r.Null() {
		o.from = -1
		return o
	}
	r.want('{')
	return o
}

// Next passes to the next name of the object, which is to be followed by reading
// or skipping its value; nil at the end.
func (r *Reader) Next(o *Object) []byte {
	if o.from < 0 || r.odd {
		return nil
	}
	r.space()
	if r.peek() == '}' {
		r.at++
		r.names = r.names[:o.from]
		return nil
	}
	if o.begun {
		r.want(',')
		r.space()
	}
	o.begun = true
	name := r.name(o)
	r.space()
	r.want(':')
	if r.odd {
		return nil
	}
	return name
}

// name reads a name that the object does not have yet.
func (r *Reader) name(o *Object) []byte {
	text, escaped := r.quoted()
	for _, c := range text {
		r.odd = r.odd || c >= utf8.RuneSelf
	}
	own := r.names[o.from:]
	if r.odd || escaped || len(own) >= maxNames {
		r.odd = true
		return nil
	}
	for _, other := range own {
		if len(other) == len(text) && bytes.EqualFold(other, text) {
			r.odd = true
		}
	}
	for _, f := range o.fields {
		if len(f) == len(text) && f != string(text) && bytes.EqualFold([]byte(f), text) {
			r.odd = true
		}
	}
	r.names = append(r.names, text)
	return text
}

// List passes to the next element of a list, which is to be followed by reading or
// skipping it; false at the end. begun is false before the first one.
func (r *Reader) List(begun *bool) bool {
	r.space()
	switch {
	case r.odd:
		return false
	case !*begun:
		r.want('[')
		r.space()
		*begun = true
		if r.peek() != ']' {
			return !r.odd
		}
	case r.peek() != ']':
		r.want(',')
		return !r.odd
	}
	r.at++
	return false
}

// Null passes null, and reports whether it stood there.
func (r *Reader) Null() bool {
	r.space()
	if r.peek() != 'n' {
		return false
	}
	r.word("null")
	return true
}

// Text reads a string; null is empty.
func (r *Reader) Text() string {
	if r.Null() {
		return ""
	}
	from := r.at
	text, escaped := r.quoted()
	switch {
	case r.odd:
		return ""
	case escaped:
		var s string
		r.odd = json.Unmarshal(r.data[from:r.at], &s) != nil
		return s
	}
	return common(text)
}

// common is a string with these bytes; those that stand in most answers are not
// made anew.
func common(text []byte) string {
	switch string(text) {
	case "":
		return ""
	case "text":
		return "text"
	case "message":
		return "message"
	case "assistant":
		return "assistant"
	case "user":
		return "user"
	case "tool":
		return "tool"
	case "duvo":
		return "duvo"
	case "api":
		return "api"
	case "running":
		return "running"
	case "completed":
		return "completed"
	}
	return string(text)
}

// Bool reads true or false; null is false.
func (r *Reader) Bool() bool {
	switch r.space(); r.peek() {
	case 't':
		r.word("true")
		return !r.odd
	case 'n':
		r.word("null")
	default:
		r.word("false")
	}
	return false
}

// Number reads a number; false for null.
func (r *Reader) Number() (float64, bool) {
	if r.Null() {
		return 0, false
	}
	from := r.at
	if r.number(); r.odd {
		return 0, false
	}
	n, err := strconv.ParseFloat(string(r.data[from:r.at]), 64)
	r.odd = err != nil
	return n, err == nil
}

// Raw returns a copy of any value as it stands there.
func (r *Reader) Raw() json.RawMessage {
	r.space()
	from := r.at
	if r.Skip(); r.odd {
		return nil
	}
	return slices.Clone(json.RawMessage(r.data[from:r.at]))
}
