package main

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// With -short-names the tools' names leave room for the server's, stay apart where they
// are cut alike, and are called as any other.
func TestShortNames(t *testing.T) {
	says := func(text string) func(*duvotest.Job) { return func(j *duvotest.Job) { j.Complete(text) } }
	const intake = "Supplier invoice intake, validation and approval routing "
	d := duvotest.New(duvotest.WithAssignments(
		duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b01", Name: intake + "(EMEA)", Script: says("of EMEA")},
		duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b02", Name: intake + "(APAC)", Script: says("of APAC")},
		duvotest.Assignment{ID: "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b03", Name: "Refunds", Script: says("refunded")}))
	defer d.Close()
	serveDuvo(t, d, func(*http.Request) {})
	for limit, longest := range map[string]int{"": 63, "63": 63, "40": 40, "24": 24} {
		args := []string{"-poll", "5ms"}
		if limit != "" {
			args = append(args, "-short-names", limit)
		}
		s, _, end := launch(t, nil, args...)
		list, err := s.ListTools(t.Context(), nil)
		require.NoError(t, err)
		names := map[string]string{}
		for _, tool := range list.Tools {
			require.Regexp(t, regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_-]*$`), tool.Name)
			require.LessOrEqual(t, len(tool.Name), longest)
			names[tool.Title] = tool.Name
		}
		require.Len(t, names, 4, "and check_job")
		require.Equal(t, "refunds", names["Refunds"])
		require.Contains(t, call(t, s, names[intake+"(EMEA)"], "x"), "of EMEA")
		require.Contains(t, call(t, s, names[intake+"(APAC)"], "x"), "of APAC")
		require.Zero(t, end())
	}
	var help bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-h"}, io.NopCloser(strings.NewReader("")), closable{&help}, io.Discard, nil))
	require.Contains(t, help.String(), "-short-names N")
}

// closable is a buffer for what is written to stdout.
type closable struct{ io.Writer }

func (closable) Close() error { return nil }
