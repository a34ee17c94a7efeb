package safetext

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 Jobs", 1: "1 Job", 2: "2 Jobs"} {
		require.Equal(t, want, Count(n, "Job", "Jobs"))
	}
	require.Equal(t, "ab… [cut, 1 more character]", Block("abc", 2))
	require.Equal(t, "a… [cut, 2 more characters]", Block("abc", 1))
}
