// Package jsonkeys finds JSON objects that say two things: with one key twice,
// or with keys that differ only in case, which encoding/json takes for one
// field. Of those it keeps the last and tells nobody.
package jsonkeys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/duvotool/duvotool/internal/safetext"
)

// ErrTwice is a key that an object has twice.
var ErrTwice = errors.New("a key stands there twice")

// A Shape tells which values of an object are looked into as well: the objects
// under these keys, in lower case, and those in lists under them. Everything
// else is somebody's data, whose keys are their own affair. The zero Shape looks
// at one object alone.
type Shape map[string]Shape

// Check returns an error if an object of this shape has two keys that stand for
// one field. It reads valid JSON once, from left to right, and is as deep as the
// Shape; of what is not valid it may say anything.
func Check(data []byte, s Shape) error {
	var room [2 * few][]byte
	c := cursor{data: data, names: room[:0]}
	return c.value(s, 0)
}

type cursor struct {
	data  []byte
	at    int
	names [][]byte // of the objects that the cursor is in, one after another
}

// maxLists bounds how deep the lists are that are looked into: no answer nests
// them.
const maxLists = 4

// value looks into an object, or into those of a list, and passes anything else.
func (c *cursor) value(s Shape, lists int) error {
	switch c.space(); {
	case c.peek() == '{':
		return c.object(s)
	case c.peek() == '[' && lists < maxLists:
		c.at++
		for c.space(); c.at < len(c.data) && c.peek() != ']'; c.space() {
			if c.peek() == ',' {
				c.at++
				continue
			}
			before := c.at
			if err := c.value(s, lists+1); err != nil {
				return err
			}
			if c.at == before {
				return nil // not valid
			}
		}
		c.at++
	default:
		c.skip()
	}
	return nil
}

func (c *cursor) object(s Shape) error {
	c.at++
	names := set{c: c, from: len(c.names)}
	defer names.end()
	for {
		switch c.space(); c.peek() {
		case ',':
			c.at++
			continue
		case '"':
		default: // the end, or not valid
			c.at++
			return nil
		}
		name := fold(c.text())
		if !names.add(name) {
			return fmt.Errorf("%w: %q", ErrTwice, safetext.OneLine(string(name), 60))
		}
		if c.space(); c.peek() != ':' {
			return nil
		}
		c.at++
		inner, known := s[string(name)]
		if !known {
			c.space()
			c.skip()
			continue
		}
		if err := c.value(inner, 0); err != nil {
			return fmt.Errorf("in %q: %w", name, err)
		}
	}
}

// peek returns the byte at the cursor, 0 at the end.
func (c *cursor) peek() byte {
	if c.at < len(c.data) {
		return c.data[c.at]
	}
	return 0
}

func (c *cursor) space() {
	for c.at < len(c.data) {
		switch c.data[c.at] {
		case ' ', '\t', '\n', '\r':
			c.at++
		default:
			return
		}
	}
}

// text passes a string and returns it as it stands there, with its quotes.
func (c *cursor) text() []byte {
	from, quote := c.at, c.at
	for c.at++; c.at < len(c.data); {
		if quote < c.at { // the next one, looked for once
			i := bytes.IndexByte(c.data[c.at:], '"')
			if i < 0 {
				break
			}
			quote = c.at + i
		}
		i := bytes.IndexByte(c.data[c.at:quote], '\\')
		if i < 0 {
			c.at = quote + 1
			return c.data[from:c.at]
		}
		c.at += i + 2 // what is escaped
	}
	c.at = len(c.data)
	return c.data[from:]
}

// skip passes one value, however deep it is.
func (c *cursor) skip() {
	for depth := 0; c.at < len(c.data); {
		switch c.data[c.at] {
		case '"':
			if c.text(); depth == 0 {
				return
			}
		case '{', '[':
			depth++
			c.at++
		case '}', ']':
			if depth == 0 {
				return // of whoever holds the value
			}
			c.at++
			if depth--; depth == 0 {
				return
			}
		case ',':
			if depth == 0 {
				return
			}
			c.at++
		default: // of a number or a word, or between two values
			c.at++
		}
	}
}

// fold returns what all keys have in common that encoding/json takes for one
// field, in lower case.
func fold(quoted []byte) []byte {
	key := bytes.TrimSuffix(quoted[1:], []byte{'"'})
	if bytes.IndexByte(key, '\\') >= 0 {
		var s string
		if json.Unmarshal(quoted, &s) == nil {
			key = []byte(s)
		}
	}
	plain := true
	for _, b := range key {
		plain = plain && b < utf8.RuneSelf && (b < 'A' || b > 'Z')
	}
	if plain {
		return key
	}
	return bytes.Map(func(r rune) rune {
		least := r
		for n := unicode.SimpleFold(r); n != r; n = unicode.SimpleFold(n) {
			least = min(least, n)
		}
		if least >= 'A' && least <= 'Z' {
			least += 'a' - 'A'
		}
		return least
	}, key)
}

// A set of the names of an object: the last of the cursor's while there are few, as in
// every answer that is meant well.
type set struct {
	c    *cursor
	from int // where they begin
	many map[string]struct{}
}

const few = 24

// end takes the names off.
func (s *set) end() { s.c.names = s.c.names[:s.from] }

// add returns false if the name was there.
func (s *set) add(name []byte) bool {
	own := s.c.names[s.from:]
	if s.many == nil && len(own) < few {
		for _, n := range own {
			if bytes.Equal(n, name) {
				return false
			}
		}
		s.c.names = append(s.c.names, name)
		return true
	}
	if s.many == nil {
		s.many = map[string]struct{}{}
		for _, n := range own {
			s.many[string(n)] = struct{}{}
		}
	}
	if _, there := s.many[string(name)]; there {
		return false
	}
	s.many[string(name)] = struct{}{}
	return true
}
