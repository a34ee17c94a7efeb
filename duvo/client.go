package duvo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/internal/jsonkeys"
)

// A Client calls the API for one key. It is safe for concurrent use. Make one
// with [New] or [FromEnv].
type Client struct {
	cfg  config
	base *url.URL
	http *http.Client
	pace pacer

	fingerprint struct { // neither the base URL nor the key ever changes
		sync.Once
		text string
	}

	// What carries uploads: to the API's own origin, and to any other.
	near, far *http.Client

	team struct {
		turn chan struct{} // holds one: who takes it may look up the team, and touch id
		id   string        // empty until known
	}
}

// String names the client without its key.
func (c *Client) String() string {
	if c == nil || c.base == nil {
		return "duvo.Client(none)"
	}
	return "duvo.Client(" + c.base.Host + ")"
}

// GoString is as String.
func (c *Client) GoString() string { return c.String() }

// Format keeps the key out of every verb.
func (c *Client) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.String()) }

// BaseURL returns where the API is, without /v2.
func (c *Client) BaseURL() string { return c.base.String() }

// Timeout returns the bound of one attempt; see [WithTimeout].
func (c *Client) Timeout() time.Duration { return c.cfg.timeout }

// CloseIdleConnections closes connections that are kept for later requests.
func (c *Client) CloseIdleConnections() {
	c.http.CloseIdleConnections()
	c.far.CloseIdleConnections()
}

// Assignments lists the team's Assignments, with their latest Builds. Ranging
// again asks again; an error ends the list.
func (c *Client) Assignments(ctx context.Context) iter.Seq2[Assignment, error] {
	return func(yield func(Assignment, error) bool) {
		path, err := c.teamPath(ctx, "/agents")
		if err != nil {
			yield(Assignment{}, err)
			return
		}
		list[Assignment]{c: c, op: "listAgents", path: path, key: "agents", size: 100, ahead: pagesAhead,
			id: func(a Assignment) string { return a.ID }}.all(ctx, yield)
	}
}

// Assignment reads one Assignment. Its LatestBuild is nil: this endpoint does
// not tell it.
func (c *Client) Assignment(ctx context.Context, id string) (Assignment, error) {
	if err := checkID("Assignment", id); err != nil {
		return Assignment{}, err
	}
	body, err := c.do(ctx, call{op: "getAgent", method: http.MethodGet, path: "/v2/agents/" + id})
	if err != nil {
		return Assignment{}, err
	}
	a, err := decodeField[Assignment](body, "agent")
	if err != nil {
		return Assignment{}, badBody("getAgent", err, false)
	}
	return a, nil
}

// Folders lists the team's folders of Assignments. They form a tree.
func (c *Client) Folders(ctx context.Context) ([]Folder, error) {
	path, err := c.teamPath(ctx, "/agent-folders")
	if err != nil {
		return nil, err
	}
	body, err := c.do(ctx, call{op: "listAgentFolders", method: http.MethodGet, path: path})
	if err != nil {
		return nil, err
	}
	folders, _, err := decodeList[Folder](body, "folders")
	if err == nil && twoFaced(folders, func(f Folder) string { return f.ID }) {
		err = errTwoFaced
	}
	if err != nil {
		return nil, badBody("listAgentFolders", err, false)
	}
	return folders, nil
}

// StartJob starts a Job and returns at once, with the Job not yet running. An
// error for which [MayHaveTakenEffect] is true may have started one; calling
// again with the same IdempotencyKey and fields starts no second one on a
// server that honours the key, which Duvo documents but does not declare.
func (c *Client) StartJob(ctx context.Context, s StartJob) (Job, error) {
	const op = "startRun"
	if err := checkID("Assignment", s.AssignmentID); err != nil {
		return Job{}, noEffect(err)
	}
	path, err := c.teamPath(ctx, "/runs")
	if err != nil {
		return Job{}, noEffect(err)
	}
	var j Job
	_, err = c.do(ctx, call{op: op, method: http.MethodPost, path: path, key: s.IdempotencyKey,
		body: startBody{s.AssignmentID, s.Message, s.SandboxID, s.WebhookURL}, decode: func(body []byte) (err error) {
			if j, err = decodeRun(body); err == nil {
				c.keepRaw(&j, body)
			}
			return err
		}})
	if err != nil {
		return Job{}, err
	}
	if checkID("Job", j.ID) != nil {
		return Job{}, badBody(op, errors.New("the Job's ID is none"), true)
	}
	return j, nil
}

