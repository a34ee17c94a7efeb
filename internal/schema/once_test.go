package schema_test

import (
	"testing"

	"github.com/duvotool/duvotool/internal/schema"
	"github.com/stretchr/testify/require"
)

// An object that says two things under one name is refused, wherever it stands and
// however it is written; the same name in objects beside or within each other is not.
func TestANameThatIsGivenTwice(t *testing.T) {
	s, err := schema.Parse([]byte(`{"type":"object","properties":{"amount":{"type":"integer"},"of":{"type":"object","properties":{"amount":{"type":"integer"},"list":{"type":"array"}}}}}`))
	require.NoError(t, err)
	read := func(text string) (any, string) {
		v, err := s.Read([]byte(text))
		if err != nil {
			return nil, err.Error()
		}
		v = s.Tidy(v, false)
		return v, s.Check(v, "the whole", true)
	}
	for _, text := range []string{
		`{"amount":5,"amount":6}`, `{"amount":5,"of":{},"amount":5}`, `{"amount":5,"\u0061mount":6}`, `{"of":{"amount":1,"amount":2}}`,
		`{"of":{"list":[1,{"x":[],"x":{}}]}}`, "```json\n{\"amount\":5,\"amount\":6}\n```", `"{\"amount\":5,\"amount\":6}"`,
		`{"of":{"list":[[],{"y":{"amount":1},"x":1}, {"x":1,"x":1}]}}`,
	} {
		_, problem := read(text)
		require.Contains(t, problem, "twice in one object", text)
	}
	_, problem := read(`{"of":"{\"amount\":1,\"amount\":2}"}`)
	require.Contains(t, problem, "of: expected an object")
	for _, text := range []string{
		`{"amount":5,"of":{"amount":5}}`, `{"of":{"list":[{"x":1},{"x":1},["x","x"],"x"],"amount":1},"amount":1}`, `{"of":{"list":["of","of","amount"]},"amount":2}`,
	} {
		_, problem := read(text)
		require.Empty(t, problem, text)
	}
}
