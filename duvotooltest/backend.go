package duvotooltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
)

// TestBackend checks what a registry relies on in a backend, against an
// emulated Duvo: what is sent and how often, what is read back, which error
// tells what, and then whole Jobs through a registry, with approvals, questions
// and faults.
//
// A backend must tell which Assignment a Job runs, see [duvotool.Backend], and
// list what was posted to a Job as a user's message: what decides goes by both.
//
// connect returns a backend that reaches d, with its key and team, and closes it
// with t.Cleanup where that is needed. It is called within a bubble of
// testing/synctest, so the backend must reach d in memory; see
// [duvotest.Duvo.HTTPClient] and [duvotest.InMemory]. Optional abilities are
// checked where the backend has them.
func TestBackend(t *testing.T, connect func(t *testing.T, d *duvotest.Duvo) duvotool.Backend) {
	t.Helper()
	for _, c := range backendChecks {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(append([]duvotest.Option{duvotest.WithAssignments(backendAssignments()...)}, c.opts...)...)
				t.Cleanup(d.Close)
				c.check(&backendTest{t, d, connect(t, d)})
			})
		})
	}
	for _, f := range lifecycleFaults() {
		t.Run("whole Jobs/"+f.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := duvotest.New(duvotest.WithAssignments(backendAssignments()...))
				t.Cleanup(d.Close)
				(&backendTest{t, d, connect(t, d)}).wholeJob(f)
			})
		})
	}
}

type backendTest struct {
	*testing.T
	d *duvotest.Duvo
	b duvotool.Backend
}

var backendChecks = []struct {
	name  string
	opts  []duvotest.Option
	check func(*backendTest)
}{
	{"Assignments", []duvotest.Option{duvotest.WithAssignments(manyAssignments(230)...)}, (*backendTest).lists},
	{"starts", nil, (*backendTest).starts},
	{"Jobs and their requests", nil, (*backendTest).reads},
	{"messages", []duvotest.Option{duvotest.WithQuirks(duvotest.Quirks{ExtraMessages: 117})}, (*backendTest).messages},
	{"odd servers", []duvotest.Option{duvotest.WithQuirks(duvotest.Quirks{NestedPending: true, UnknownStatus: true, UnknownFields: true, ToolMessageLast: true})}, (*backendTest).reads},
	{"other messages", []duvotest.Option{duvotest.WithQuirks(duvotest.Quirks{OtherMessages: true})}, (*backendTest).otherMessages},
	{"since, created", nil, (*backendTest).since},
	{"since, completed", []duvotest.Option{duvotest.WithProfile(duvotest.Profile{Since: duvotest.SinceCompleted})}, (*backendTest).since},
	{"responses", nil, (*backendTest).responds},
	{"kinds of errors", nil, (*backendTest).kinds},
	{"mutations are sent once", nil, (*backendTest).once},
	{"contexts", nil, (*backendTest).contexts},
	{"other abilities", nil, (*backendTest).abilities},
	{"a used-up limit", []duvotest.Option{duvotest.WithRateLimit(30)}, (*backendTest).limit},
	{"people", nil, (*backendTest).people},
	{"cancelled and taken up", nil, (*backendTest).takenUp},
}

var yes = true

const (
	refundsID = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b01"
	surveyID  = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b02"
	slowID    = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b03"
	failingID = "0b6d3f5e-6f7a-4c55-9a3f-6a1f0f3f8b04"
)

func backendAssignments() []duvotest.Assignment {
	return []duvotest.Assignment{
		{ID: refundsID, Name: "Refunds", Description: "Refunds an order.", Folder: "Support/Money", Script: func(j *duvotest.Job) {
			j.CallTool("find_order", map[string]any{"id": 9007199254740993}, map[string]any{"total": 120})
			if j.AskApproval("Refund 120 EUR", "For "+j.Input()) {
				j.Complete("Refunded.")
			}
			j.Complete("Not refunded.")
		}},
		{ID: surveyID, Name: "Survey", Script: func(j *duvotest.Job) {
			a := j.Ask("Survey", "", surveyQuestions()...)
			j.Complete(a["Which ones?"] + "; " + a["Why \"so\"?"])
		}},
		{ID: slowID, Name: "Slow", Script: func(j *duvotest.Job) {
			j.Sleep(time.Hour)
			j.Complete("done")
		}},
		{ID: failingID, Name: "Failing", Script: func(j *duvotest.Job) { j.Fail("The mailbox is locked.") }},
	}
}

