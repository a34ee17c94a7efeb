package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// A report is what the harness prints.
type report struct {
	Jobs         int `json:"jobs"`  // operation keys
	Kills        int `json:"kills"` // of workers, by SIGKILL
	Requests     int `json:"requests"`
	Faults       int `json:"faults"`       // requests that something went wrong with
	Lost         int `json:"lost"`         // keys without their outcome, or with a wrong one
	Doubled      int `json:"doubled"`      // keys with two Jobs, requests with two responses
	Unauthorised int `json:"unauthorised"` // effects that no recorded decision stands behind
	Unknown      int `json:"unknown"`      // operations whose outcome was reported as unknown, and stayed so
	Silent       int `json:"silent"`       // what was given up silently: asked for, and neither answered nor listed

	// Of replicas.
	Replicas  int            `json:"replicas,omitempty"`
	Journal   string         `json:"journal,omitempty"`
	Freezes   int            `json:"freezes,omitempty"`
	Databases int            `json:"database_restarts,omitempty"`
	Policy    int            `json:"policy_asked,omitempty"`
	Again     map[string]int `json:"policy_asked_again,omitempty"` // about the same text, by what had happened to the replica
	Needless  int            `json:"policy_asked_again_without_cause,omitempty"`

	Seed        uint64         `json:"seed"`
	Seconds     float64        `json:"seconds"`
	Closes      int            `json:"closes"`      // of workers, by SIGTERM
	Restarts    int            `json:"restarts"`    // of workers for another reason
	Asked       int            `json:"asked"`       // human requests
	Answered    int            `json:"answered"`    // of them by us
	Elsewhere   int            `json:"elsewhere"`   // of them in Duvo's inbox
	Resent      int            `json:"resent"`      // POSTs that were sent again
	Redelivered int            `json:"redelivered"` // outcomes that were delivered more than once
	Drawn       map[string]int `json:"drawn"`       // what else happened, by kind
	Kinds       map[string]int `json:"fault_kinds"`
	Hooks       map[string]int `json:"webhook_faults"`
	Problems    []string       `json:"problems,omitempty"` // the first of them, in words
	Soak        *soakFigures   `json:"soak,omitempty"`
	Dir         string         `json:"dir,omitempty"` // where the files of a failed run are
}

// clean reports whether nothing was lost, doubled, unauthorised or given up silently, and
// no policy asked again without cause.
func (r report) clean() bool {
	return r.Lost == 0 && r.Doubled == 0 && r.Unauthorised == 0 && r.Silent == 0 && r.Needless == 0
}

const maxProblems = 30

func (r *report) problem(count *int, format string, args ...any) {
	*count++
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// print tells the report in words.
func (r report) print(w io.Writer) {
	fmt.Fprintf(w, "jobs %d  kills %d  requests %d  faults %d\nlost %d  doubled %d  unauthorised %d  unknown %d  given up silently %d\n", r.Jobs, r.Kills, r.Requests, r.Faults, r.Lost, r.Doubled, r.Unauthorised, r.Unknown, r.Silent)
	fmt.Fprintf(w, "%.0f s, seed %d; %d human requests, of which %d answered by us and %d elsewhere; %d POSTs sent again, %d outcomes delivered again; %d workers asked to end, %d restarts for another reason\n",
		r.Seconds, r.Seed, r.Asked, r.Answered, r.Elsewhere, r.Resent, r.Redelivered, r.Closes, r.Restarts)
	if r.Replicas > 0 {
		fmt.Fprintf(w, "%d replicas on one journal (%s); %d frozen, %d restarts of the database; the policy was asked %d times, again without cause %d, and again after %s\n",
			r.Replicas, r.Journal, r.Freezes, r.Databases, r.Policy, r.Needless, strings.TrimPrefix(fmt.Sprint(r.Again), "map"))
	}
	for i, kinds := range []map[string]int{r.Kinds, r.Hooks, r.Drawn} {
		fmt.Fprintln(w, []string{"faults of requests:", "faults of webhooks:", "what else happened:"}[i])
		for _, k := range slices.Sorted(maps.Keys(kinds)) {
			fmt.Fprintf(w, "  %-16s %d\n", k, kinds[k])
		}
	}
	for _, p := range r.Problems {
		fmt.Fprintln(w, "problem:", p)
	}
	if r.Soak != nil {
		for i, s := range r.Soak.Workers {
			fmt.Fprintf(w, "worker %d, measured for %.0f s after the first minute: first, last, most\n", i, s.Seconds)
			fmt.Fprintf(w, "  RSS %.1f %.1f %.1f MB, of that anonymous %.1f %.1f %.1f MB, heap %.1f %.1f %.1f MB, goroutines %d %d %d\n",
				mb(s.First.RSS), mb(s.Last.RSS), mb(s.Most.RSS), mb(s.First.Anonymous), mb(s.Last.Anonymous), mb(s.Most.Anonymous),
				mb(s.First.Heap), mb(s.Last.Heap), mb(s.Most.Heap), s.First.Goroutines, s.Last.Goroutines, s.Most.Goroutines)
		}
	}
	if r.Dir != "" {
		fmt.Fprintln(w, "files:", r.Dir)
	}
}

func mb(bytes int64) float64 { return float64(bytes) / 1e6 }

// soakFigures tell whether workers grow.
type soakFigures struct {
	Workers []growth `json:"workers"`
}

// A growth is what one worker used in its longest life, once that was warm. Each
// figure is the mean of ten seconds, but for the most.
type growth struct {
	Seconds float64 `json:"seconds"`
	First   sample  `json:"first"`
	Last    sample  `json:"last"`
	Most    sample  `json:"most"`
}

// warmUp is the time from which on a worker is measured.
const warmUp = time.Minute

func (f *soakFigures) add(all []sample) {
	byLife := map[int][]sample{}
	for _, s := range all {
		byLife[s.Life] = append(byLife[s.Life], s)
	}
	var longest []sample
	for _, s := range byLife {
		if len(s) > len(longest) {
			longest = s
		}
	}
	warm := slices.IndexFunc(longest, func(s sample) bool { return s.At.Sub(longest[0].At) >= warmUp })
	if warm < 0 {
		warm = len(longest) / 2 // a short one
	}
	longest = longest[warm:]
	if len(longest) == 0 {
		return
	}
	n := min(10, len(longest))
	g := growth{Seconds: longest[len(longest)-1].At.Sub(longest[0].At).Seconds(), First: mean(longest[:n]), Last: mean(longest[len(longest)-n:])}
	for _, s := range longest {
		g.Most.RSS, g.Most.Anonymous = max(g.Most.RSS, s.RSS), max(g.Most.Anonymous, s.Anonymous)
		g.Most.Heap, g.Most.Goroutines = max(g.Most.Heap, s.Heap), max(g.Most.Goroutines, s.Goroutines)
	}
	f.Workers = append(f.Workers, g)
}

func mean(all []sample) (m sample) {
	m.At, m.Life = all[0].At, all[0].Life
	for _, s := range all {
		m.RSS, m.Anonymous, m.Heap, m.Goroutines = m.RSS+s.RSS, m.Anonymous+s.Anonymous, m.Heap+s.Heap, m.Goroutines+s.Goroutines
	}
	n := int64(len(all))
	m.RSS, m.Anonymous, m.Heap, m.Goroutines = m.RSS/n, m.Anonymous/n, m.Heap/n, m.Goroutines/int(n)
	return m
}
