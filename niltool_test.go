package duvotool_test

import (
	"encoding/json"
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// A tool that was never found says so, instead of ending the process.
func TestNilTool(t *testing.T) {
	var tool *duvotool.Tool
	for name, call := range map[string]func() error{
		"Run":           func() error { _, err := tool.Run(t.Context(), "x"); return err },
		"Call":          func() error { _, err := tool.Call(t.Context(), "x"); return err },
		"CallArguments": func() error { _, err := tool.CallArguments(t.Context(), json.RawMessage("{}")); return err },
		"Start":         func() error { _, err := tool.Start(t.Context(), "x"); return err },
		"As":            func() error { _, err := duvotool.As[string, string](tool); return err },
		"Typed.Run": func() error {
			_, _, err := new(duvotool.Typed[string, string]).Run(t.Context(), "x")
			return err
		},
	} {
		err := call()
		require.Error(t, err, name)
		require.NotPanics(t, func() { _ = err.Error() })
		if name != "As" {
			require.ErrorIs(t, err, hitl.ErrNoTool, name)
		}
	}
}
