package duvotool_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/health"
	"github.com/stretchr/testify/require"
)

// TestTheRunbookIsTrue: each line of the log and each field of Health that
// docs/operations.md names is there.
func TestTheRunbookIsTrue(t *testing.T) {
	page, err := os.ReadFile("docs/operations.md")
	require.NoError(t, err)
	var source strings.Builder
	for _, dir := range []string{"internal/discovery", "internal/engine", "internal/lifecycle", "internal/webhook", "health", "."} {
		err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() && name != dir {
				return fs.SkipDir
			}
			if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
				text, err := os.ReadFile(name)
				source.Write(text)
				return err
			}
			return nil
		})
		require.NoError(t, err)
	}
	lines, fields := 0, 0
	for _, m := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(string(page), -1) {
		code := m[1]
		if text, ok := strings.CutPrefix(code, "duvotool: "); ok {
			lines++
			require.True(t, strings.Contains(source.String(), text), "no line of the log says %q", code)
		}
		if name, field, ok := strings.Cut(code, "."); ok {
			part, known := reflect.TypeFor[health.Report]().FieldByName(name)
			if !known {
				continue
			}
			fields++
			_, known = part.Type.FieldByName(field)
			require.True(t, known, "Health has no %s", code)
		}
	}
	require.Greater(t, lines, 12)
	requireTroubleIsExplained(t, string(page), source.String())
	require.Greater(t, fields, 15)
	for _, m := range regexp.MustCompile("(?:unready|liveness): `([^`]+)`").FindAllStringSubmatch(string(page), -1) {
		said := strings.NewReplacer("the journal does not answer", "does not answer").Replace(m[1])
		require.True(t, strings.Contains(source.String(), said), "no probe says %q", m[1])
	}
}

// requireTroubleIsExplained holds that each line at level error stands on the page, and
// so does what the lifecycle tells as trouble, which are such lines too.
func requireTroubleIsExplained(t *testing.T, page, source string) {
	t.Helper()
	troubles := 0
	for _, m := range regexp.MustCompile(`(?:\.Error\("duvotool: |NoticeTrouble, Text: "|failedAttempt\(")([^";]+)`).FindAllStringSubmatch(source, -1) {
		troubles++
		require.Contains(t, page, "`duvotool: "+m[1], "the page does not explain the line %q", m[1])
	}
	require.Greater(t, troubles, 15)
}
