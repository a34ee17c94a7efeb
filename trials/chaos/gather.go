package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/bolt"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
)

// gather reads what there is to check.
func (h *harness) gather(ctx context.Context) (*evidence, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := &evidence{troubles: h.troubles, seed: h.c.Seed, jobs: h.c.Jobs, journaled: map[string]*outcome.Result{}, unreadable: map[string]error{}, listed: map[string]bool{}}
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
		if err := e.readFiles(h.dir, w); err != nil {
			return nil, err
		}
	}
	if h.c.Replicas > 0 {
		return e, e.readJournal(ctx, h.shared, func(int) bool { return true })
	}
	for w := range min(sharing(h.c.Workers)+1, h.c.Workers) {
		own := func(n int) bool { return n%h.c.Workers == w }
		if w == sharing(h.c.Workers) {
			own = func(n int) bool { return n%h.c.Workers >= w }
			err = e.readJournal(ctx, h.shared, own)
		} else {
			err = e.readDisk(ctx, journalFile(h.dir, w), own)
		}
		if err != nil {
			return nil, fmt.Errorf("journal %d: %w", w, err)
		}
	}
	return e, nil
}

// readFiles reads what a worker has written.
func (e *evidence) readFiles(dir string, w int) error {
	outcomes, err := readLines[delivered](outcomesFile(dir, w))
	if err != nil {
		return err
	}
	decisions, err := readLines[decided](decisionsFile(dir, w))
	if err != nil {
		return err
	}
	events, err := readLines[happened](eventsFile(dir, w))
	if err != nil {
		return err
	}
	e.outcomes, e.decisions, e.events = append(e.outcomes, outcomes...), append(e.decisions, decisions...), append(e.events, events...)
	return e.readAudit(auditFile(dir, w))
}

// readAudit verifies an audit file, and reads which responses it says were about to
// be sent.
func (e *evidence) readAudit(path string) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	data = data[:bytes.LastIndexByte(data, '\n')+1] // what follows is of a killed process
	if _, _, err := audit.Verify(bytes.NewReader(data), 0, ""); err != nil {
		e.badAudits = append(e.badAudits, fmt.Sprintf("%s: %v", filepath.Base(path), err))
	}
	for line := range bytes.Lines(data) {
		var r audit.Record
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		e.audited = append(e.audited, r)
	}
	return nil
}

// readDisk is readJournal for a journal on disk.
func (e *evidence) readDisk(ctx context.Context, path string, own func(n int) bool) error {
	j, err := bolt.Open(path)
	if err != nil {
		return err
	}
	defer j.Close()
	return e.readJournal(ctx, j, own)
}

// readJournal reads what a journal holds of its operations, as a program would that
// calls with their keys again, and cannot reach Duvo.
func (e *evidence) readJournal(ctx context.Context, j journal.Journal, own func(n int) bool) error {
	known, err := catalog(ctx)
	if err != nil {
		return err
	}
	for rec, err := range j.Unfinished(ctx) {
		if err != nil {
			return err
		}
		if strings.HasPrefix(rec.Key, "op-") {
			e.unfinished = append(e.unfinished, rec.Key)
		}
	}
	reg, err := duvotool.Discover(ctx, known, duvotool.WithJournal(j))
	if err != nil {
		return err
	}
	defer reg.Close(ctx)
	for _, i := range reg.Jobs() {
		e.listed[i.Key] = true
	}
	tools := map[string]*duvotool.Tool{}
	for _, t := range reg.All() {
		tools[t.Assignment().Name] = t
	}
	for _, key := range e.keys() {
		n, ok := keyNumber(key)
		if !ok || !own(n) {
			continue
		}
		p := planOf(e.seed, key)
		e.ask(key, func() (*outcome.Result, error) {
			// What has a result is told at once. What has none may wait for another
			// process that could be at it.
			short, cancel := context.WithTimeout(duvotool.WithOperationKey(ctx, key), 2*time.Second)
			defer cancel()
			return tools[assignmentName(p.Assignment)].Run(short, key)
		})
		for _, t := range p.Turns[1:] {
			e.ask(t.Name, func() (*outcome.Result, error) { return reg.Lookup(ctx, t.Name) })
		}
	}
	return nil
}

// ask notes what a journal tells of an operation.
func (e *evidence) ask(name string, f func() (*outcome.Result, error)) {
	if e.forgotten(name) {
		return
	}
	res, err := f()
	if err != nil {
		e.unreadable[name] = err
		return
	}
	e.journaled[name] = res
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
