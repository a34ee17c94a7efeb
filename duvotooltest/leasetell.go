package duvotooltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/duvotool/duvotool/journal"
)

// An ear listens, and notes what it hears.
type ear struct {
	mu    sync.Mutex
	heard []string
	wrong error
	busy  bool
	ended chan struct{}
	err   error // what Listen returned, once it has ended
}

// listen listens until the context ends. What hears calls the journal, as its users do.
func listen(ctx context.Context, l journal.Leases) *ear {
	e := &ear{ended: make(chan struct{})}
	go func() {
		defer close(e.ended)
		e.err = l.Listen(ctx, func(text string) {
			e.enter(text)
			_, err := l.Get(context.WithoutCancel(ctx), "a")
			e.mu.Lock()
			defer e.mu.Unlock()
			if !errors.Is(err, journal.ErrNoRecord) {
				e.wrong = fmt.Errorf("while a text was heard, getting a record returned %v", err)
			}
			e.busy = false
		})
	}()
	return e
}

func (e *ear) enter(text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.busy {
		e.wrong = errors.New("its Listen told a text before the one before was taken")
	}
	e.busy = true
	e.heard = append(e.heard, text)
}

// has tells whether a text was heard that is like this.
func (e *ear) has(like func(text string) bool) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if slices.ContainsFunc(e.heard, like) {
		return true, e.wrong
	}
	select {
	case <-e.ended:
		return false, fmt.Errorf("its Listen ended with %v", e.err)
	default:
	}
	return false, e.wrong
}

// awake tells texts until the ear hears one: it may be listening not yet.
func (k leaseKit) awake(by journal.Leases, word string, e *ear) error {
	n := 0
	return eventually("a replica that listens hears nothing", func() (bool, error) {
		n++
		if err := by.Tell(k.ctx, fmt.Sprint(word, "-", n)); err != nil {
			return false, fmt.Errorf("telling: %w", err)
		}
		return e.has(func(text string) bool { return strings.HasPrefix(text, word) })
	})
}

func checkTell(k leaseKit) error {
	handles := []journal.Leases{k.handle(), k.handle(), k.handle()}
	if err := handles[0].Tell(k.ctx, "before"); err != nil {
		return fmt.Errorf("telling when nobody listens: %w", err)
	}
	ctx, stop := context.WithCancel(k.ctx)
	var ears []*ear
	for _, h := range handles {
		ears = append(ears, listen(ctx, h))
	}
	err := k.tellAll(handles, ears)
	stop()
	for _, e := range ears {
		<-e.ended
	}
	if err != nil {
		return err
	}
	for _, e := range ears {
		times := map[string]int{}
		for _, text := range e.heard {
			if times[text]++; times[text] > 1 && text != "" {
				return fmt.Errorf("%.20q was told once and heard twice", text)
			}
		}
		if times["before"] > 0 {
			return errors.New("a text is heard that was told before anybody listened")
		}
	}
	return nil
}

// tellAll has each tell texts, until all have heard them.
func (k leaseKit) tellAll(handles []journal.Leases, ears []*ear) error {
	for i, e := range ears {
		if err := k.awake(handles[(i+1)%len(handles)], fmt.Sprint("awake-", i), e); err != nil {
			return err
		}
	}
	for i, h := range handles {
		texts := []string{fmt.Sprint("from ", i), fmt.Sprintf("%d 'quoted' \"twice\" \\ $1 %%s\n\tñ 火 \x01\x7f", i), fmt.Sprint(i, strings.Repeat("ñ", journal.MaxTold/2))[:journal.MaxTold-1]}
		for _, text := range texts {
			if text = strings.ToValidUTF8(text, ""); len(text) > journal.MaxTold {
				return errors.New("too long a text")
			}
			if err := h.Tell(k.ctx, text); err != nil {
				return fmt.Errorf("telling %d bytes: %w", len(text), err)
			}
			for to, e := range ears {
				err := eventually(fmt.Sprintf("replica %d never heard %.20q, which %d told", to, text, i), func() (bool, error) { return e.has(func(heard string) bool { return heard == text }) })
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func checkListenEnds(k leaseKit) error {
	h, other := k.handle(), k.handle()
	cause := errors.New("no longer needed")
	ctx, stop := context.WithCancelCause(k.ctx)
	defer stop(nil)
	e := listen(ctx, h)
	if err := k.awake(other, "awake", e); err != nil {
		return err
	}
	stop(cause)
	<-e.ended
	if err := toldOf(cause, "Listen", e.err); err != nil {
		return err
	}
	e.mu.Lock()
	heard := len(e.heard)
	e.mu.Unlock()
	ctx, stopAgain := context.WithCancel(k.ctx)
	again := listen(ctx, h)
	defer func() { <-again.ended }()
	defer stopAgain()
	if err := k.awake(other, "again", again); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.heard) != heard {
		return errors.New("its Listen told a text after it had returned")
	}
	ended, end := context.WithCancelCause(k.ctx)
	end(cause)
	return toldOf(cause, "Listen", h.Listen(ended, func(string) {}))
}
