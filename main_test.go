package duvotool_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// long leaves a test out of go test -short.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
}
