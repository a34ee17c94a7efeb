package errtext

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnce(t *testing.T) {
	for text, want := range map[string]string{
		"duvo: duvo: a":                         "duvo: a",
		"duvo: a: duvo: b (duvo: c)":            "duvo: a: b (c)",
		"duvotool: a: duvo: b; duvotool: c":     "duvotool: a: duvo: b; c",
		"duvotool: a: duvo: b: duvo: c":         "duvotool: a: duvo: b: c",
		"duvotool: a\nduvotool: b":              "duvotool: a\nb",
		"duvotool: the tool duvo_search is one": "duvotool: the tool duvo_search is one",
		"":                                      "",
	} {
		require.Equal(t, want, Once(text))
	}
	inner := errors.New("duvo: b")
	err := Errorf("duvo: a: %w", fmt.Errorf("duvo: c: %w", inner))
	require.EqualError(t, err, "duvo: a: c: b")
	require.ErrorIs(t, err, inner)
}