func surveyQuestions() []duvo.QuestionItem {
	return []duvo.QuestionItem{
		{Question: "Which ones?", Header: "Ones", MultiSelect: true, Options: []duvo.Choice{{Label: "a, b", Description: "both"}, {Label: "c"}}},
		{Question: "Why \"so\"?"},
	}
}

func manyAssignments(n int) []duvotest.Assignment {
	out := make([]duvotest.Assignment, n)
	for i := range out {
		out[i] = duvotest.Assignment{Name: fmt.Sprintf("Assignment %d", i), Description: "Nothing.", Script: func(j *duvotest.Job) { j.Complete("") }}
	}
	return out
}

// want fails the check unless it holds.
func (b *backendTest) want(holds bool, format string, args ...any) {
	b.Helper()
	if !holds {
		b.Fatalf(format, args...)
	}
}

func (b *backendTest) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *backendTest) lists() {
	names := func() []string {
		var out []string
		for a, err := range b.b.Assignments(b.Context()) {
			b.ok(err)
			out = append(out, a.ID+" "+a.Name)
			if a.ID == refundsID {
				b.want(a.LatestBuild != nil && a.LatestBuild.Description == "Refunds an order.", "the latest Build is %+v", a.LatestBuild)
				b.want(a.FolderID != "", "the folder is not told")
			}
		}
		return out
	}
	first := names()
	b.want(len(first) == 234, "%d Assignments of 234 are listed", len(first))
	b.want(len(slices.Compact(slices.Sorted(slices.Values(first)))) == 234, "some are listed twice")
	b.want(slices.Equal(first, names()), "a second range lists something else")
	for _, err := range b.b.Assignments(b.Context()) {
		b.ok(err)
		break // must be allowed
	}
}

// start starts a Job and waits until it has done what it does by itself.
func (b *backendTest) start(assignment, message string) duvo.Job {
	b.Helper()
	j, err := b.b.StartJob(duvo.WithoutResend(b.Context()), duvo.StartJob{AssignmentID: assignment, Message: message, IdempotencyKey: "key of " + message})
	b.ok(err)
	synctest.Wait()
	return j
}

func (b *backendTest) starts() {
	s := duvo.StartJob{AssignmentID: slowID, Message: "say \"hé\"\n<&>\u2028", WebhookURL: "https://example.com/hook?x=1", IdempotencyKey: "k1"}
	j, err := b.b.StartJob(duvo.WithoutResend(b.Context()), s)
	b.ok(err)
	r := b.d.Jobs()[0]
	b.want(j.AssignmentID == "" || j.AssignmentID == slowID, "the started Job is told to run the Assignment %q, not %s", j.AssignmentID, slowID)
	told, err := b.b.Job(b.Context(), j.ID)
	b.ok(err)
	b.want(j.AssignmentID != "" || told.AssignmentID == slowID, "neither the start of a Job nor its read tells which Assignment it runs")
	b.want(r.ID == j.ID && r.AssignmentID == slowID && r.Input == s.Message && r.WebhookURL == s.WebhookURL && r.IdempotencyKey == "k1", "started: %+v", r)
	again, err := b.b.StartJob(duvo.WithoutResend(b.Context()), s)
	b.ok(err)
	b.want(again.ID == j.ID && len(b.d.Jobs()) == 1, "the same key started a second Job")
	s.IdempotencyKey = "k2"
	_, err = b.b.StartJob(duvo.WithoutResend(b.Context()), s)
	b.ok(err)
	b.want(len(b.d.Jobs()) == 2, "another key did not start another Job")
	b.want(b.d.Count("startRun") == 3, "%d starts were sent, not 3", b.d.Count("startRun"))
}

