package main

import (
	"strings"
	"testing"

	"github.com/duvotool/duvotool/duvotest"
)

// The README's smallest program, against the emulator's demo.
func TestSmallest(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long; it runs without -short")
	}
	s := duvotest.NewServer(duvotest.WithScenario(duvotest.Demo()))
	defer s.Close()
	for _, v := range s.Env() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	main()
	jobs := s.Jobs()
	if len(jobs) != 1 || jobs[0].Status != "completed" || jobs[0].Input != "Where is order 4711?" {
		t.Errorf("the emulator saw %+v", jobs)
	}
}
