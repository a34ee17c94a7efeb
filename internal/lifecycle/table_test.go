package lifecycle

import (
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// seenSteps are the transitions that explorations have gone through.
var seenSteps = struct {
	sync.Mutex
	stages map[[2]string]bool
}{stages: map[[2]string]bool{}}

// stages notes the transitions of one event.
type stages map[[2]string]bool

func (s stages) note(before, after *Record) {
	name := func(v Stage) string {
		if v == New {
			return "new"
		}
		return string(v)
	}
	if before.Stage != after.Stage {
		s[[2]string{name(before.Stage), name(after.Stage)}] = true
	}
	word := func(v RequestStage) string {
		if v == Unasked {
			return "unasked"
		}
		return string(v)
	}
	for i := range before.Requests {
		b := &before.Requests[i]
		if a := after.Request(b.ID); a != nil && a.Stage != b.Stage {
			s[[2]string{word(b.Stage), word(a.Stage)}] = true
		}
	}
}

// traced is Step, and notes each transition on the way.
func traced(s State, e Event, now Moment, seen stages) (State, []Effect) {
	before := s.Record
	t := newTurn(s, now)
	look := func() {
		seen.note(&before, &t.Record)
		before = t.Record
		before.Requests = slices.Clone(before.Requests)
	}
	t.note(e)
	look()
	for n := 0; t.Live.Exchange.Name == 0; n++ {
		if n > 1000 {
			panic("Step does not come to an end")
		}
		more := t.more()
		look()
		if !more {
			break
		}
	}
	if l := &t.Live; l.Exchange.Name == 0 && t.wake != l.Wake {
		l.Wake = t.wake
		t.emit(Wake{At: t.wake})
	}
	return t.sealed(), t.effects
}

// table reads the tables of the package doc.
func table(t *testing.T) map[[2]string]bool {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	out := map[[2]string]bool{}
	var column int
	for line := range strings.SplitSeq(string(doc), "\n") {
		row, ok := strings.CutPrefix(line, "//\t")
		if i := strings.Index(row, "goes to"); ok && i > 0 {
			column = i
			continue
		}
		if !ok || column == 0 || len(row) <= column {
			column = 0
			continue
		}
		from, _, _ := strings.Cut(row, " ")
		for to := range strings.SplitSeq(row[column:], ",") {
			out[[2]string{from, strings.TrimSpace(to)}] = true
		}
	}
	if len(out) < 20 {
		t.Fatalf("only %d transitions in the package doc", len(out))
	}
	return out
}

// checkTable holds what was explored against the package doc: it has every
// transition, and none that never happens.
func checkTable(t *testing.T) {
	seenSteps.Lock()
	defer seenSteps.Unlock()
	want := table(t)
	for s := range seenSteps.stages {
		if !want[s] {
			t.Errorf("%s -> %s happens, and the package doc does not tell of it", s[0], s[1])
		}
	}
	for s := range want {
		if !seenSteps.stages[s] {
			t.Errorf("%s -> %s is in the package doc, and never happens", s[0], s[1])
		}
	}
}
