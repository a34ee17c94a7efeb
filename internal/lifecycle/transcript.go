package lifecycle

import (
	"encoding/json"
	"slices"
)

// A Transcript is a list of messages of a Job. What they are is nothing to the
// lifecycle: it joins lists and keeps them in the Result. A list is written as JSON
// only where it is recorded. A Transcript does not change; the zero value is no list.
type Transcript struct {
	text json.RawMessage // as encoding/json has written it; nil: list has it
	list Messages
}

// Messages are a list as whoever has read it holds it.
type Messages interface {
	json.Marshaler
	Size() int  // in bytes, about
	Least() int // of its JSON, in bytes, at least
}

// TranscriptOf makes one of a list that does not change any more.
func TranscriptOf(list Messages) Transcript { return Transcript{list: list} }

// TranscriptIn makes one of a list as encoding/json has written it.
func TranscriptIn(text json.RawMessage) Transcript { return Transcript{text: text} }

// IsZero reports whether there is no list.
func (t Transcript) IsZero() bool { return t.text == nil && t.list == nil }

// List returns the list that it was made of; nil if it was made of text.
func (t Transcript) List() Messages { return t.list }

// Size is how much it holds, in bytes, about.
func (t Transcript) Size() int {
	if t.list != nil {
		return t.list.Size()
	}
	return len(t.text)
}

// Least is how many bytes it takes as JSON, at least.
func (t Transcript) Least() int {
	if t.list != nil {
		return t.list.Least()
	}
	return len(t.text)
}

// Written returns the same as text.
func (t Transcript) Written() (Transcript, error) {
	if t.list == nil {
		return t, nil
	}
	text, err := t.list.MarshalJSON()
	return Transcript{text: text}, err
}

// MarshalJSON returns the list as JSON; null for no list.
func (t Transcript) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	w, err := t.Written()
	return w.text, err
}

// UnmarshalJSON keeps the text, and does not look at what it tells; null is no list.
func (t *Transcript) UnmarshalJSON(text []byte) error {
	*t = Transcript{}
	if string(text) != "null" {
		t.text = slices.Clone(json.RawMessage(text))
	}
	return nil
}

// joined makes one list of several; none if there are none, or if one is no list.
func joined(parts []Transcript) Transcript {
	switch len(parts) {
	case 0:
		return Transcript{}
	case 1:
		return parts[0]
	}
	all := json.RawMessage("[")
	for _, p := range parts {
		w, err := p.Written()
		text := w.text
		if err != nil || len(text) < 2 || text[0] != '[' || text[len(text)-1] != ']' {
			return Transcript{}
		}
		if len(all) > 1 && len(text) > 2 {
			all = append(all, ',')
		}
		all = append(all, text[1:len(text)-1]...)
	}
	return Transcript{text: append(all, ']')}
}
