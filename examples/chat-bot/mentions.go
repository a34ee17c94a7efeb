package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A mention is what somebody has said to the bot.
type mention struct {
	Channel, TS, Thread, User, Text string
}

// keptFor is how long it is known that a mention was answered: Slack tells for an hour
// what it was not answered.
const keptFor = 24 * time.Hour

// mentions are kept until they are answered, a file for each. It is safe for concurrent
// use, by one process.
type mentions struct {
	dir string
	mu  sync.Mutex
}

const (
	waitsFor = ".open"
	done     = ".done"
)

func (s *mentions) path(m mention, state string) string {
	sum := sha256.Sum256([]byte(m.Channel + "/" + m.TS))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:12])+state)
}

// keep keeps a mention; false if it is known already.
func (s *mentions) keep(m mention) (fresh bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, state := range []string{waitsFor, done} {
		if _, err := os.Stat(s.path(m, state)); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		return false, err
	}
	f, err := os.CreateTemp(s.dir, "new-*") // for its owner alone
	if err != nil {
		return false, err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), s.path(m, waitsFor))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err == nil, err
}

// answered notes that a mention was answered.
func (s *mentions) answered(m mention) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return os.Rename(s.path(m, waitsFor), s.path(m, done))
}

// open returns what was not answered, and forgets what was long ago.
func (s *mentions) open() (out []mention, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(s.dir)
	for _, f := range files {
		path := filepath.Join(s.dir, f.Name())
		switch {
		case strings.HasSuffix(f.Name(), done):
			if i, err := f.Info(); err == nil && time.Since(i.ModTime()) > keptFor {
				_ = os.Remove(path)
			}
		case strings.HasSuffix(f.Name(), waitsFor):
			text, rerr := os.ReadFile(path)
			var m mention
			if rerr == nil {
				rerr = json.Unmarshal(text, &m)
			}
			if rerr != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", path, rerr))
				continue
			}
			out = append(out, m)
		default:
			_ = os.Remove(path) // which a crash has left
		}
	}
	return out, err
}
