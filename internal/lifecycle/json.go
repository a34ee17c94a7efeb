package lifecycle

import (
	"encoding/json"
	"fmt"
)

// UnmarshalJSON reads what encoding/json has written of a State. A host that keeps
// states outside of its memory does so: what Step makes of a state that was written
// and read again is what it makes of the state itself. The form may change from one
// release to the next only as that of records does: fields are added.
func (s *State) UnmarshalJSON(text []byte) error {
	type plain State
	if err := json.Unmarshal(text, (*plain)(s)); err != nil {
		return fmt.Errorf("lifecycle: a state: %w", err)
	}
	l := &s.Live
	if l.Options == nil {
		return fmt.Errorf("lifecycle: a state without options")
	}
	if l.Passing == nil || l.Passing.isNothing() {
		l.Passing = &l.Options.nothing
	}
	return nil
}
