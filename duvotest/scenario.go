package duvotest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/duvotool/duvotool/internal/search"
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
	maxDepth    = 20
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
// errors that name the place, such as assignments[0].steps[2]. In say, title,
// description, error, complete, fail and interrupt ${input} stands for the
// message that the Job was started with, and ${answers.QUESTION} for an answer;
// what has no answer stays as it is.
func LoadScenario(r io.Reader) (*Scenario, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxScenario+1))
	if err != nil {
		return nil, fmt.Errorf("duvotest: reading the scenario: %w", err)
	}
	if len(raw) > maxScenario {
		return nil, fmt.Errorf("duvotest: the scenario is larger than %d bytes", maxScenario)
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, errors.New(`duvotest: the scenario is empty; the least is {"assignments": [{"name": "Refunds"}]}`)
	}
	var file struct {
		Assignments []json.RawMessage `json:"assignments"`
	}
	if err := decodeStrictly(raw, &file, "the scenario"); err != nil {
		return nil, fmt.Errorf("duvotest: %w", err)
	}
	if len(file.Assignments) == 0 {
		return nil, errors.New(`duvotest: the scenario has no assignments; the least is {"assignments": [{"name": "Refunds"}]}`)
	}
	s := &Scenario{}
	seen := map[string]bool{}
	for i, raw := range file.Assignments {
		place := fmt.Sprintf("assignments[%d]", i)
		a, err := loadAssignment(raw, place)
		if err != nil {
			return nil, fmt.Errorf("duvotest: %w", err)
		}
		if seen[strings.ToLower(a.ID)] {
			return nil, fmt.Errorf("duvotest: %s: the id %s is used twice (give assignments of one name an id each)", place, a.ID)
		}
		seen[strings.ToLower(a.ID)] = true
		s.assignments = append(s.assignments, a)
	}
	return s, nil
}

func loadAssignment(raw json.RawMessage, place string) (Assignment, error) {
	var w struct {
		ID          string            `json:"id"`
		Name        string            `json:"name"`
		Description string            `json:"description"`
		Folder      string            `json:"folder"`
		Steps       []json.RawMessage `json:"steps"`
	}
	if err := decodeStrictly(raw, &w, place); err != nil {
		return Assignment{}, err
	}
	if strings.TrimSpace(w.Name) == "" {
		return Assignment{}, fmt.Errorf("%s has no name", place)
	}
	if w.ID == "" {
		w.ID = stableUUID("assignment", w.Name)
	}
	a := Assignment{ID: w.ID, Name: w.Name, Description: w.Description, Folder: w.Folder}
	if err := a.check(); err != nil {
		return Assignment{}, fmt.Errorf("%s: %w", place, err)
	}
	steps, err := loadSteps(w.Steps, place+".steps", 0)
	if err != nil {
		return Assignment{}, err
	}
	a.Script = func(j *Job) { (&player{j: j, answers: map[string]string{}}).play(steps) }
	return a, nil
}

// unknownField is how encoding/json begins to tell of a field that a struct lacks;
// the quoted name follows.
const unknownField = "json: unknown field "

// fieldError names the fields that there are, the likeliest first: those of v, or
// where the unknown one is deeper within, those of all that v holds.
func fieldError(raw []byte, quoted string, v any) error {
	name := strings.Trim(quoted, `"`)
	var own map[string]json.RawMessage
	_ = json.Unmarshal(raw, &own)
	_, here := own[name]
	var known []string
	addFields(reflect.TypeOf(v), !here, &known)
	near := search.Near(name, known, 1)
	if len(near) == 0 {
		return fmt.Errorf("there is no field %s; there are %s", quoted, strings.Join(known, ", "))
	}
	known = append(near, slices.DeleteFunc(known, func(k string) bool { return k == near[0] })...)
	return fmt.Errorf("there is no field %s; is it %q? There are %s", quoted, near[0], strings.Join(known, ", "))
}

// addFields adds the names of a type's fields in JSON, and if deep is set of those
// within.
func addFields(t reflect.Type, deep bool, names *[]string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" && !slices.Contains(*names, name) {
			*names = append(*names, name)
		}
	}
	for _, f := range reflect.VisibleFields(t) {
		if deep && f.Tag.Get("json") != "" {
			addFields(f.Type, true, names)
		}
	}
}

// decodeStrictly reads JSON and refuses what v has no field for.
func decodeStrictly(raw []byte, v any, place string) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	var syntax *json.SyntaxError
	switch err := dec.Decode(v); {
	case errors.As(err, &syntax):
		return fmt.Errorf("%s, line %d: %w", place, 1+bytes.Count(raw[:min(int(syntax.Offset), len(raw))], []byte("\n")), err)
	case errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF:
		return fmt.Errorf("%s ends too early: a bracket or a quotation mark is not closed", place)
	case err != nil && strings.HasPrefix(err.Error(), unknownField):
		return fmt.Errorf("%s: %w", place, fieldError(raw, strings.TrimPrefix(err.Error(), unknownField), v))
	case err != nil:
		return fmt.Errorf("%s: %w", place, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return fmt.Errorf("%s goes on after its end", place)
	}
	return nil
}
