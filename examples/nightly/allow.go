package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
)

// window is the time within which the limit holds.
const window = 24 * time.Hour

// An allowance approves small refunds, up to a number of them, and leaves all else to
// people. What it approves it writes down first, so that neither a crash nor a second run
// begins to count anew. It is a [hitl.Policy].
type allowance struct {
	assignment  string
	upTo, limit int

	mu    sync.Mutex
	file  *os.File
	given []given
}

// A given approval.
type given struct {
	Request string    `json:"request"` // its ID: asked again about it, it counts once
	Title   string    `json:"title"`
	At      time.Time `json:"at"`
}

func openAllowance(path, assignment string, upTo, limit int) (*allowance, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	a := &allowance{assignment: assignment, upTo: upTo, limit: limit, file: f}
	text, err := io.ReadAll(f)
	// What a crash has left of a line was not approved yet.
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	for l := range bytes.Lines(whole) {
		var g given
		if bad := json.Unmarshal(l, &g); bad != nil {
			err = errors.Join(err, fmt.Errorf("%s is damaged: %w", path, bad))
			break
		}
		a.given = append(a.given, g)
	}
	if err == nil {
		_, err = f.Seek(int64(len(whole)), io.SeekStart)
	}
	if err == nil {
		err = f.Truncate(int64(len(whole)))
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return a, nil
}

func (a *allowance) Close() error { return a.file.Close() }

func (a *allowance) String() string {
	return fmt.Sprintf("refunds of up to %d EUR, %d in %v", a.upTo, a.limit, window)
}

// Decide approves what it covers while there is room. An approval that cannot be written
// down is not given.
func (a *allowance) Decide(_ context.Context, r hitl.Request) (hitl.Decision, error) {
	if !a.covers(r) {
		return hitl.Suspend(), nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	n, before := a.count(r.ID, time.Now())
	if !before {
		if n >= a.limit {
			return hitl.Suspend(), nil
		}
		g := given{r.ID, r.Title, time.Now()}
		text, err := json.Marshal(g)
		if err == nil {
			_, err = a.file.Write(append(text, '\n'))
		}
		if err = errors.Join(err, a.file.Sync()); err != nil {
			return hitl.Decision{}, fmt.Errorf("the approval cannot be written down: %w", err)
		}
		a.given = append(a.given, g)
		n++
	}
	return hitl.Approve("nightly allowlist", fmt.Sprintf("up to %d EUR; %d of %d", a.upTo, n, a.limit)), nil
}

// covers reports whether a request asks for exactly what its line says, and that is small
// enough. The input is ours; the title is what the Job's worker says it is about to do.
func (a *allowance) covers(r hitl.Request) bool {
	m := refunds.FindStringSubmatch(r.Input)
	if m == nil || r.Kind != duvo.Approval || r.Title != r.Input || r.FollowUp != "" || !strings.EqualFold(r.Assignment.ID, a.assignment) {
		return false
	}
	euros, err := strconv.Atoi(m[1])
	return err == nil && euros <= a.upTo
}

// count tells how many were approved lately, and whether this one was, ever.
func (a *allowance) count(request string, now time.Time) (n int, before bool) {
	for _, g := range a.given {
		before = before || g.Request == request
		if now.Sub(g.At) < window {
			n++
		}
	}
	return n, before
}
