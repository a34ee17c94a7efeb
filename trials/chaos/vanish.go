package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/outcome"
)

// vanishedAfter is how long an operation may be neither listed nor told to be over
// before it counts as given up silently: the observer is told a moment later.
const vanishedAfter = 10 * time.Second

// A tracker follows, by what an observer is told, which operations a registry has
// in hand. Each must be listed until it was told to be over. Its methods may be
// called at once.
type tracker struct {
	happened func(happened)
	replica  bool // others work on the same operations, and may end them

	mu       sync.Mutex
	under    map[string]outcome.Event // under way by the last event, by key
	unlisted map[string]time.Time     // since when
}

func newTracker(f func(happened)) *tracker {
	return &tracker{happened: f, under: map[string]outcome.Event{}, unlisted: map[string]time.Time{}}
}

func (t *tracker) observe(e outcome.Event) {
	if e.Key == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e.Kind {
	case outcome.EventFinished, outcome.EventParked:
		delete(t.under, e.Key)
		if e.Kind == outcome.EventParked && e.Err == nil {
			t.happened(happened{Kind: wrongSilent, Key: e.Key, JobID: e.JobID, Text: "it was parked, and nobody told why"})
		}
	default:
		t.under[e.Key] = e
	}
}

// look holds what is under way against what the registry lists.
func (t *tracker) look(reg *duvotool.Registry) {
	listed := map[string]bool{}
	for _, i := range reg.Jobs() {
		listed[i.Key] = true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for key := range t.unlisted {
		if _, under := t.under[key]; listed[key] || !under {
			delete(t.unlisted, key)
		}
	}
	for key, e := range t.under {
		switch since, before := t.unlisted[key]; {
		case listed[key]:
		case !before:
			t.unlisted[key] = now
		case t.replica && now.Sub(since) > vanishedAfter:
			t.happened(happened{Kind: vanished, Key: key, JobID: e.JobID, Text: string(e.Kind), From: since})
			delete(t.under, key)
		case now.Sub(since) > vanishedAfter:
			t.happened(happened{Kind: wrongSilent, Key: key, JobID: e.JobID, Text: fmt.Sprintf("it is not listed any more, and the last that was told of it is %s", e.Kind)})
			delete(t.under, key)
		}
	}
}

// closed tells what was not told to be over when Close has returned.
func (t *tracker) closed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.replica {
		return // others have it in hand, or had
	}
	for key, e := range t.under {
		t.happened(happened{Kind: wrongSilent, Key: key, JobID: e.JobID, Text: fmt.Sprintf("Close has returned, and the last that was told of it is %s", e.Kind)})
	}
}
