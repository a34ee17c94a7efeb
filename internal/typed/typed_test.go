package typed

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/internal/engine"
	"github.com/duvotool/duvotool/internal/offer"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

type order struct {
	Number int8   `json:"number" jsonschema:"description=As on the invoice"`
	Note   string `json:"note,omitempty"`
}

var work = &engine.Work{Assignment: duvo.Assignment{Name: "Refunds"}, Name: "refunds", Settings: engine.Settings{MaxInput: 200}}

func TestMessages(t *testing.T) {
	rendered, err := InputOf(func(o order) (string, error) {
		switch o.Note {
		case "refuse":
			return "", errors.New("not that one")
		case "panic":
			panic("oh")
		}
		return "order " + json.Number(string(rune('0'+o.Number))).String(), nil
	})
	require.NoError(t, err)
	message, err := rendered.Message(work, []byte("```json\n{\"number\": 7, \"note\": null}\n```"))
	require.NoError(t, err)
	require.Equal(t, "order 7", message)

	var bad *outcome.InputError
	for arguments, want := range map[string]string{
		"words": "not JSON", `{}`: "number", `{"number":7,"note":"refuse"}`: "not that one", `{"number":700}`: "number",
		`{"number":7,"note":"` + strings.Repeat("x", 200) + `"}`: "at most 200",
	} {
		_, err := rendered.Message(work, []byte(arguments))
		require.ErrorAs(t, err, &bad, arguments)
		require.Contains(t, bad.Problem, want)
		require.Equal(t, "refunds", bad.Tool)
	}
	_, err = rendered.Message(work, []byte(`{"number":7,"note":"panic"}`))
	require.ErrorIs(t, err, engine.ErrRenderPanic)
	_, err = rendered.FollowUp(work, `{"number":7} and be quick`)
	require.ErrorAs(t, err, &bad)
	require.Contains(t, bad.Problem, "something beside them")

	var text *Input // plain
	message, err = text.Message(work, []byte(`{"input":" do it "}`))
	require.NoError(t, err)
	require.Equal(t, "do it", message)
	message, err = text.FollowUp(work, "now this")
	require.NoError(t, err)
	require.Equal(t, "now this", message)
	for _, message := range []string{" ", strings.Repeat("x", 201), "\xff"} {
		require.ErrorAs(t, Check(work, message), &bad)
	}
}

func TestSchemasAndHints(t *testing.T) {
	in, err := InputOf[order](nil)
	require.NoError(t, err)
	a, err := in.SchemaFor(offer.Neutral)
	require.NoError(t, err)
	a[0] = 'x' // the caller's own
	b, err := in.SchemaFor(offer.Neutral)
	require.NoError(t, err)
	require.True(t, json.Valid(b))
	hint := in.Hint(strings.Repeat("word ", 300))
	require.LessOrEqual(t, utf8.RuneCountInString(hint), offer.MaxDescription)
	require.Contains(t, hint, "… The input is")
	require.Contains(t, hint, "number")

	for _, raw := range []string{`[`, `{"type":"string"}`} {
		_, err := InputSchema(json.RawMessage(raw))
		require.Error(t, err, raw)
	}
	_, err = As[int](in, "refunds")
	require.ErrorContains(t, err, "refunds takes typed.order, not int")
	same, err := As[order](in, "refunds")
	require.NoError(t, err)
	require.Same(t, in, same)
}

func TestAnswers(t *testing.T) {
	out, err := Answers[order](nil, "refunds")
	require.NoError(t, err)
	res := &outcome.Result{JobID: "j", Output: "Done:\n```\n{\"number\": 7}\n```"}
	got, err := Answer[order](out, res)
	require.NoError(t, err)
	require.Equal(t, order{Number: 7}, got)
	require.JSONEq(t, `{"number":7}`, string(res.Data))
	for _, answer := range []string{"no", `{"number":300}`, `{"NUMBER":7}`} {
		var bad *outcome.OutputError
		_, err := Answer[order](out, &outcome.Result{JobID: "j", Output: answer})
		require.ErrorAs(t, err, &bad, answer)
	}
	words, err := Answers[string](nil, "refunds")
	require.NoError(t, err)
	text, err := Answer[string](words, res)
	require.NoError(t, err)
	require.Equal(t, res.Output, text)
	_, err = Answers[int](out, "refunds")
	require.ErrorContains(t, err, "refunds answers typed.order, not int")
}
