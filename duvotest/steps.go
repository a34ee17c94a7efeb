package duvotest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// A step does exactly one of these.
type step struct {
	Say       *string      `json:"say"`
	Tool      *toolStep    `json:"tool"`
	Approve   *approveStep `json:"approve"`
	Ask       *askStep     `json:"ask"`
	Sleep     *string      `json:"sleep"`
	Complete  *string      `json:"complete"`
	Fail      *string      `json:"fail"`
	Interrupt *string      `json:"interrupt"`
}

type toolStep struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
	Result    json.RawMessage `json:"result"`
	Error     string          `json:"error"`
}

type approveStep struct {
	Title       string            `json:"title"`
	Description string            `json:"description"`
	Approved    []json.RawMessage `json:"approved"`
	Denied      []json.RawMessage `json:"denied"`

	approved, denied []step
}

type askStep struct {
	Title       string              `json:"title"`
	Description string              `json:"description"`
	Questions   []duvo.QuestionItem `json:"questions"`
}

func loadSteps(raws []json.RawMessage, place string, depth int) ([]step, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%s: steps are nested deeper than %d", place, maxDepth)
	}
	var steps []step
	for i, raw := range raws {
		at := fmt.Sprintf("%s[%d]", place, i)
		if i > 0 && steps[i-1].ends() {
			return nil, fmt.Errorf("%s comes after the Job's end", at)
		}
		var s step
		if err := decodeStrictly(raw, &s, at); err != nil {
			return nil, err
		}
		if err := s.check(at); err != nil {
			return nil, err
		}
		if a := s.Approve; a != nil {
			var err error
			if a.approved, err = loadSteps(a.Approved, at+".approve.approved", depth+1); err != nil {
				return nil, err
			}
			if a.denied, err = loadSteps(a.Denied, at+".approve.denied", depth+1); err != nil {
				return nil, err
			}
			a.Approved, a.Denied = nil, nil
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// ends tells whether the Job ends with the step.
func (s step) ends() bool { return s.Complete != nil || s.Fail != nil || s.Interrupt != nil }

// check tells what makes no sense, but for the steps within.
func (s step) check(place string) error {
	things := 0
	for _, there := range []bool{s.Say != nil, s.Tool != nil, s.Approve != nil, s.Ask != nil, s.Sleep != nil, s.Complete != nil, s.Fail != nil, s.Interrupt != nil} {
		if there {
			things++
		}
	}
	if things != 1 {
		return fmt.Errorf("%s must do one thing, and does %d", place, things)
	}
	switch {
	case s.Tool != nil:
		if s.Tool.Name == "" {
			return fmt.Errorf("%s.tool has no name", place)
		}
		if len(s.Tool.Arguments) > 0 && !strings.HasPrefix(strings.TrimSpace(string(s.Tool.Arguments)), "{") {
			return fmt.Errorf("%s.tool: the arguments are no object", place)
		}
		if s.Tool.Error != "" && len(s.Tool.Result) > 0 {
			return fmt.Errorf("%s.tool has both a result and an error", place)
		}
	case s.Sleep != nil:
		if d, err := time.ParseDuration(*s.Sleep); err != nil || d < 0 {
			return fmt.Errorf("%s.sleep: %q is no duration such as 2s", place, *s.Sleep)
		}
	case s.Approve != nil:
		if s.Approve.Title == "" {
			return fmt.Errorf("%s.approve has no title", place)
		}
	case s.Ask != nil:
		if s.Ask.Title == "" || len(s.Ask.Questions) == 0 {
			return fmt.Errorf("%s.ask needs a title and questions", place)
		}
		seen := map[string]bool{}
		for i, q := range s.Ask.Questions {
			if strings.TrimSpace(q.Question) == "" || seen[q.Question] {
				return fmt.Errorf("%s.ask.questions[%d] has no text, or that of another", place, i)
			}
			seen[q.Question] = true
			for k, o := range q.Options {
				if o.Label == "" {
					return fmt.Errorf("%s.ask.questions[%d].options[%d] has no label", place, i, k)
				}
			}
		}
	}
	return nil
}

// A player plays steps in a Job.
type player struct {
	j       *Job
	answers map[string]string
}

func (p *player) play(steps []step) {
	for _, s := range steps {
		switch {
		case s.Say != nil:
			p.j.Say(p.text(*s.Say))
		case s.Tool != nil && s.Tool.Error != "":
			p.j.CallToolError(s.Tool.Name, raw(s.Tool.Arguments), p.text(s.Tool.Error))
		case s.Tool != nil:
			p.j.CallTool(s.Tool.Name, raw(s.Tool.Arguments), raw(s.Tool.Result))
		case s.Approve != nil:
			if p.j.AskApproval(p.text(s.Approve.Title), p.text(s.Approve.Description)) {
				p.play(s.Approve.approved)
			} else {
				p.play(s.Approve.denied)
			}
		case s.Ask != nil:
			for q, a := range p.j.Ask(p.text(s.Ask.Title), p.text(s.Ask.Description), s.Ask.Questions...) {
				p.answers[q] = a
			}
		case s.Sleep != nil:
			d, _ := time.ParseDuration(*s.Sleep) // checked when it was read
			p.j.Sleep(d)
		case s.Complete != nil:
			p.j.Complete(p.text(*s.Complete))
		case s.Fail != nil:
			p.j.Fail(p.text(*s.Fail))
		case s.Interrupt != nil:
			p.j.Interrupt(p.text(*s.Interrupt))
		}
	}
}

func raw(m json.RawMessage) any {
	if len(m) == 0 {
		return nil
	}
	return m
}

// text fills in ${input} and ${answers.QUESTION}, in one pass: what is filled
// in is not looked at again.
func (p *player) text(s string) string {
	pairs := []string{"${input}", p.j.Input()}
	// Of two questions of which one begins like the other, the longer one counts.
	for _, q := range slices.SortedFunc(maps.Keys(p.answers), func(a, b string) int { return len(b) - len(a) }) {
		pairs = append(pairs, "${answers."+q+"}", p.answers[q])
	}
	return strings.NewReplacer(pairs...).Replace(s)
}
