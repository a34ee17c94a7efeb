// Package syncbuf is what tests have programs and loggers write to that may still write
// while the test reads.
package syncbuf

import (
	"bytes"
	"sync"
)

// A Buffer keeps what is written to it. Its zero value is ready, and several goroutines
// may use it.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer. It never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns what was written up to now.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
