// Package attended drives the examples at a terminal, as a person would, for
// their tests.
package attended

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// asProgram has a test's own program be the example that it tests: that takes less time
// than to build it once more.
const asProgram = "DUVOTOOL_TEST_AS_PROGRAM"

// Main is for TestMain: where the test's program was started as the example it runs that,
// and else the tests.
func Main(program, tests func()) {
	if os.Getenv(asProgram) != "" {
		program()
		os.Exit(0)
	}
	tests()
}

// Program is the path of the example, whose TestMain calls [Main].
func Program(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	require.NoError(t, err)
	return path
}
