package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"regexp"
	"strings"

	"github.com/duvotool/duvotool/internal/guard"
	"github.com/duvotool/duvotool/internal/safetext"
	"github.com/duvotool/duvotool/internal/schema"
)

// An Output is what a Job is to answer. It is never changed.
type Output struct {
	Schema *schema.Schema
	GoType reflect.Type
	Check  func(data []byte) error // beyond the schema: that it decodes
}

// codeBlock is a fenced block anywhere in a text.
var codeBlock = regexp.MustCompile("(?s)```[a-zA-Z0-9]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*```")

// Find returns the JSON in a Job's answer that fits: the whole answer, a fenced
// block, or the last object or list in it. If there is none it tells why, in
// words that hold nothing of the Job's but names.
func (o *Output) Find(answer string) (data json.RawMessage, problem string) {
	try := func(text string) bool {
		v, err := schema.Decode([]byte(text))
		if err != nil {
			return false
		}
		v = o.Schema.Tidy(v, false)
		wrong := o.Schema.Check(v, "the answer", false)
		if wrong == "" {
			canonical := schema.Canonical(v)
			if err := o.decodes(canonical); err != nil {
				wrong = err.Error()
			} else {
				data = canonical
				return true
			}
		}
		if problem == "" {
			problem = wrong // of the likeliest candidate
		}
		return false
	}
	answer = strings.ToValidUTF8(strings.TrimSpace(answer), "\ufffd")
	if answer == "" {
		return nil, "there is none"
	}
	if len(answer) <= maxWhole && try(answer) {
		return data, ""
	}
	if len(answer) > maxSearched {
		answer = strings.ToValidUTF8(answer[len(answer)-maxSearched:], "\ufffd")
	}
	blocks := codeBlock.FindAllStringSubmatch(answer, -1)
	for i := len(blocks) - 1; i >= 0; i-- {
		if try(blocks[i][1]) {
			return data, ""
		}
	}
	last := lastJSON(answer)
	for i := len(last) - 1; i >= 0; i-- {
		if try(last[i]) {
			return data, ""
		}
	}
	if problem == "" {
		problem = "it holds no JSON"
	}
	return nil, safetext.OneLine(problem, MaxProblem)
}

// decodes reports why JSON that fits the schema does not decode, if so.
func (o *Output) decodes(data []byte) error {
	return guard.Run(ErrRenderPanic, func() error {
		if err := o.Check(data); err != nil {
			return errors.New(err.Error()) // its words are the program's too
		}
		return nil
	})
}

// lastJSON returns the last few objects and lists in a text, outermost ones
// only.
func lastJSON(text string) []string {
	var found []string
	for at, budget := 0, maxTried; budget > 0; {
		i := strings.IndexAny(text[at:], "{[")
		if i < 0 {
			break
		}
		at += i
		var raw json.RawMessage
		dec := json.NewDecoder(strings.NewReader(text[at:]))
		err := dec.Decode(&raw)
		if err == nil {
			found = append(found, string(bytes.TrimSpace(raw)))
			if len(found) > 8 {
				found = found[1:]
			}
			at += int(dec.InputOffset())
			continue
		}
		var syntax *json.SyntaxError
		switch {
		case errors.As(err, &syntax):
			budget -= int(syntax.Offset) + 64
		case errors.Is(err, io.ErrUnexpectedEOF):
			budget -= len(text) - at
		default:
			return found
		}
		at++
	}
	return found
}

var ErrRenderPanic = errors.New("duvotool: panic while the arguments were decoded or rendered")

func joinNotes(a, b string) string {
	switch {
	case a == "":
		return b
	case b == "":
		return a
	case strings.Contains("; "+a+"; ", "; "+b+"; "): // so calls that come back do not lengthen it
		return a
	}
	return a + "; " + b
}

// MaxProblem bounds what a model is told about its arguments, in characters.
const MaxProblem = 1000

// How much of an answer is read as JSON, in bytes.
const (
	maxWhole    = 8 << 20  // of an answer that is nothing but JSON
	maxSearched = 1 << 20  // at the end of one that has JSON in it
	maxTried    = 16 << 20 // for what proves not to be JSON
)
