package main

import (
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// measure samples what the process uses, while it takes keys.
func (w *worker) measure(stop chan struct{}) {
	f, err := openLines(samplesFile(w.c.Dir, w.c.Worker))
	if err != nil {
		slog.Error("samples", "error", err.Error())
		return
	}
	defer f.close()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if w.enough.Load() {
			return
		}
		if err := f.add(sampleNow(w.c.Life)); err != nil {
			slog.Error("samples", "error", err.Error())
			return
		}
	}
}

func sampleNow(life int) sample {
	s := sample{At: time.Now(), Life: life, Goroutines: runtime.NumGoroutine()}
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	s.Heap = int64(heap[0].Value.Uint64())
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return s // this system does not tell
	}
	defer f.Close()
	text, _ := io.ReadAll(f)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		switch name {
		case "VmRSS":
			s.RSS = kib << 10
		case "RssAnon":
			s.Anonymous = kib << 10
		}
	}
	return s
}
