package inbox

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/internal/bounded"
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
	mu sync.Mutex
	by bounded.Map[string, []note] // by ref
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
	before, _ := n.by.Get(ref)
	if len(before) >= maxNotes {
		return errors.New(words["manyNotes"])
	}
	n.by.Set(ref, append(before, note{by, time.Now(), text}), maxNoted)
	return nil
}

func (n *notes) of(ref string) []note {
	n.mu.Lock()
	defer n.mu.Unlock()
	all, _ := n.by.Get(ref)
	return slices.Clone(all)
}