type startBody struct {
	AssignmentID string `json:"agent_id"`
	Message      string `json:"message,omitempty"`
	SandboxID    string `json:"sandbox_id,omitempty"`
	WebhookURL   string `json:"webhook_url,omitempty"`
}

// Job reads a Job and the human request it waits for. A Job that no longer
// exists is [ErrNotFound].
func (c *Client) Job(ctx context.Context, id string) (Job, error) {
	const op = "getRun"
	if err := checkID("Job", id); err != nil {
		return Job{}, err
	}
	var j Job
	_, err := c.do(ctx, call{op: op, method: http.MethodGet, path: "/v2/runs/" + id, decode: func(body []byte) (err error) {
		if j, err = decodeRun(body); err == nil {
			c.keepRaw(&j, body)
		}
		return err
	}})
	switch {
	case errors.Is(err, errNullRun):
		return Job{}, &APIError{Operation: op, Status: http.StatusOK, Code: "null_run",
			Message: "the Job no longer exists", kind: ErrNotFound}
	case err != nil:
		return Job{}, err
	case !strings.EqualFold(j.ID, id):
		return Job{}, badBody(op, fmt.Errorf("asked for Job %s, was told of another", id), false)
	}
	return j, nil
}

// Jobs lists Jobs of the team. A row may be older than what [Client.Job]
// tells, and never holds a pending request.
func (c *Client) Jobs(ctx context.Context, f JobFilter) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		l, err := c.jobList(ctx, f)
		if err != nil {
			yield(Job{}, err)
			return
		}
		l.all(ctx, yield)
	}
}

// JobPage reads one page of what [Client.Jobs] lists: at most PageSize rows from
// Offset on, by one request.
func (c *Client) JobPage(ctx context.Context, f JobFilter) (JobPage, error) {
	l, err := c.jobList(ctx, f)
	if err != nil {
		return JobPage{}, err
	}
	rows, total, err := l.page(ctx, l.offset)
	if err != nil {
		return JobPage{}, err
	}
	return JobPage{Jobs: rows, Total: total}, nil
}

func (c *Client) jobList(ctx context.Context, f JobFilter) (list[Job], error) {
	q := url.Values{}
	set := func(k, v string) {
		if v != "" {
			q.Set(k, v)
		}
	}
	set("status", string(f.Status))
	set("agent_id", f.AssignmentID)
	set("search", f.Search)
	set("source", f.Source)
	if !f.Since.IsZero() {
		q.Set("since", f.Since.UTC().Format(time.RFC3339Nano))
	}
	if f.OldestFirst {
		q.Set("sort_order", "asc")
	}
	size := f.PageSize
	if size == 0 {
		size = 100
	}
	if size < 1 || size > 100 || f.Offset < 0 {
		return list[Job]{}, fmt.Errorf("%w: page size %d, offset %d", ErrInvalid, f.PageSize, f.Offset)
	}
	path, err := c.teamPath(ctx, "/runs")
	if err != nil {
		return list[Job]{}, err
	}
	return list[Job]{c: c, op: "listRuns", path: path, key: "data", query: q, offset: f.Offset, size: size,
		id: func(j Job) string { return j.ID }}, nil
}

// Messages lists a Job's messages, oldest first, to the last page.
func (c *Client) Messages(ctx context.Context, jobID string) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		if err := checkID("Job", jobID); err != nil {
			yield(Message{}, err)
			return
		}
		list[Message]{c: c, op: "listRunMessages", path: "/v2/runs/" + jobID + "/messages", key: "messages", size: 50,
			brief: func(m Message) string { return m.ID },
			id: func(m Message) string {
				if m.ID == "" {
					return ""
				}
				return strings.Join([]string{m.ID, m.Type, m.Role, m.Text}, "\x00")
			}}.all(ctx, yield)
	}
}