func (b *backendTest) reads() {
	j := b.start(refundsID, "order 4711")
	got, err := b.b.Job(b.Context(), j.ID)
	b.ok(err)
	want := b.d.Jobs()[0].Requests[0].HumanRequest
	b.want(got.ID == j.ID && got.Status == duvo.StatusWaiting && got.AssignmentID == refundsID && got.BuildID != "", "read: %+v", got)
	p := got.Pending
	b.want(p != nil && p.ID == want.ID && p.Type == duvo.Approval && p.Title == want.Title && p.Description == want.Description && !p.CreatedAt.IsZero(), "pending: %+v", p)

	j = b.start(surveyID, "ask")
	got, err = b.b.Job(b.Context(), j.ID)
	b.ok(err)
	b.want(got.Pending != nil && fmt.Sprint(got.Pending.Questions) == fmt.Sprint(surveyQuestions()), "pending: %+v", got.Pending)

	b.d.DeleteJob(j.ID)
	_, err = b.b.Job(b.Context(), j.ID)
	b.want(errors.Is(err, duvo.ErrNotFound), "a Job that no longer exists: %v", err)
	_, err = b.b.Job(b.Context(), AssignmentID)
	b.want(errors.Is(err, duvo.ErrNotFound), "a Job that never existed: %v", err)
}

func (b *backendTest) messages() {
	j := b.start(refundsID, "order 4711")
	_ = b.d.AnswerElsewhere(j.ID, duvo.Response{Approved: &yes})
	synctest.Wait()
	var got []duvo.Message
	for m, err := range b.b.Messages(b.Context(), j.ID) {
		b.ok(err)
		got = append(got, m)
	}
	want := b.d.Jobs()[0].Messages
	b.want(len(got) == len(want) && len(got) > 117, "%d messages of %d", len(got), len(want))
	for i, m := range got {
		w := want[i]
		b.want(m.ID == w.ID && m.Role == w.Role && m.Text == w.Text, "message %d is %+v, not %+v", i, m, w)
		if w.ToolCall != nil {
			b.want(m.ToolCall != nil && m.ToolCall.Name == w.ToolCall.Name && string(m.ToolCall.Arguments) == string(w.ToolCall.Arguments),
				"the arguments of a tool call are %s, not %s", m.ToolCall.Arguments, w.ToolCall.Arguments)
		}
	}
}

func (b *backendTest) responds() {
	for _, approved := range []bool{true, false} {
		j := b.start(refundsID, fmt.Sprint("order ", approved))
		got, err := b.b.Job(b.Context(), j.ID)
		b.ok(err)
		b.ok(b.b.Respond(duvo.WithoutResend(b.Context()), duvo.Response{JobID: j.ID, RequestID: got.Pending.ID, Approved: &approved, IdempotencyKey: fmt.Sprint("r", approved)}))
		r, _ := b.d.Job(j.ID)
		b.want(r.Requests[0].Response != nil && r.Requests[0].Response.Approved != nil && *r.Requests[0].Response.Approved == approved, "taken: %+v", r.Requests[0].Response)
	}
	j := b.start(surveyID, "ask")
	got, err := b.b.Job(b.Context(), j.ID)
	b.ok(err)
	answers := map[string]string{"Which ones?": "a, b, c", "Why \"so\"?": "bec\u00e4use\n"}
	b.ok(b.b.Respond(duvo.WithoutResend(b.Context()), duvo.Response{JobID: j.ID, RequestID: got.Pending.ID, Answers: answers, IdempotencyKey: "r"}))
	r, _ := b.d.Job(j.ID)
	b.want(fmt.Sprint(r.Requests[0].Response.Answers) == fmt.Sprint(answers), "taken: %+v", r.Requests[0].Response)

	err = b.b.Respond(duvo.WithoutResend(b.Context()), duvo.Response{JobID: j.ID, RequestID: got.Pending.ID, Answers: answers, IdempotencyKey: "late"})
	b.want(errors.Is(err, duvo.ErrInvalid) && !duvo.MayHaveTakenEffect(err), "a response that comes too late: %v", err)
}

