package inbox

import (
	"errors"
	"strings"
	"sync"
	"time"
)

// A note is what one person at the desk tells the others about a request.
type note struct {
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

const (
	maxNote  = 2000 // characters
	maxNotes = 100  // of a request
	maxNoted = 2000 // requests
)

// notes are kept in memory, of the latest requests.
type notes struct {
	mu    sync.Mutex
	by    map[string][]note
	order []string
}

func (n *notes) add(ref, by, text string) error {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return errors.New(words["emptyNote"])
	case len([]rune(text)) > maxNote:
		return errors.New(words["longNote"])
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.by == nil {
		n.by = map[string][]note{}
	}
	if len(n.by[ref]) >= maxNotes {
		return errors.New(words["manyNotes"])
	}
	if n.by[ref] == nil {
		n.order = append(n.order, ref)
	}
	n.by[ref] = append(n.by[ref], note{by, time.Now(), text})
	if len(n.order) > maxNoted {
		delete(n.by, n.order[0])
		n.order = n.order[1:]
	}
	return nil
}

func (n *notes) of(ref string) []note {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]note(nil), n.by[ref]...)
}
