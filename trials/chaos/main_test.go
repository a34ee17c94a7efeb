package main

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	breakJournal = forgetful
	isChild()
	goleak.VerifyTestMain(m)
}