func (b *backendTest) kinds() {
	for status, c := range map[int]struct {
		kind   error
		effect bool
	}{
		400: {duvo.ErrInvalid, false}, 401: {duvo.ErrUnauthorized, false}, 403: {duvo.ErrForbidden, false}, 404: {duvo.ErrNotFound, false},
		409: {duvo.ErrConflict, true}, 413: {duvo.ErrInvalid, false}, 422: {duvo.ErrInvalid, false}, 429: {duvo.ErrRateLimited, false},
		500: {duvo.ErrUnavailable, true}, 502: {duvo.ErrUnavailable, true}, 503: {duvo.ErrUnavailable, true}, 504: {duvo.ErrUnavailable, true},
	} {
		before := b.d.Count("startRun")
		b.d.Inject(duvotest.Fault{Op: "startRun", Kind: duvotest.StatusBefore, Status: status, RetryAfter: 7 * time.Second})
		_, err := b.b.StartJob(duvo.WithoutResend(b.Context()), duvo.StartJob{AssignmentID: slowID, Message: "x", IdempotencyKey: "k"})
		b.want(errors.Is(err, c.kind), "%d is the error %v", status, err)
		b.want(duvo.MayHaveTakenEffect(err) == c.effect, "after %d an effect is told as %v: %v", status, !c.effect, err)
		b.want(b.d.Count("startRun") == before+1, "%d: %d requests", status, b.d.Count("startRun")-before)
		b.want(!strings.Contains(err.Error(), b.d.Key()), "the key stands in %q", err)
		if status == 429 {
			b.want(duvo.RetryAfter(err) == 7*time.Second, "come back after %v", duvo.RetryAfter(err))
			time.Sleep(8 * time.Second)
		}
	}
	j := b.start(slowID, "y")
	for _, status := range []int{401, 403, 404} {
		b.d.Inject(duvotest.Fault{Op: "getRun", Kind: duvotest.StatusBefore, Status: status})
		_, err := b.b.Job(b.Context(), j.ID)
		want := map[int]error{401: duvo.ErrUnauthorized, 403: duvo.ErrForbidden, 404: duvo.ErrNotFound}[status]
		b.want(errors.Is(err, want), "reading, %d is the error %v", status, err)
	}
}

func (b *backendTest) once() {
	for _, kind := range []duvotest.FaultKind{duvotest.ResetBefore, duvotest.ResetAfter, duvotest.LateEffect, duvotest.StatusAfter, duvotest.Truncate, duvotest.NotJSON, duvotest.Hang} {
		name := kind.String()
		jobs, sent := len(b.d.Jobs()), b.d.Count("startRun")
		b.d.Inject(duvotest.Fault{Op: "startRun", Kind: kind, EffectDelay: time.Second})
		ctx, cancel := context.WithTimeout(duvo.WithoutResend(b.Context()), time.Minute)
		s := duvo.StartJob{AssignmentID: slowID, Message: name, IdempotencyKey: "once " + name}
		_, err := b.b.StartJob(ctx, s)
		cancel()
		b.want(err != nil && duvo.MayHaveTakenEffect(err), "%s: the error %v tells of no possible effect", name, err)
		b.want(b.d.Count("startRun") == sent+1, "%s: it was sent %d times", name, b.d.Count("startRun")-sent)
		time.Sleep(2 * time.Second)
		j, err := b.b.StartJob(duvo.WithoutResend(b.Context()), s)
		b.want(err == nil && j.ID != "", "%s: the next attempt: %v", name, err)
		b.want(len(b.d.Jobs()) == jobs+1, "%s: %d Jobs", name, len(b.d.Jobs())-jobs)
	}
}

