package catalog

import (
	"slices"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/internal/typed"
	"github.com/duvotool/duvotool/outcome"
)

// Settings are what the options say of one tool.
type Settings struct {
	engine.Settings
	Input *typed.Input // nil: plain text
}

// clone is a copy that may be changed.
func (s Settings) clone() Settings {
	stopOn := map[outcome.StopCause]bool{}
	for c := range s.StopOn {
		stopOn[c] = true
	}
	s.StopOn = stopOn
	return s
}

// A Configured is what the options say of those Assignments which a selector picks.
type Configured struct {
	Selector Selector
	Set      func(*Settings) error
}

// Rules are what the options say of the whole catalog.
type Rules struct {
	Tool      Settings // what holds where Configure says nothing
	Configure []Configured
	Keep      []Selector                // none: all
	Accept    func(outcome.Change) bool // nil: everything is offered
	Reserve   map[string]bool           // names that no Assignment gets
	Dialects  []offer.Dialect           // empty: Neutral
	MaxName   int                       // zero: toolname.Max
	Max       int                       // Assignments
}

// Some reports whether what holds for all tools, or is configured for some, is so.
func (r Rules) Some(is func(Settings) bool) bool {
	return is(r.Tool) || slices.ContainsFunc(r.Configure, func(c Configured) bool { return is(c.settings()) })
}

// settings are those that the options set, and no others.
func (c Configured) settings() (s Settings) {
	_ = c.Set(&s) // checked where it was given
	return s
}

// policies are those of the options.
func (r Rules) policies() []hitl.Policy {
	all := []hitl.Policy{r.Tool.Policy}
	for _, c := range r.Configure {
		if p := c.settings().Policy; p != nil {
			all = append(all, p)
		}
	}
	return all
}

// NeedFolders reports whether some selector goes by folders.
func (r Rules) NeedFolders() bool {
	return slices.ContainsFunc(r.Keep, func(s Selector) bool { return s.folders }) ||
		slices.ContainsFunc(r.Configure, func(c Configured) bool { return c.Selector.folders })
}

func (r Rules) keeps(a duvo.Assignment, tree Folders) bool {
	return len(r.Keep) == 0 || slices.ContainsFunc(r.Keep, func(s Selector) bool { return s.match(a, tree) })
}
