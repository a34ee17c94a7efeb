package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// gather reads what there is to check.
func (h *harness) gather(ctx context.Context) (*evidence, error) {
	e := &evidence{seed: h.c.Seed, jobs: h.c.Jobs}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.where.URL+recordsPath, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&e.saw); err != nil {
		return nil, fmt.Errorf("the emulator's records: %w", err)
	}
	for w := range h.c.Workers {
		outcomes, err := readLines[delivered](outcomesFile(h.dir, w))
		if err != nil {
			return nil, err
		}
		decisions, err := readLines[decided](decisionsFile(h.dir, w))
		if err != nil {
			return nil, err
		}
		e.outcomes = append(e.outcomes, outcomes...)
		e.decisions = append(e.decisions, decisions...)
	}
	keys := e.keys()
	for w := range h.c.Workers {
		var own []string
		for _, key := range keys {
			if n, ok := keyNumber(key); ok && n%h.c.Workers == w && !e.forgotten(key) {
				own = append(own, key)
			}
		}
		if err := e.readJournal(ctx, journalFile(h.dir, w), own); err != nil {
			return nil, fmt.Errorf("journal %d: %w", w, err)
		}
	}
	return e, nil
}

// soakFigures sums up the samples of a soak; nil for another run.
func (h *harness) soakFigures() (*soakFigures, error) {
	if h.c.Jobs > 0 {
		return nil, nil
	}
	out := &soakFigures{}
	for w := range h.c.Workers {
		samples, err := readLines[sample](samplesFile(h.dir, w))
		if err != nil {
			return nil, err
		}
		out.add(samples)
	}
	if len(out.Workers) == 0 {
		return nil, errors.New("no worker lived long enough to be measured")
	}
	return out, nil
}
