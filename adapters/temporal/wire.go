package temporal

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"sync"

	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/lifecycle"
)

// What histories hold. A release reads what earlier ones have written: fields are
// added, and neither renamed nor given another meaning. See replay_test.go.

// packed is JSON, compressed: a state goes into the history with each step.
type packed []byte

var writers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

func pack(v any) (packed, error) {
	var b bytes.Buffer
	w := writers.Get().(*gzip.Writer)
	defer writers.Put(w)
	w.Reset(&b)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		return nil, fmt.Errorf("temporal: writing what is known of an operation: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// maxUnpacked is more than any state has: see maxKept.
const maxUnpacked = 32 << 20

func (p packed) unpack(v any) error {
	r, err := gzip.NewReader(bytes.NewReader(p))
	if err == nil {
		err = json.NewDecoder(io.LimitReader(r, maxUnpacked)).Decode(v)
	}
	if err != nil {
		return fmt.Errorf("temporal: what is known of an operation cannot be read: %w", err)
	}
	return nil
}

// state unpacks a state.
func (p packed) state() (*lifecycle.State, error) {
	s := &lifecycle.State{}
	return s, p.unpack(s)
}

// An event is one of package lifecycle, with its kind.
type event struct{ lifecycle.Event }

// An effect is one of package lifecycle, with its kind.
type effect struct{ lifecycle.Effect }

type kinded struct {
	Kind string          `json:"kind"`
	Of   json.RawMessage `json:"of"`
}

// MarshalJSON writes the event with its kind.
func (e event) MarshalJSON() ([]byte, error) { return marshalKind(e.Event) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (e *event) UnmarshalJSON(text []byte) (err error) {
	e.Event, err = unmarshalKind[lifecycle.Event](text)
	return err
}

// MarshalJSON writes the effect with its kind.
func (e effect) MarshalJSON() ([]byte, error) { return marshalKind(e.Effect) }

// UnmarshalJSON reads what MarshalJSON wrote.
func (e *effect) UnmarshalJSON(text []byte) (err error) {
	e.Effect, err = unmarshalKind[lifecycle.Effect](text)
	return err
}

func marshalKind(v any) ([]byte, error) {
	if v == nil {
		return []byte("null"), nil
	}
	of, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return json.Marshal(kinded{reflect.TypeOf(v).Name(), of})
}

func unmarshalKind[T any](text []byte) (out T, err error) {
	if string(text) == "null" {
		return out, nil
	}
	var k kinded
	if err := json.Unmarshal(text, &k); err != nil {
		return out, err
	}
	for _, known := range kinds() {
		typ := reflect.TypeOf(known)
		if typ.Name() != k.Kind {
			continue
		}
		v := reflect.New(typ)
		if err := json.Unmarshal(k.Of, v.Interface()); err != nil {
			return out, err
		}
		if out, ok := v.Elem().Interface().(T); ok {
			return out, nil
		}
	}
	return out, fmt.Errorf("temporal: %q is of another version", k.Kind)
}

// kinds are the events and effects that are written.
func kinds() []any {
	return []any{
		lifecycle.Read{}, lifecycle.Answered{}, lifecycle.Decide{}, lifecycle.Reconciled{}, lifecycle.Saved{}, lifecycle.SaveFailed{}, lifecycle.Staged{},
		lifecycle.Sent{}, lifecycle.Located{}, lifecycle.Claimed{}, lifecycle.Checked{}, lifecycle.Collected{},
		lifecycle.Save{}, lifecycle.Load{}, lifecycle.StageFiles{}, lifecycle.StartJob{}, lifecycle.Locate{}, lifecycle.Claim{}, lifecycle.CheckRules{},
		lifecycle.Respond{}, lifecycle.Post{}, lifecycle.StopJob{}, lifecycle.Collect{}, lifecycle.Watch{}, lifecycle.Unwatch{}, lifecycle.ReadNow{},
		lifecycle.Wake{}, lifecycle.AskPolicy{}, lifecycle.EndAsk{}, lifecycle.Interim{}, lifecycle.Finish{}, lifecycle.EndCalls{}, lifecycle.Release{},
		lifecycle.TellReply{}, lifecycle.Tell{},
	}
}

// A step is what one event has come to.
type step struct {
	State   *lifecycle.State `json:"state"`
	Effects []effect         `json:"effects,omitempty"`
}

// notes are the latest errors of each cause.
type notes = map[lifecycle.Cause]engine.Note

// An order is what an activity is asked to do.
type order struct {
	State  packed         `json:"state"`
	Effect effect         `json:"effect,omitzero"`
	Epoch  lifecycle.Time `json:"epoch"`
	Since  int64          `json:"since,omitempty"` // of a watch: a read is wished for that begins then or later

	Lines  []lifecycle.Line `json:"lines,omitempty"` // of the audit
	Begins bool             `json:"begins,omitempty"`
	Tells  []effect         `json:"tells,omitempty"`
	Claims []string         `json:"claims,omitempty"`
}

// A reply is what an activity has come to.
type reply struct {
	Event   event  `json:"event,omitzero"`
	Print   string `json:"print,omitempty"` // of the credential that was in use
	Notes   notes  `json:"notes,omitempty"`
	Written int    `json:"written,omitempty"` // lines of the audit
	Failed  bool   `json:"failed,omitempty"`
}

// An input is what a workflow begins with.
type input struct {
	State   packed         `json:"state"`
	Epoch   lifecycle.Time `json:"epoch,omitempty"` // when the operation's monotonic clock began; zero: it begins now
	Fresh   bool           `json:"fresh,omitempty"` // the key was made for the call
	Audit   bool           `json:"audit,omitempty"` // there is an audit log
	Setup   setup          `json:"setup"`
	Notes   notes          `json:"notes,omitempty"`
	Callers []caller       `json:"callers,omitempty"` // who come back for their answers
	Last    int            `json:"last,omitempty"`    // number of the latest caller
	Claims  []string       `json:"claims,omitempty"`
	Written int            `json:"written,omitempty"`
}

// A setup is what the host that began a workflow was told.
type setup struct {
	PostSeconds      int `json:"post"`
	HeartbeatSeconds int `json:"heartbeat,omitempty"`  // zero: none are asked for
	MaxEvents        int `json:"max_events,omitempty"` // of a history, before the workflow continues as a new one; zero: what the server suggests
}

// A caller waits for an answer.
type caller struct {
	ID     string  `json:"id"`
	Number int     `json:"n"`
	Answer *answer `json:"answer,omitempty"` // nil: it waits
}

// An answer is what a call is told.
type answer struct {
	Kind   string `json:"kind"`
	State  packed `json:"state,omitempty"`
	Effect effect `json:"effect,omitzero"`
	Notes  notes  `json:"notes,omitempty"`
	First  bool   `json:"first,omitempty"` // it was the first caller
}

// The kinds of answers.
const (
	answerResult  = "result"
	answerInterim = "interim"
	answerEnded   = "ended"
	answerRefused = "refused"
	answerLeft    = "left"
	answerAgain   = "again" // the workflow continues as a new one: call again
)

// A call is the argument of the update with this name.
type call struct {
	ID    string           `json:"id"`
	Order *lifecycle.Order `json:"order,omitempty"` // nil: that of the operation
}

// A view is what is known of an operation.
type view struct {
	State packed         `json:"state"`
	Notes notes          `json:"notes,omitempty"`
	Fate  lifecycle.Fate `json:"fate,omitempty"` // of a decision from outside
}

// A holding is a claim: whose something is.
type holding struct {
	Operation string `json:"operation"`       // the ID of its workflow
	Entry     packed `json:"entry,omitempty"` // of a request: what was decided
}
