package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// A lineFile takes lines of JSON, each synced before add returns unless it is lazy: a
// line then outlives the process, and not the machine's power. Its methods may be
// called at once.
type lineFile struct {
	lazy bool
	mu   sync.Mutex
	f    *os.File
}

// openLines opens a file to add to. A last line that a killed process left
// unfinished is taken off.
func openLines(path string) (*lineFile, error) {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if whole := bytes.LastIndexByte(old, '\n') + 1; whole < len(old) {
		if err := f.Truncate(int64(whole)); err != nil {
			_ = f.Close()
			return nil, err
		}
	}
	return &lineFile{f: f}, nil
}

func (l *lineFile) add(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.f.Write(append(line, '\n')); err != nil {
		return err
	}
	if l.lazy {
		return nil
	}
	return l.f.Sync()
}

func (l *lineFile) close() error { return l.f.Close() }

// readLines reads what add has written; a file that is not there has no lines.
func readLines[T any](path string) ([]T, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []T
	for n := 1; len(data) > 0; n++ {
		line, rest, whole := bytes.Cut(data, []byte{'\n'})
		if !whole {
			break // of a killed process
		}
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		out, data = append(out, v), rest
	}
	return out, nil
}
