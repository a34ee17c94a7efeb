package engine

import (
	"sync"
	"time"

	"github.com/duvotool/duvotool/internal/bounded"
)

// pairs remembers what belongs to which key, the first that was told of each and a
// bounded number of them. Its methods may be called at once.
type pairs struct {
	max int // how many; zero: earlyMax

	mu sync.Mutex
	of bounded.Map[string, string]
}

// A recent remembers names for a while, a bounded number of them. Its methods
// may be called at once.
type recent struct {
	mu sync.Mutex
	at bounded.Map[string, time.Time]
}
