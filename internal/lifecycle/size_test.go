package lifecycle

import (
	"testing"
	"unsafe"
)

// TestAWaitingJobTakesLittleRoom holds that what is rarely known of an operation
// stands behind pointers: a process keeps a state for each of thousands.
func TestAWaitingJobTakesLittleRoom(t *testing.T) {
	if n := unsafe.Sizeof(State{}); n > 480 {
		t.Errorf("a State has %d bytes", n)
	}
	if n := unsafe.Sizeof(Ask{}); n > 128 {
		t.Errorf("an Ask has %d bytes", n)
	}
	t.Log(unsafe.Sizeof(State{}), unsafe.Sizeof(Ask{}))
}
