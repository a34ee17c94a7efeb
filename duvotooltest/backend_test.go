package duvotooltest_test

import (
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/duvotooltest"
)

// The client over REST is a backend as every other must be.
func TestBackendOverREST(t *testing.T) {
	duvotooltest.TestBackend(t, func(_ *testing.T, d *duvotest.Duvo) duvotool.Backend { return d.Client() })
}
