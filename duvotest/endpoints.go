package duvotest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/duvotool/duvotool/duvo"
)

// The operations. All are called with Duvo.mu held.

func ok(body any) reply { return reply{status: http.StatusOK, body: body} }

func (d *Duvo) teams() []wireTeam {
	out := []wireTeam{}
	for i := range d.cfg.teams {
		org := stableUUID("organization")
		t := wireTeam{ID: d.cfg.teamID, Name: d.cfg.teamName, OrganizationID: &org}
		if i > 0 {
			t.ID, t.Name = stableUUID("team", strconv.Itoa(i)), fmt.Sprintf("%s %d", d.cfg.teamName, i+1)
		}
		out = append(out, t)
	}
	return out
}

func (d *Duvo) listMyTeams(*incoming) reply {
	return ok(struct {
		Teams []wireTeam `json:"teams"`
	}{d.teams()})
}

// team finds a team of the key's.
func (d *Duvo) team(id string) (wireTeam, bool) {
	for _, t := range d.teams() {
		if strings.EqualFold(t.ID, id) {
			return t, true
		}
	}
	return wireTeam{}, false
}

func (d *Duvo) getTeam(r *incoming) reply {
	if !isUUID(r.args[0]) {
		return fail(http.StatusNotFound, "not_found", "There is no such team.")
	}
	t, found := d.team(r.args[0])
	if !found {
		return fail(http.StatusForbidden, "forbidden", "The API key is not scoped to that team.")
	}
	return ok(map[string]any{"team": wireTeamDetails{wireTeam: t, CreatedAt: stamp(time.Unix(1_700_000_000, 0)), DiscoveryMode: "request"}})
}

// wrongTeam answers for a team that is none of the key's; nil for one that is.
// The lists document neither 403 nor 404.
func (d *Duvo) wrongTeam(r *incoming, status int, code string) *reply {
	if _, found := d.team(r.args[0]); found {
		return nil
	}
	rep := fail(status, code, "There is no such team, or the API key may not see it.")
	return &rep
}

// first tells whether the path names the team that holds everything.
func (d *Duvo) first(r *incoming) bool {
	return d.cfg.teams > 0 && strings.EqualFold(r.args[0], d.cfg.teamID)
}

func window[T any](all []T, limit, offset int) []T {
	from := min(offset, len(all))
	return all[from:min(from+limit, len(all))]
}

func (d *Duvo) listAgents(r *incoming) reply {
	limit, offset, bad := paging(r.Query, 20, 100)
	if bad = firstFailure(bad, oneOf(r.Query, "include_schedules", "true", "false"), uuidParam(r.Query, "automation_id"), d.wrongTeam(r, http.StatusBadRequest, "invalid_request")); bad != nil {
		return *bad
	}
	all := d.assignments
	if r.Query.Has("automation_id") || !d.first(r) {
		all = nil // no Assignment here belongs to an automation
	}
	rows := []wireAgentRow{}
	for _, a := range window(all, limit, offset) {
		rows = append(rows, d.wireAgentRow(a, r.Query.Get("include_schedules") == "true"))
	}
	return ok(map[string]any{"agents": rows, "total": len(all), "limit": limit, "offset": offset})
}

func (d *Duvo) getAgent(r *incoming) reply {
	if !isUUID(r.args[0]) {
		return fail(http.StatusBadRequest, "invalid_request", "The agent ID is no UUID.")
	}
	a := d.assignment(r.args[0])
	if a == nil {
		return fail(http.StatusNotFound, "not_found", "There is no such agent.")
	}
	return ok(map[string]any{"agent": d.wireAgent(a), "user_context": map[string]any{"pinned_at": nil}})
}

func (d *Duvo) listAgentFolders(r *incoming) reply {
	out := []wireFolder{}
	if d.first(r) {
		for _, f := range d.folders {
			w := wireFolder{ID: f.id, Name: f.name, TeamID: d.cfg.teamID, ParentID: orNull(f.parent),
				CreatedAt: stamp(time.Unix(1_700_000_000, 0)), UpdatedAt: stamp(time.Unix(1_700_000_000, 0))}
			for _, a := range d.assignments {
				if a.folderID == f.id {
					w.Agents++
				}
			}
			for _, sub := range d.folders {
				if sub.parent == f.id {
					w.Subfolders++
				}
			}
			out = append(out, w)
		}
	}
	return ok(map[string]any{"folders": out})
}

