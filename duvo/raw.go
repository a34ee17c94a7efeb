package duvo

import (
	"encoding/json"
	"strings"
)

// WithRaw keeps what the server sent of each Job, human request and message in
// its Raw, for fields that this package does not know. It takes about as much
// memory again, and a decision is bound to what the other fields tell, not to Raw.
func WithRaw() Option {
	return func(c *config) error { c.raw = true; return nil }
}

// keepRaw fills in the Raw of a Job that was decoded from the answer body.
func (c *Client) keepRaw(j *Job, body []byte) {
	if !c.cfg.raw {
		return
	}
	var w struct {
		Run     json.RawMessage `json:"run"`
		Pending json.RawMessage `json:"pending_human_request"`
	}
	if json.Unmarshal(body, &w) == nil {
		rawJob(j, w.Run, w.Pending)
	}
}

// rawJob fills in the Raw of a Job, and of its request, which stands beside it or
// within.
func rawJob(j *Job, raw, beside json.RawMessage) {
	j.Raw = raw
	if j.Pending == nil {
		return
	}
	var w struct {
		Pending json.RawMessage `json:"pending_human_request"`
	}
	if isNull(beside) && json.Unmarshal(raw, &w) == nil {
		beside = w.Pending
	}
	j.Pending.Raw = beside
}

// keepRawRows is keepRaw for the rows of a page.
func keepRawRows[T any](c *Client, rows []T, body []byte, key string) {
	var w map[string]json.RawMessage
	if !c.cfg.raw || json.Unmarshal(body, &w) != nil {
		return
	}
	list := w[key]
	for name, value := range w {
		if strings.EqualFold(name, key) {
			list = value
		}
	}
	var raws []json.RawMessage
	if json.Unmarshal(list, &raws) != nil || len(raws) != len(rows) {
		return
	}
	for i := range rows {
		switch row := any(&rows[i]).(type) {
		case *Job:
			rawJob(row, raws[i], nil)
		case *Message:
			row.Raw = raws[i]
		}
	}
}
