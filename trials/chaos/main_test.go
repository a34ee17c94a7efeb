package main

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	breakJournal = forgetful
	isChild()
	flag.Parse()
	_ = flag.Set("test.parallel", "4") // they wait, for processes and for Duvo, most of the time
	goleak.VerifyTestMain(m)
}