func (d *Duvo) listRuns(r *incoming) reply {
	q := r.Query
	limit, offset, bad := paging(q, 20, 100)
	bad = firstFailure(bad, oneOf(q, "sort_by", "created_at"), oneOf(q, "sort_order", "asc", "desc"),
		oneOf(q, "status", "not_started", "pending", "starting", "running", "waiting", "completed", "failed", "interrupted", "stopped", "needs_attention"),
		uuidParam(q, "agent_id"), uuidParam(q, "user_id"), uuidParam(q, "case_queue_id"), uuidParam(q, "digest_id"),
		oneOf(q, "has_issues", "true", "false"), oneOf(q, "issue_severity", "critical", "medium", "low"), d.wrongTeam(r, http.StatusBadRequest, "invalid_request"))
	if bad != nil {
		return *bad
	}
	var since time.Time
	if q.Has("since") {
		var err error
		if since, err = time.Parse(time.RFC3339, q.Get("since")); err != nil {
			return fail(http.StatusBadRequest, "invalid_request", "The parameter since is no date and time.")
		}
	}
	if d.cfg.quirks.FilterIgnored {
		q = maps.Clone(q)
		q.Del("status")
	}
	var all []*job
	for i, s := range d.order {
		switch {
		case s.deleted, !d.first(r),
			q.Has("status") && (string(s.status) != q.Get("status") || d.cfg.quirks.FilterMisses && i%2 == 1),
			s.status == duvo.StatusStopped && q.Has("status"), // its row would tell another status
			q.Has("agent_id") && !strings.EqualFold(s.a.ID, q.Get("agent_id")),
			q.Has("user_id"), q.Has("case_queue_id"), q.Has("digest_id"), q.Get("has_issues") == "true", q.Has("issue_severity"),
			q.Has("source") && q.Get("source") != "api",
			!since.IsZero() && s.before(since),
			q.Has("search") && !strings.Contains(strings.ToLower(s.a.Name), strings.ToLower(q.Get("search"))):
			continue
		}
		all = append(all, s)
	}
	if q.Get("sort_order") != "asc" {
		slices.Reverse(all)
	}
	rows := []wireRunRow{}
	for _, s := range window(all, limit, offset) {
		rows = append(rows, s.row())
	}
	return ok(map[string]any{"data": rows, "total": len(all)})
}

// before tells whether the Job lies before a time that since bounds.
func (s *job) before(since time.Time) bool {
	if s.d.cfg.profile.Since == SinceCompleted {
		return s.completed.Before(since) // also where it has not completed
	}
	return s.created.Before(since)
}

func (d *Duvo) startRun(r *incoming) reply {
	var agent, message, sandbox, hook string
	var there bool
	bad := firstFailure(d.wrongTeam(r, http.StatusForbidden, "forbidden"),
		decodeBody(r, field{"agent_id", &agent, &there}, field{"message", &message, nil}, field{"sandbox_id", &sandbox, nil}, field{"webhook_url", &hook, nil}))
	if bad != nil {
		return *bad
	}
	if !there || !isUUID(agent) {
		return fail(http.StatusBadRequest, "invalid_request", "The field agent_id is required and must be a UUID.")
	}
	if hook != "" {
		u, err := url.Parse(hook)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fail(http.StatusBadRequest, "invalid_request", "The field webhook_url must be a URL.")
		}
	}
	a := d.assignment(agent)
	switch {
	case a == nil || !d.first(r):
		return fail(http.StatusNotFound, "not_found", "There is no such agent.")
	case a.NoBuild:
		return fail(http.StatusBadRequest, "invalid_request", "The agent has no build to run.")
	}
	box := d.sandbox(sandbox)
	if sandbox != "" && box == nil {
		return noSandbox()
	}
	s := d.start(a, message, sandbox, hook, r.Header.Get("Idempotency-Key"))
	if s.box = box; box != nil {
		box.taken = true
	}
	return reply{status: http.StatusCreated, body: map[string]any{"run": s.wire()}, effect: true}
}

// job finds the Job that the path names.
func (d *Duvo) job(r *incoming) (*job, *reply) {
	if !isUUID(r.args[0]) {
		rep := fail(http.StatusBadRequest, "invalid_request", "The run ID is no UUID.")
		return nil, &rep
	}
	s := d.jobs[strings.ToLower(r.args[0])]
	if s == nil {
		rep := fail(http.StatusNotFound, "not_found", "There is no such run.")
		return nil, &rep
	}
	return s, nil
}

func (d *Duvo) getRun(r *incoming) reply {
	s, bad := d.job(r)
	if bad != nil {
		return *bad
	}
	var body struct {
		Run     *wireRun          `json:"run"`
		Pending *wireHumanRequest `json:"pending_human_request"`
	}
	if s.deleted {
		return ok(body)
	}
	run := s.wire()
	body.Run = &run
	if s.pending != nil {
		body.Pending = wirePending(s.pending.record.HumanRequest)
	}
	if d.cfg.quirks.NestedPending {
		run.Pending = body.Pending
		return ok(map[string]any{"run": run})
	}
	return ok(body)
}

