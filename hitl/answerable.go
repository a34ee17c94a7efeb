package hitl

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/safetext"
)

// CheckAnswerable tells why no answers at all can be sent for this request; nil if
// there are some that can. Answers are sent under each question's text, as the
// labels that were chosen: so a question that is asked twice, and one with two
// options of the same label, has no answer that says which of the two is meant.
// About anything but questions it has nothing to say.
//
// A [Policy] that asks a person should ask this first, and tell them. What it
// decides about such a request nevertheless is sent nowhere; see [Decision.Check].
func (r Request) CheckAnswerable() error {
	if r.Kind != duvo.Question {
		return nil
	}
	var errs []error
	asked := map[string]bool{}
	for i := range r.Questions {
		q := &r.Questions[i]
		name := safetext.OneLine(q.Question, 80)
		if asked[q.Question] {
			errs = append(errs, fmt.Errorf("the question %q is asked twice, and one answer cannot serve both", name))
		}
		asked[q.Question] = true
		seen := map[string]bool{}
		for _, c := range q.Options {
			if seen[c.Label] {
				errs = append(errs, fmt.Errorf("the question %q has two options %q, and an answer cannot tell which is meant", name, safetext.OneLine(c.Label, 80)))
			}
			seen[c.Label] = true
		}
	}
	return errors.Join(errs...)
}

// readings are the choices that a joined answer can be read as: for each the
// labels, by number and in order. Two are enough to be ambiguous, so there are no
// more. Labels may hold commas themselves, or begin with a space, so every split is
// tried; one that takes a label twice is a reading too, though of no choice.
func readings(s string, all []string) [][]int {
	longest := 64 // for spaces
	for _, l := range all {
		longest += len(l) + len(", ")
	}
	if len(s) > longest {
		return nil
	}
	from := make([][][]int, len(s)+1) // by position: the readings from there to the end
	for pos := len(s) - 1; pos >= 0; pos-- {
		add := func(first int, rest []int) {
			one := append(slices.Clone(rest), first)
			slices.Sort(one)
			if len(one) <= len(all) && len(from[pos]) < 2 && !slices.ContainsFunc(from[pos], func(o []int) bool { return slices.Equal(o, one) }) {
				from[pos] = append(from[pos], one)
			}
		}
		for i, l := range all {
			end := pos + len(l)
			switch {
			case l == "" || !strings.HasPrefix(s[pos:], l):
				continue
			case end == len(s):
				add(i, nil)
				continue
			case s[end] != ',':
				continue
			}
			for next := end + 1; next < len(s); next++ {
				for _, rest := range from[next] {
					add(i, rest)
				}
				if s[next] != ' ' {
					break
				}
			}
		}
	}
	return from[0]
}

// checkChoices tells why an answer is no choice of several of these labels.
func checkChoices(s string, all []string) error {
	found := readings(s, all)
	switch {
	case len(found) > 1:
		return errAmbiguous
	case len(found) == 0 || len(slices.Compact(slices.Clone(found[0]))) != len(found[0]):
		return errNoChoice
	}
	return nil
}

var (
	errAmbiguous = errors.New("it reads as more than one choice")
	errNoChoice  = errors.New("it is no choice of the options")
)
