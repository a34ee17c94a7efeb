package duvotest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// A Scenario is a set of scripted Assignments that was read from JSON.
type Scenario struct{ assignments []Assignment }

// Assignments returns what the scenario holds.
func (s *Scenario) Assignments() []Assignment { return append([]Assignment(nil), s.assignments...) }

// WithScenario adds the Assignments of a scenario.
func WithScenario(s *Scenario) Option {
	return func(c *config) error {
		if s == nil {
			return errors.New("the scenario is nil")
		}
		c.assignments = append(c.assignments, s.assignments...)
		return nil
	}
}

//go:embed demo.json
var demo []byte

// Demo returns the built-in scenario: an online shop whose Assignments handle
// complaints, look up orders, review documents and send newsletters.
func Demo() *Scenario {
	s, err := LoadScenario(bytes.NewReader(demo))
	if err != nil {
		panic("duvotest: the built-in scenario: " + err.Error())
	}
	return s
}

// maxScenario and maxDepth bound what LoadScenario reads.
const (
	maxScenario = 4 << 20
	maxDepth    = 50
)

// LoadScenario reads a scenario of at most 4 MiB:
//
//	{"assignments": [{
//	  "name": "Refunds", "description": "Refunds orders.", "folder": "Support", "id": "<uuid, optional>",
//	  "steps": [
//	    {"say": "Looking at: ${input}"},
//	    {"tool": {"name": "find_order", "arguments": {"id": 7}, "result": {"total": 120}}},
//	    {"approve": {"title": "Refund 120 EUR", "description": "…",
//	      "approved": [{"complete": "Refunded."}], "denied": [{"complete": "Not refunded."}]}},
//	    {"ask": {"title": "Which?", "questions": [{"question": "Size?", "options": [{"label": "S"}, {"label": "M"}]}]}},
//	    {"say": "You chose ${answers.Size?}"},
//	    {"sleep": "2s"},
//	    {"complete": "Done."}
//	  ]}]}
//
// A tool has either a result or an error. The last step may also be "fail" or
// "interrupt"; without one the Job completes. Unknown fields, more than one
// thing in a step, steps after an end and whatever else makes no sense are
// errors; those about a step or an assignment name the place.
func LoadScenario(r io.Reader) (*Scenario, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxScenario+1))
	if err != nil {
		return nil, fmt.Errorf("duvotest: reading the scenario: %w", err)
	}
	if len(raw) > maxScenario {
		return nil, fmt.Errorf("duvotest: the scenario is larger than %d bytes", maxScenario)
	}
	var file struct {
		Assignments []struct {
			ID          string `json:"id"`
			Name        string `json:"name"`
			Description string `json:"description"`
			Folder      string `json:"folder"`
			Steps       []step `json:"steps"`
		} `json:"assignments"`
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		return nil, fmt.Errorf("duvotest: the scenario: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("duvotest: the scenario goes on after its end")
	}
	if len(file.Assignments) == 0 {
		return nil, errors.New("duvotest: the scenario has no assignments")
	}
	s := &Scenario{}
	seen := map[string]bool{}
	for i, a := range file.Assignments {
		place := fmt.Sprintf("assignments[%d]", i)
		if strings.TrimSpace(a.Name) == "" {
			return nil, fmt.Errorf("duvotest: %s has no name", place)
		}
		if a.ID == "" {
			a.ID = stableUUID("assignment", a.Name)
		}
		if err := (&Assignment{ID: a.ID, Name: a.Name, Folder: a.Folder}).check(); err != nil {
			return nil, fmt.Errorf("duvotest: %s: %w", place, err)
		}
		if seen[strings.ToLower(a.ID)] {
			return nil, fmt.Errorf("duvotest: %s: the id %s is used twice (give assignments of one name an id each)", place, a.ID)
		}
		seen[strings.ToLower(a.ID)] = true
		if err := checkSteps(a.Steps, place+".steps", 0); err != nil {
			return nil, fmt.Errorf("duvotest: %w", err)
		}
		steps := a.Steps
		s.assignments = append(s.assignments, Assignment{ID: a.ID, Name: a.Name, Description: a.Description, Folder: a.Folder,
			Script: func(j *Job) { (&player{j: j, answers: map[string]string{}}).play(steps) }})
	}
	return s, nil
}

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
	Title       string `json:"title"`
	Description string `json:"description"`
	Approved    []step `json:"approved"`
	Denied      []step `json:"denied"`
}

type askStep struct {
	Title       string              `json:"title"`
	Description string              `json:"description"`
	Questions   []duvo.QuestionItem `json:"questions"`
}

func checkSteps(steps []step, place string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: steps are nested deeper than %d", place, maxDepth)
	}
	for i, s := range steps {
		if i > 0 && steps[i-1].ends() {
			return fmt.Errorf("%s[%d] comes after the Job's end", place, i)
		}
		if err := s.check(fmt.Sprintf("%s[%d]", place, i), depth); err != nil {
			return err
		}
	}
	return nil
}

// ends tells whether the Job ends with the step.
func (s step) ends() bool { return s.Complete != nil || s.Fail != nil || s.Interrupt != nil }

func (s step) check(place string, depth int) error {
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
		if err := checkSteps(s.Approve.Approved, place+".approve.approved", depth+1); err != nil {
			return err
		}
		return checkSteps(s.Approve.Denied, place+".approve.denied", depth+1)
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
				p.play(s.Approve.Approved)
			} else {
				p.play(s.Approve.Denied)
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
	for q, a := range p.answers {
		pairs = append(pairs, "${answers."+q+"}", a)
	}
	return strings.NewReplacer(pairs...).Replace(s)
}
