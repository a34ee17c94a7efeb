package slack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/duvotool/duvotool/hitl"
)

// A Post is a message about a request, from before it is sent until the outcome of
// the Job was told below it.
type Post struct {
	ID      string       `json:"id"` // of the request and its text; safe as a file's name
	Request hitl.Request `json:"request"`
	To      string       `json:"to"`                // what Config.To told
	Channel string       `json:"channel,omitempty"` // where the message is
	TS      string       `json:"ts,omitempty"`      // the message, in its channel
	Stage   Stage        `json:"stage"`
	Ending  string       `json:"ending,omitempty"` // who has decided what, once that is known
	Sent    bool         `json:"sent,omitempty"`   // what this stage sends may have been sent already
}

// A Stage is how far a [Post] has come.
type Stage string

// The stages, in their order.
const (
	Posting  Stage = "posting"  // the message is to be sent
	Open     Stage = "open"     // it is there, and waits for people
	Settling Stage = "settling" // its buttons are to be taken away
	Settled  Stage = "settled"  // it tells who has decided; the outcome is not known yet
	Telling  Stage = "telling"  // the outcome is to be told
)

// A Store keeps posts over a restart. It is called by one goroutine at a time.
type Store interface {
	// Put keeps a post, in the place of one with the same ID.
	Put(context.Context, Post) error
	// Delete forgets a post. One that is not there is no error.
	Delete(ctx context.Context, id string) error
	// All returns what is kept, in any order.
	All(context.Context) ([]Post, error)
}

// idOf names a request with its text.
func idOf(r hitl.Request) string { return idFor(r.JobID, r.ID, r.Digest()) }

func idFor(job, request, digest string) string {
	h := sha256.New()
	for _, s := range []string{strings.ToLower(job), strings.ToLower(request), digest} {
		fmt.Fprintf(h, "%d:%s", len(s), s)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// forgetful is the store of an app that has none.
type forgetful struct{}

func (forgetful) Put(context.Context, Post) error      { return nil }
func (forgetful) Delete(context.Context, string) error { return nil }
func (forgetful) All(context.Context) ([]Post, error)  { return nil, nil }

// Dir is a [Store] that keeps a file for each post in a folder, which is made when it
// is needed. The files hold the texts of requests, and only their owner can read
// them. One App uses a folder at a time.
func Dir(path string) Store { return dir(path) }

type dir string

const postSuffix = ".post.json"

func (d dir) Put(_ context.Context, p Post) error {
	raw, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(string(d), "new-*") // for its owner alone
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), d.file(p.ID))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

func (d dir) file(id string) string { return filepath.Join(string(d), filepath.Base(id)+postSuffix) }

func (d dir) Delete(_ context.Context, id string) error {
	if err := os.Remove(d.file(id)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d dir) All(context.Context) ([]Post, error) {
	names, err := os.ReadDir(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Post
	for _, n := range names {
		name := filepath.Join(string(d), n.Name())
		if !strings.HasSuffix(name, postSuffix) {
			continue
		}
		raw, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var p Post
		if err := json.Unmarshal(raw, &p); err != nil || p.ID == "" {
			return nil, fmt.Errorf("slack: %s holds no post: %w", name, errors.Join(err, errDamaged))
		}
		out = append(out, p)
	}
	return out, nil
}

var errDamaged = errors.New("the file is damaged; remove it, and what waits is looked for in Slack")
