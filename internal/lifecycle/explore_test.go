package lifecycle

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// A node is a world that was reached: from which one, by which of its choices.
type node struct {
	parent int32
	choice int16
}

// A finding is what an exploration has come to.
type finding struct {
	states, depth int
	closed        bool // every world that can be reached was reached
	bad           string
	trace         []string
}

// explore reaches every world of a scene, breadth first, until one is bad or
// there are more than limit.
func explore(sc *scene, limit int) finding {
	var e encoder
	if sc.seen == nil {
		sc.seen = stages{}
	}
	root := newWorld(sc)
	nodes := []node{{-1, 0}}
	known := map[uint64]struct{}{root.hash(&e): {}}
	type open struct {
		w  *world
		at int32
	}
	frontier := []open{{root, 0}}
	found := finding{}
	for ; len(frontier) > 0; found.depth++ {
		var next []open
		for k, o := range frontier {
			frontier[k].w = nil
			choice := int16(0)
			o.w.each(func(_ string, _ int, n *world) {
				c := choice
				choice++
				if found.bad != "" {
					return
				}
				h := n.hash(&e)
				if _, ok := known[h]; ok {
					return
				}
				known[h] = struct{}{}
				nodes = append(nodes, node{o.at, c})
				at := int32(len(nodes) - 1)
				if n.bad != "" {
					found.bad, found.trace = n.bad, replay(sc, nodes, at)
					return
				}
				next = append(next, open{n, at})
			})
			if found.bad != "" || len(nodes) > limit {
				found.states = len(nodes)
				return found
			}
		}
		frontier = next
	}
	found.states, found.closed = len(nodes), true
	return found
}

// replay tells the events that lead to a node.
func replay(sc *scene, nodes []node, at int32) (trace []string) {
	var choices []int16
	for ; nodes[at].parent >= 0; at = nodes[at].parent {
		choices = append(choices, nodes[at].choice)
	}
	w := newWorld(sc)
	for k := len(choices) - 1; k >= 0; k-- {
		c := int16(0)
		var taken *world
		w.each(func(label string, i int, n *world) {
			if c == choices[k] {
				trace = append(trace, fmt.Sprintf("%2d. at %d %c %s%s", len(choices)-k, w.now.Mono-1000, 'A'+i, label, wants(w, n, i)))
				taken = n
			}
			c++
		})
		w = taken
	}
	return trace
}

// wants tells what a process asks for after an event.
func wants(before, w *world, i int) string {
	p := &w.procs[i]
	if b := before.procs[i].st; p.x == nil || b != nil && b.Live.Exchange.Name == p.st.Live.Exchange.Name {
		return ""
	}
	kind := strings.TrimPrefix(fmt.Sprintf("%T", p.x), "lifecycle.")
	if s, ok := p.x.(Save); ok {
		kind = "Save " + string(s.Record.Stage)
		for _, q := range s.Record.Requests {
			kind += fmt.Sprintf(" %s:%s", q.Digest, q.Stage)
			if q.Attempt.Open {
				kind += " announced"
			}
		}
		if s.Record.Start.Open {
			kind += " announced"
		}
	}
	return "  -> " + kind
}

func (f finding) String() string { return f.bad + "\n  " + strings.Join(f.trace, "\n  ") }

// TestEveryWorldIsSafe reaches every state of every small world, and holds each
// against what must always be so. With DUVOTOOL_WORLDS=deep it explores larger
// ones too: millions of states.
func TestEveryWorldIsSafe(t *testing.T) {
	all := scenes()
	if os.Getenv("DUVOTOOL_WORLDS") == "deep" {
		all = slices.Concat(all, deepScenes(), deepLeaseScenes())
	}
	begin, reached := time.Now(), make([]int, len(all))
	t.Run("worlds", func(t *testing.T) {
		for i, sc := range all {
			t.Run(sc.name, func(t *testing.T) {
				t.Parallel()
				begin := time.Now()
				f := explore(sc, mostStates())
				reached[i] = f.states
				seenSteps.Lock()
				if sc.restores == 0 || sc.procs < 2 { // else the record of another process goes back, too
					maps.Copy(seenSteps.stages, sc.seen)
				}
				seenSteps.Unlock()
				t.Logf("%s: %d states, depth %d, %v", sc.name, f.states, f.depth, time.Since(begin).Round(time.Millisecond))
				if f.bad != "" {
					t.Errorf("%s", f)
				} else if !f.closed && mostStates() >= 1_000_000 {
					t.Errorf("not closed after %d states", f.states)
				}
			})
		}
	})
	if !t.Failed() && mostStates() >= 1_000_000 && !slices.Contains(reached, 0) {
		checkTable(t)
	}
	total := 0
	for _, n := range reached {
		total += n
	}
	t.Logf("%d worlds, %d states, %v", len(all), total, time.Since(begin).Round(time.Millisecond))
}

var states = flag.Int("states", 6_000_000, "states of one world, at most")

// mostStates keeps a world that does not close from taking all memory. A pure
// function has no races to find, so under the race detector, and with -short, the
// worlds are only begun.
func mostStates() int {
	if raceDetector || testing.Short() {
		return min(*states, 5_000)
	}
	return *states
}
