package duvotool_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/lifecycle"
	"github.com/stretchr/testify/require"
)

// asBefore writes the record of an operation that has not ended as earlier versions
// did, which knew nothing of handles.
func asBefore(t *testing.T, data []byte) []byte {
	t.Helper()
	var r lifecycle.Record
	require.NoError(t, json.Unmarshal(data[2:], &r))
	require.NotNil(t, r.Order)
	require.Nil(t, r.Result)
	o := r.Order
	old := map[string]any{"key": o.Key, "own": o.Own, "unkeyed": r.Unkeyed, "scope": o.Scope, "caller": o.Caller, "assignment": o.Assignment,
		"folder": o.Folder, "input": o.Input, "owner": r.Writer, "phase": "watching", "parked": r.Parked(), "webhook": o.Webhook,
		"sandbox": r.Sandbox, "files": o.Files, "doubtful": r.Start.Open || r.Start.Earlier, "first_sent": wall(r.Start.First), "last_sent": wall(r.Start.Until),
		"credential": r.Credential, "job_id": r.Job, "created_at": wall(r.Created), "build_id": r.Build, "status": r.Status,
		"started_at": wall(r.StartedAt), "worked": r.Worked, "ours": r.Ours, "note": r.Note, "told": r.ReasonsPosted, "stopping": r.Stop().Asked}
	stages := map[lifecycle.RequestStage]string{lifecycle.Unasked: "new", lifecycle.Decided: "decided", lifecycle.Sending: "sending",
		lifecycle.Settled: "done", lifecycle.Stuck: "nobody"}
	var requests []map[string]any
	var decisions []hitl.DecisionEntry
	for _, q := range r.Requests {
		p := map[string]any{"id": q.ID, "digest": q.Digest, "kind": q.Kind, "title": q.Title, "build_id": q.Build, "first_seen": wall(q.FirstSeen),
			"stage": stages[q.Stage], "gone": q.Gone, "decided_at": wall(q.DecidedAt), "sent_at": wall(q.Attempt.Until), "why": q.Why}
		if d := q.Decision; d != nil {
			decisions = append(decisions, hitl.DecisionEntry{RequestID: q.ID, Kind: duvo.RequestType(q.Kind), Title: q.Title, Digest: q.Digest,
				Decision: d.Given, RequestedAt: wall(q.FirstSeen), DecidedAt: wall(q.DecidedAt), Delivery: hitl.Delivery(q.Delivery)})
			p["decision"], p["idempotency_key"] = len(decisions), d.Key
			var body struct {
				Approved *bool             `json:"approved"`
				Answers  map[string]string `json:"answers"`
			}
			require.NoError(t, json.Unmarshal(d.Body, &body))
			p["approved"], p["answers"] = body.Approved, body.Answers
		}
		requests = append(requests, p)
	}
	old["requests"], old["decisions"] = requests, decisions
	if f, m := o.After, r.Message(); f != nil {
		old["follow_up"] = map[string]any{"job_id": f.Job, "turn": f.Turn, "message": f.Text, "added": m.Added, "known": f.Known, "after": m.After,
			"before": wall(m.Before), "sent_at": wall(m.Attempt.Until), "posted": m.Posted, "doubtful": m.Attempt.Open || m.Attempt.Earlier}
	}
	text, err := json.Marshal(old)
	require.NoError(t, err)
	return append(data[:2:2], text...)
}

func wall(t lifecycle.Time) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(t))
}
