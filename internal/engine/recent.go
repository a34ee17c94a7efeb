package engine

import (
	"sync"
	"time"
)

// pairs remembers what belongs to which key, the first that was told of each and a
// bounded number of them. Its methods may be called at once.
type pairs struct {
	max int // how many; zero: earlyMax

	mu    sync.Mutex
	of    map[string]string
	order []string
}

// A recent remembers names for a while, a bounded number of them. Its methods
// may be called at once.
type recent struct {
	mu    sync.Mutex
	at    map[string]time.Time
	order []string
}
