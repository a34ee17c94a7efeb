package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/duvotool/duvotool/duvotest"
)

// A loop is what Duvo's guide shows, in Go, with the request read where the
// published description has it: start, poll every 5 s, respond, page.
type loop struct {
	http *http.Client
	url  string // with /v2
	key  string
	team string
}

func newLoop(d *duvotest.Duvo) *loop {
	return &loop{http: d.HTTPClient(), url: duvotest.MemoryURL + "/v2", key: d.Key(), team: d.TeamID()}
}

func (l *loop) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, l.url+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+l.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := l.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// job runs a Job to its end and returns what it said last, with its ID.
func (l *loop) job(ctx context.Context, assignment, message string, poll time.Duration) (id, output string, err error) {
	var started struct {
		Run struct {
			ID     string `json:"id"`
			Status string `json:"status"`
		} `json:"run"`
		Pending *struct {
			ID string `json:"id"`
		} `json:"pending_human_request"`
	}
	if err := l.call(ctx, "POST", "/teams/"+l.team+"/runs", map[string]string{"agent_id": assignment, "message": message}, &started); err != nil {
		return "", "", err
	}
	id = started.Run.ID
	for {
		time.Sleep(poll)
		state := started
		state.Pending = nil
		if err := l.call(ctx, "GET", "/runs/"+id, nil, &state); err != nil {
			return id, "", err
		}
		if state.Pending != nil {
			var any struct{}
			if err := l.call(ctx, "POST", "/runs/"+id+"/human-requests/"+state.Pending.ID+"/respond", map[string]bool{"approved": true}, &any); err != nil {
				return id, "", err
			}
			continue
		}
		if s := state.Run.Status; s == "completed" || s == "failed" || s == "stopped" || s == "interrupted" {
			break
		}
	}
	for offset := 0; ; {
		var page struct {
			Messages []struct {
				Role string `json:"role"`
				Text string `json:"text_content"`
			} `json:"messages"`
			Total int `json:"total"`
		}
		if err := l.call(ctx, "GET", fmt.Sprintf("/runs/%s/messages?limit=50&offset=%d", id, offset), nil, &page); err != nil {
			return id, "", err
		}
		for _, m := range page.Messages {
			if m.Role == "assistant" && m.Text != "" {
				output = m.Text
			}
		}
		if offset += len(page.Messages); offset >= page.Total || len(page.Messages) == 0 {
			return id, output, nil
		}
	}
}