func (b *backendTest) contexts() {
	j := b.start(slowID, "x")
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(b.Context())
	cancel(stop)
	sent := len(b.d.Requests())
	_, err := b.b.StartJob(ctx, duvo.StartJob{AssignmentID: slowID, Message: "y"})
	b.want(err != nil && !duvo.MayHaveTakenEffect(err) && errors.Is(err, context.Canceled) || errors.Is(err, stop), "an ended context: %v", err)
	_, err = b.b.Job(ctx, j.ID)
	b.want(err != nil, "a Job was read with an ended context")
	b.want(len(b.d.Requests()) == sent, "something was sent with an ended context")

	b.d.Inject(duvotest.Fault{Op: "getRun", Kind: duvotest.Hang})
	ctx, cancel = context.WithCancelCause(b.Context())
	time.AfterFunc(time.Second, func() { cancel(stop) })
	began := time.Now()
	_, err = b.b.Job(ctx, j.ID)
	b.want(err != nil && time.Since(began) == time.Second, "a context that ends: %v after %v", err, time.Since(began))
	_, err = b.b.Job(b.Context(), j.ID)
	b.ok(err)
}

func (b *backendTest) abilities() {
	j := b.start(slowID, "x")
	waits := b.start(refundsID, "y")
	if l, ok := b.b.(duvotool.JobLister); ok {
		page, err := l.JobPage(b.Context(), duvo.JobFilter{Status: duvo.StatusWaiting})
		b.ok(err)
		b.want(len(page.Jobs) == 1 && page.Jobs[0].ID == waits.ID, "waiting are %+v", page)
		page, err = l.JobPage(b.Context(), duvo.JobFilter{OldestFirst: true, PageSize: 1, Offset: 1})
		b.ok(err)
		b.want(len(page.Jobs) == 1 && page.Total == 2 && page.Jobs[0].ID == waits.ID, "the second page is %+v", page)
	}
	if f, ok := b.b.(duvotool.FolderLister); ok {
		folders, err := f.Folders(b.Context())
		b.ok(err)
		b.want(len(folders) == 2, "%d folders", len(folders))
	}
	if s, ok := b.b.(duvotool.JobStopper); ok {
		b.ok(s.StopJob(b.Context(), j.ID))
		r, _ := b.d.Job(j.ID)
		b.want(r.Status == duvo.StatusStopped, "stopped: it is %s", r.Status)
	}
	if m, ok := b.b.(duvotool.JobMessenger); ok {
		_ = b.d.AnswerElsewhere(waits.ID, duvo.Response{Approved: &yes})
		synctest.Wait()
		b.d.Inject(duvotest.Fault{Op: "postRunMessage", Kind: duvotest.ResetAfter})
		_, err := m.PostMessage(duvo.WithoutResend(b.Context()), waits.ID, "thanks", "k")
		b.want(duvo.MayHaveTakenEffect(err), "a lost answer to a message: %v", err)
		msg, err := m.PostMessage(duvo.WithoutResend(b.Context()), waits.ID, "thanks", "k")
		b.ok(err)
		b.want(msg.Text == "thanks" && msg.Role == "user", "posted: %+v", msg)
		r, _ := b.d.Job(waits.ID)
		n := 0
		for _, posted := range r.Messages {
			if posted.Text == "thanks" {
				n++
			}
		}
		b.want(n == 1, "the message is there %d times", n)
		read := 0
		for m, err := range b.b.Messages(b.Context(), waits.ID) {
			b.ok(err)
			if m.Role == "user" && m.Text == "thanks" {
				read++
			}
		}
		b.want(read == 1, "the message is listed %d times as a user's", read)
	}
}

// limit: nothing that a registry does in peace meets a 429.
func (b *backendTest) limit() {
	j := b.start(slowID, "x")
	for range 100 {
		_, err := b.b.Job(duvo.WithPriority(b.Context(), duvo.Background), j.ID)
		b.ok(err)
	}
	b.want(b.d.CountStatus(429) == 0, "%d requests were too many", b.d.CountStatus(429))
}
