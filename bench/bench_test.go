package main

import (
	"cmp"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A making is one run of the figures, at full size for the command or small
// enough for a test.
type making struct {
	t    *testing.T
	out  *os.File // nil: only the bounds are checked
	full bool
	jobs int // zero: as many as the figure is about
}

// many is the number of Jobs of a figure.
func (r *making) many(full, small int) int {
	switch {
	case r.jobs > 0:
		return r.jobs
	case r.full:
		return full
	}
	return small
}

func (r *making) print(f figure) {
	r.t.Helper()
	line, err := json.Marshal(f)
	require.NoError(r.t, err)
	r.t.Log(string(line))
	if r.out != nil {
		_, err = r.out.Write(append(line, '\n'))
		require.NoError(r.t, err)
	}
}

// Figures that the whole table is made of. Each checks its bounds, but for what
// a clock or a noisy machine would decide.
var benches = []struct {
	name  string
	do    func(*making)
	small bool // also in a plain go test
	long  bool // but not with -short
}{
	{"requests", benchRequests, true, true},
	{"steady", benchSteady, true, true},
	{"webhooks", benchWebhooks, true, true},
	{"memory", benchMemory, true, false},
	{"cpu", benchCPU, false, false},
	{"discovery", benchDiscovery, true, false},
	{"scale", benchScale, false, false},
	{"outage", benchOutage, true, false},
	{"replicas", benchReplicas, true, true},
}

func TestFigures(t *testing.T) {
	path, full := os.LookupEnv(envOut)
	var out *os.File
	if full {
		var err error
		out, err = os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		defer out.Close()
	}
	jobs, _ := strconv.Atoi(os.Getenv(envJobs))
	for _, b := range benches {
		if !strings.HasPrefix(b.name, os.Getenv(envOnly)) || !full && !b.small {
			continue
		}
		t.Run(b.name, func(t *testing.T) {
			if b.long && testing.Short() {
				t.Skip("it takes long; it runs without -short")
			}
			b.do(&making{t, out, full, jobs})
		})
	}
}

// quantile returns the value below which a part q of all lies.
func quantile[T cmp.Ordered](all []T, q float64) T {
	s := slices.Sorted(slices.Values(all))
	if len(s) == 0 {
		var none T
		return none
	}
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

// times collects durations, from any goroutine.
type times struct {
	mu  sync.Mutex
	all []time.Duration
}

func (t *times) add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.all = append(t.all, d)
}

func (t *times) quantile(q float64) float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return quantile(t.all, q).Seconds()
}

func (t *times) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.all)
}