// present is job for operations that a deleted Job has no answer for.
func (d *Duvo) present(r *incoming) (*job, *reply) {
	s, bad := d.job(r)
	if bad == nil && s.deleted {
		rep := fail(http.StatusNotFound, "not_found", "There is no such run.")
		return nil, &rep
	}
	return s, bad
}

func (d *Duvo) listRunMessages(r *incoming) reply {
	s, bad := d.present(r)
	if bad != nil {
		return *bad
	}
	limit, offset, bad := paging(r.Query, 20, 50)
	if bad != nil {
		return *bad
	}
	rows := []wireMessage{}
	for _, m := range window(s.messages, limit, offset) {
		rows = append(rows, wireMessageOf(m))
	}
	return ok(map[string]any{"messages": rows, "total": len(s.messages), "limit": limit, "offset": offset})
}

func (d *Duvo) postRunMessage(r *incoming) reply {
	s, bad := d.present(r)
	if bad != nil {
		return *bad
	}
	var message string
	if bad := decodeBody(r, field{"message", &message, nil}); bad != nil {
		return *bad
	}
	if message == "" {
		return fail(http.StatusBadRequest, "invalid_request", "The field message is required and must not be empty.")
	}
	s.resume(message)
	m := s.lastOf("user")
	return reply{status: http.StatusCreated, effect: true, body: map[string]any{"message": map[string]any{
		"id": m.ID, "type": m.Type, "role": m.Role, "timestamp": stamp(m.Timestamp), "text_content": m.Text}}}
}

func (s *job) lastOf(role string) duvo.Message {
	for _, m := range slices.Backward(s.messages) {
		if m.Role == role {
			return m
		}
	}
	return duvo.Message{}
}

func (d *Duvo) respondToHumanRequest(r *incoming) reply {
	s, bad := d.present(r)
	if bad != nil {
		return *bad
	}
	named := strings.ToLower(r.args[1])
	if !isUUID(named) {
		return fail(http.StatusBadRequest, "invalid_request", "The request ID is no UUID.")
	}
	var approved, hasApproved, hasAnswers bool
	var given map[string]*string
	if bad := decodeBody(r, field{"approved", &approved, &hasApproved}, field{"answers", &given, &hasAnswers}); bad != nil {
		return *bad
	}
	if hasApproved == hasAnswers {
		return fail(http.StatusBadRequest, "invalid_request", "Either approved or answers is required, and not both.")
	}
	answers := map[string]string{}
	for question, text := range given {
		if text == nil {
			return fail(http.StatusBadRequest, "invalid_request", "Each answer must be a string.")
		}
		answers[question] = *text
	}
	if s.status != duvo.StatusWaiting || s.pending == nil {
		return fail(http.StatusBadRequest, "not_waiting", "The run does not wait for a response.")
	}
	record := s.pending.record
	known := slices.ContainsFunc(s.requests, func(q *RequestRecord) bool { return strings.EqualFold(q.ID, named) })
	switch check := d.cfg.profile.Respond; {
	case check != ApplyToAny && !known:
		return fail(http.StatusNotFound, "not_found", "There is no such human request.")
	case check == CheckRequest && !strings.EqualFold(record.ID, named):
		return fail(http.StatusBadRequest, "not_pending", "The run no longer waits for that request.")
	case check == CheckRequest && record.Type != map[bool]duvo.RequestType{true: duvo.Approval, false: duvo.Question}[hasApproved]:
		return fail(http.StatusBadRequest, "invalid_request", "The response does not fit the type of the request.")
	}
	var response string
	if hasApproved {
		response = map[bool]string{true: "approved", false: "denied"}[approved]
		s.answer(&approved, nil, named, false)
	} else {
		text, _ := json.Marshal(answers)
		response = string(text)
		s.answer(nil, answers, named, false)
	}
	return reply{status: http.StatusOK, effect: true, body: map[string]any{"human_request": map[string]any{
		"id": record.ID, "run_id": s.id, "title": record.Title, "description": orNull(record.Description),
		"response": response, "responded_at": stamp(time.Now()), "created_at": stamp(record.CreatedAt)}}}
}

func (d *Duvo) stopRun(r *incoming) reply {
	s, bad := d.present(r)
	if bad != nil {
		return *bad
	}
	switch {
	case s.status.Terminal():
		return ok(map[string]any{"success": true, "message": "The run was not running."})
	case s.status == duvo.StatusWaiting && d.cfg.profile.Stop == WaitingUnstoppable:
		return ok(map[string]any{"success": true, "message": "The run was not running."})
	}
	s.end(duvo.StatusStopped, "")
	return reply{status: http.StatusOK, body: map[string]any{"success": true}, effect: true}
}
