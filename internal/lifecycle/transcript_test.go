package lifecycle

import (
	"encoding/json"
	"errors"
	"testing"
)

// A listed is a list that is written as it stands.
type listed string

var errUnwritten = errors.New("it cannot be written")

func (l listed) Size() int  { return len(l) }
func (l listed) Least() int { return len(l) }
func (l listed) MarshalJSON() ([]byte, error) {
	if l == "" {
		return nil, errUnwritten
	}
	return []byte(l), nil
}

func TestTranscriptsAreJoined(t *testing.T) {
	of, in := func(s string) Transcript { return TranscriptOf(listed(s)) }, func(s string) Transcript { return TranscriptIn(json.RawMessage(s)) }
	for _, c := range []struct {
		want  string
		parts []Transcript
	}{
		{"null", nil}, {"null", []Transcript{{}}}, {`["a"]`, []Transcript{of(`["a"]`)}}, {`["a","b","c"]`, []Transcript{of(`["a"]`), in(`["b","c"]`)}},
		{`["a","b"]`, []Transcript{in(`[]`), in(`["a"]`), of(`[]`), of(`["b"]`)}}, {`[]`, []Transcript{in(`[]`), of(`[]`)}},
		{"null", []Transcript{in(`["a"]`), in(`"b"`)}}, {"null", []Transcript{in(`["a"]`), of("")}}, {"null", []Transcript{in(`["a"]`), {}}},
	} {
		j := joined(c.parts)
		if got := written(t, j); got != c.want || j.IsZero() != (c.want == "null") {
			t.Errorf("%s, want %s", got, c.want)
		}
		if again := throughJSON(t, j); written(t, again) != c.want || again.IsZero() != j.IsZero() || again.List() != nil {
			t.Errorf("%s after JSON, want %s", written(t, again), c.want)
		}
	}
	if _, err := of("").Written(); !errors.Is(err, errUnwritten) {
		t.Error(err)
	}
	one := of(`["a"]`)
	if w, err := one.Written(); err != nil || w.Size() != 5 || one.Size() != 5 || w.List() != nil || joined([]Transcript{one}).List() != one.List() {
		t.Error(w, err)
	}
}
