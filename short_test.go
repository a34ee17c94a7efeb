package duvotool_test

import "testing"

// long leaves a test out of go test -short.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
}
