package main

import (
	"bufio"
	"context"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"
)

// lookAgain is how long at most until the desk is asked again, whatever its events say.
const lookAgain = 30 * time.Second

// events are the desk's, as they come.
type events struct {
	wake chan struct{} // holds one
	over chan error    // holds one
	stop context.CancelFunc
	left chan struct{}
}

func (e *events) close() {
	e.stop()
	<-e.left
}

// changed waits for an event. Where the desk's events cannot be had, it is asked every
// few seconds.
func (d *atDesk) changed(ctx context.Context) error {
	if d.events == nil {
		e, err := d.listen(ctx)
		if err != nil {
			return rest(ctx, max(d.app.poll, 2*time.Second))
		}
		d.events = e
	}
	select {
	case <-d.events.wake:
		return nil
	case <-d.events.over:
		d.events.close()
		d.events = nil
		return rest(ctx, max(d.app.poll, time.Second))
	case <-time.After(lookAgain):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// listen opens the desk's server-sent events.
func (d *atDesk) listen(ctx context.Context) (*events, error) {
	ctx, stop := context.WithCancel(ctx)
	res, err := d.request(ctx, http.MethodGet, "events", nil)
	if err != nil {
		stop()
		return nil, err
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if res.StatusCode != http.StatusOK || kind != "text/event-stream" {
		stop()
		_ = res.Body.Close()
		return nil, fmt.Errorf("the desk has no events: %s", res.Status)
	}
	e := &events{wake: make(chan struct{}, 1), over: make(chan error, 1), stop: stop, left: make(chan struct{})}
	go func() {
		defer close(e.left)
		defer func() { _ = res.Body.Close() }()
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() {
			if !strings.HasPrefix(lines.Text(), "data:") {
				continue
			}
			select {
			case e.wake <- struct{}{}:
			default:
			}
		}
		e.over <- lines.Err()
	}()
	return e, nil
}