// Respond answers a human request. The server takes it only while the Job is
// waiting and need not check that this very request is the one it waits for:
// read the Job just before. An error for which [MayHaveTakenEffect] is true
// may have answered it.
func (c *Client) Respond(ctx context.Context, r Response) error {
	if err := checkID("Job", r.JobID); err != nil {
		return noEffect(err)
	}
	if err := checkID("request", r.RequestID); err != nil {
		return noEffect(err)
	}
	if (r.Approved == nil) == (len(r.Answers) == 0) {
		return noEffect(fmt.Errorf("%w: a response has either Approved or Answers", ErrInvalid))
	}
	_, err := c.do(ctx, call{op: "respondToHumanRequest", method: http.MethodPost, key: r.IdempotencyKey,
		path: "/v2/runs/" + r.JobID + "/human-requests/" + r.RequestID + "/respond",
		body: respondBody{r.Approved, r.Answers}, bare: true, decode: func(body []byte) error { return checkResponded(body, r) }})
	return err
}

// checkResponded refuses an answer that tells of another request than the one
// that was responded to, or of two. What tells of none is a success as well.
func checkResponded(body []byte, r Response) error {
	if !json.Valid(body) {
		return errors.New("not JSON")
	}
	if err := jsonkeys.Check(body, jsonkeys.Shape{"human_request": nil}); err != nil {
		return err
	}
	var w struct {
		Request struct {
			ID    loose[string] `json:"id"`
			JobID loose[string] `json:"run_id"`
		} `json:"human_request"`
	}
	if json.Unmarshal(body, &w) != nil {
		return nil
	}
	if q := w.Request; q.ID.v != "" && !strings.EqualFold(q.ID.v, r.RequestID) || q.JobID.v != "" && !strings.EqualFold(q.JobID.v, r.JobID) {
		return errors.New("it is about another request")
	}
	return nil
}

type respondBody struct {
	Approved *bool             `json:"approved,omitempty"`
	Answers  map[string]string `json:"answers,omitempty"`
}

// PostMessage posts a message to a Job. It resumes a Job that is waiting,
// completed or interrupted: on a waiting one it walks past the human request.
// Read the Job just before, and post only to one that is completed or
// interrupted.
func (c *Client) PostMessage(ctx context.Context, jobID, text, idempotencyKey string) (Message, error) {
	const op = "postRunMessage"
	if err := checkID("Job", jobID); err != nil {
		return Message{}, noEffect(err)
	}
	if text == "" {
		return Message{}, noEffect(fmt.Errorf("%w: the message is empty", ErrInvalid))
	}
	body, err := c.do(ctx, call{op: op, method: http.MethodPost, key: idempotencyKey,
		path: "/v2/runs/" + jobID + "/messages",
		body: struct {
			Message string `json:"message"`
		}{text}})
	if err != nil {
		return Message{}, err
	}
	m, err := decodeField[Message](body, "message")
	if err != nil {
		return Message{}, badBody(op, err, true)
	}
	var raw map[string]json.RawMessage
	if c.cfg.raw && json.Unmarshal(body, &raw) == nil {
		m.Raw = raw["message"]
	}
	return m, nil
}

// StopJob asks the server to stop a Job. It returns nil also where nothing was
// stopped, since the server calls that a success: read the Job to know. A Job
// that is not running, perhaps a waiting one too, goes on as it is.
func (c *Client) StopJob(ctx context.Context, id string) error {
	if err := checkID("Job", id); err != nil {
		return noEffect(err)
	}
	_, err := c.do(ctx, call{op: "stopRun", method: http.MethodPost, path: "/v2/runs/" + id + "/stop",
		repeatable: true, bare: true})
	return err
}
