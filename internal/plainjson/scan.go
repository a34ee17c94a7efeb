package plainjson

import (
	"encoding/json"
	"unicode/utf8"
)

// Skip passes any value. Names within it are nobody's affair.
func (r *Reader) Skip() { r.skip(0) }

func (r *Reader) skip(depth int) {
	switch r.space(); {
	case r.odd:
	case depth == maxDepth:
		r.odd = true
	case r.peek() == '"':
		r.passText()
	case r.peek() == '{':
		r.skipList('}', depth, true)
	case r.peek() == '[':
		r.skipList(']', depth, false)
	case r.peek() == 't':
		r.word("true")
	case r.peek() == 'f':
		r.word("false")
	case r.peek() == 'n':
		r.word("null")
	default:
		r.number()
	}
}

// skipList passes what stands between two brackets.
func (r *Reader) skipList(end byte, depth int, named bool) {
	r.at++
	for first := true; !r.odd; first = false {
		r.space()
		if r.peek() == end && first {
			break
		}
		if named {
			if r.peek() != '"' {
				r.odd = true
				return
			}
			r.passText()
			r.space()
			r.want(':')
		}
		r.skip(depth + 1)
		if r.space(); r.peek() != ',' {
			break
		}
		r.at++
	}
	r.want(end)
}

// passText passes a string.
func (r *Reader) passText() {
	from := r.at
	if _, escaped := r.quoted(); escaped && !r.odd {
		r.odd = !json.Valid(r.data[from:r.at])
	}
}

// quoted passes a string and returns what stands between its quotes, and whether
// something in it is escaped. What is not UTF-8 is odd.
func (r *Reader) quoted() (text []byte, escaped bool) {
	r.want('"')
	from, wide := r.at, false
	for r.at < len(r.data) {
		c := r.data[r.at]
		switch kinds[c] {
		case plain:
			r.at++
			continue
		case beyond:
			wide = true
			r.at++
			continue
		case escape:
			escaped = true
			r.at += 2
			continue
		case quote:
			text = r.data[from:r.at]
			r.at++
			if wide && !utf8.Valid(text) {
				r.odd = true
			}
			return text, escaped
		}
		break
	}
	r.odd = true
	return nil, false
}

// The kinds of bytes in a string.
const (
	control byte = iota
	plain
	beyond // ASCII
	escape
	quote
)

var kinds = func() (k [256]byte) {
	for c := range k {
		switch {
		case c >= utf8.RuneSelf:
			k[c] = beyond
		case c >= ' ':
			k[c] = plain
		}
	}
	k['\\'], k['"'] = escape, quote
	return k
}()

// number passes a number.
func (r *Reader) number() {
	if r.peek() == '-' {
		r.at++
	}
	if r.peek() == '0' {
		r.at++
	} else {
		r.digits()
	}
	if r.peek() == '.' {
		r.at++
		r.digits()
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.at++
		if c := r.peek(); c == '+' || c == '-' {
			r.at++
		}
		r.digits()
	}
}

// digits passes at least one digit.
func (r *Reader) digits() {
	from := r.at
	for c := r.peek(); c >= '0' && c <= '9'; c = r.peek() {
		r.at++
	}
	r.odd = r.odd || r.at == from
}

func (r *Reader) word(w string) {
	if len(r.data)-r.at < len(w) || string(r.data[r.at:r.at+len(w)]) != w {
		r.odd = true
		return
	}
	r.at += len(w)
}

func (r *Reader) want(c byte) {
	if r.peek() != c {
		r.odd = true
		return
	}
	r.at++
}

// peek returns the byte that comes next, 0 at the end.
func (r *Reader) peek() byte {
	if r.at < len(r.data) {
		return r.data[r.at]
	}
	return 0
}

func (r *Reader) space() {
	for r.at < len(r.data) {
		switch r.data[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}
