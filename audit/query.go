package audit

import (
	"encoding/json"
	"errors"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
)

// An Entry is a line of an audit file.
type Entry struct {
	Line   int64  // from 1
	Hash   string // of the line, as the next one holds it
	Erased bool   `json:",omitempty"` // the texts of its record were erased; see [File.Erase]
	Record
}

// Read reads the lines of an audit, see [Open], the oldest first, and ends with an error
// where one does not follow the one before, as [Verify] would. A last line without
// its end is left out: its writer may be at work. It may read a file that is open
// for writing.
func Read(r io.Reader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		stopped := false
		_, err := readLines(r, func(l line) bool {
			stopped = !yield(Entry{l.number, l.hash, l.erased, l.record}, nil)
			return !stopped
		})
		if err != nil && !stopped && !errors.Is(err, errBreaksOff) {
			yield(Entry{}, err)
		}
	}
}

// A Filter picks records. Its zero value picks all; each field that is set must
// hold.
type Filter struct {
	By         string             // who decided, alone or with others; names are compared as [hitl.PersonKey] does
	Assignment string             // its ID or name, whatever the case
	JobID      string             // whatever the case
	RequestID  string             // whatever the case
	Digest     string             // of a request; the beginning will do
	Key        string             // the operation key
	Kinds      []duvo.RequestType // one of them
	Events     []Event            // one of them
	Verdicts   []string           // one of them: "approved", "denied", ...
	Since      time.Time          // not before
	Until      time.Time          // before
	Text       string             // anywhere in the record, whatever the case: in its texts, its key, or the names of people
}

// Match reports whether a filter picks a record.
func (f Filter) Match(r Record) bool {
	same := func(want string, have ...string) bool {
		return want == "" || slices.ContainsFunc(have, func(h string) bool { return strings.EqualFold(want, h) })
	}
	switch {
	case !same(f.Assignment, r.AssignmentID, r.Assignment), !same(f.JobID, r.JobID), !same(f.RequestID, r.RequestID):
		return false
	case !strings.HasPrefix(r.Digest, strings.ToLower(f.Digest)), f.Key != "" && f.Key != r.Key:
		return false
	case len(f.Events) > 0 && !slices.Contains(f.Events, r.Event), len(f.Verdicts) > 0 && !slices.Contains(f.Verdicts, r.Verdict):
		return false
	case len(f.Kinds) > 0 && !slices.Contains(f.Kinds, r.Kind):
		return false
	case !f.Since.IsZero() && r.At.Before(f.Since), !f.Until.IsZero() && !r.At.Before(f.Until):
		return false
	}
	if f.Text != "" && !r.holds(f.Text) {
		return false
	}
	return f.By == "" || slices.ContainsFunc(append([]string{r.By}, r.People...), func(name string) bool {
		return hitl.PersonKey(name) == hitl.PersonKey(f.By)
	})
}

// holds reports whether a text is anywhere in the record.
func (r Record) holds(text string) bool {
	raw, err := json.Marshal(r)
	if err != nil {
		return false
	}
	var all any
	return json.Unmarshal(raw, &all) == nil && inAny(all, strings.ToLower(text))
}

// inAny looks into what was read of JSON, the names of fields of a map included.
func inAny(v any, text string) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(strings.ToLower(v), text)
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return inAny(e, text) })
	case map[string]any:
		for name, e := range v {
			if strings.Contains(strings.ToLower(name), text) || inAny(e, text) {
				return true
			}
		}
	}
	return false
}
