package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/journal"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Nobody without a name gets anything, nor whoever gives two.
func TestPersons(t *testing.T) {
	who := fromHeader("X-Person")
	for name, c := range map[string]struct {
		header http.Header
		by     string
	}{
		"kim":     {http.Header{"X-Person": {"kim"}}, "kim"},
		"nobody":  {http.Header{}, ""},
		"empty":   {http.Header{"X-Person": {""}}, ""},
		"unseen":  {http.Header{"X-Person": {" \u200b"}}, ""},
		"two":     {http.Header{"X-Person": {"kim", "lee"}}, ""},
		"long":    {http.Header{"X-Person": {strings.Repeat("k", 201)}}, ""},
		"another": {http.Header{"X-Forwarded-User": {"kim"}}, ""},
	} {
		by, err := who(&http.Request{Header: c.header})
		require.Equal(t, c.by, by, name)
		require.Equal(t, c.by == "", err != nil, name)
	}
	_, err := fromHeader("")(&http.Request{Header: http.Header{"": {"kim"}}})
	require.Error(t, err, "without a header's name it is nobody")
}

// With the real Duvo it needs a place for its files and a way to know people, and with
// neither it is for this machine alone.
func TestRefusesToStart(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	t.Setenv(duvo.EnvAPIKey, "dv_key")
	for _, c := range []config{{listen: "127.0.0.1:0"}, {listen: "127.0.0.1:0", data: t.TempDir()}, {listen: "127.0.0.1:0", personHeader: "X-Person"}} {
		require.ErrorContains(t, inDuvo(t.Context(), c, log), "-data and -person-header are needed")
	}
	missing := filepath.Join(t.TempDir(), "volume")
	err := inDuvo(t.Context(), config{listen: "127.0.0.1:0", data: missing, personHeader: "X-Person"}, log)
	require.ErrorContains(t, err, "the folder of -data must be there")
	require.NoFileExists(t, missing)
	t.Setenv(duvo.EnvAPIKey, "")
	for _, listen := range []string{":0", "0.0.0.0:0", "example.com:80", ""} {
		require.ErrorContains(t, inDuvo(t.Context(), config{listen: listen}, log), "loopback")
	}
}

// A desk is a service on an emulator, in virtual time, and what asks it.
type desk struct {
	t    *testing.T
	duvo *duvotest.Duvo
	jobs journal.Journal
	reg  *duvotool.Registry
	h    http.Handler
}

func atDesk(t *testing.T, f func(*desk)) {
	synctest.Test(t, func(t *testing.T) {
		s := &desk{t: t, jobs: journal.NewMemory()}
		s.duvo = duvotest.New(duvotest.WithAssignment(duvotest.Assignment{Name: "Orders", Script: func(j *duvotest.Job) {
			if j.AskApproval("Refund", "") {
				j.Complete("refunded")
			}
			j.Complete("not refunded")
		}}))
		defer s.duvo.Close()
		s.open()
		f(s)
		s.close()
	})
}

func (s *desk) open() {
	log := slog.New(slog.DiscardHandler)
	var err error
	s.reg, err = duvotool.Discover(s.t.Context(), s.duvo.Client(), options(s.jobs, audit.Slog(log), log)...)
	require.NoError(s.t, err)
	s.h = newService(s.reg, fromHeader("X-Person"), log).handler()
}

func (s *desk) close() {
	closing, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(s.t, s.reg.Close(closing))
}

func (s *desk) answers(method, path, by, body string, status int, says string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, "http://service"+path, strings.NewReader(body))
	require.NoError(s.t, err)
	if by != "" {
		r.Header.Set("X-Person", by)
	}
	resp, err := duvotest.InMemory(s.h).Do(r)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	assert.Equal(s.t, status, resp.StatusCode, "%s", text)
	assert.Contains(s.t, string(text), says)
}

// pathOf is where the decision about a request goes.
func pathOf(r hitl.Request) string {
	return "/jobs/" + url.PathEscape(r.Key) + "/requests/" + r.ID
}

func verdictOn(digest, verdict string) string {
	return `{"digest":"` + digest + `","verdict":"` + verdict + `"}`
}

// What each request is answered with.
func TestAnswers(t *testing.T) {
	atDesk(t, func(s *desk) {
		const order = `{"key":"a/b 1","assignment":"Orders","input":"refund"}`
		for _, path := range []string{"/jobs", "/requests", "/jobs/x"} {
			s.answers("GET", path, "", "", 401, "who calls")
		}
		s.answers("POST", "/jobs", "", order, 401, "who calls")
		s.answers("GET", "/healthz", "", "", 200, `{"ok":true}`)
		s.answers("GET", "/readyz", "", "", 200, `{"ok":true}`)
		s.answers("GET", "/health", "", "", 401, "who calls")
		s.answers("GET", "/health", "kim", "", 200, `"journal":{"used":true,"failing":false`)
		s.answers("POST", "/duvo", "", "{}", 401, "")
		s.answers("POST", "/jobs", "kim", `{"key":"a","input":"b"}`, 404, "there is no tool")
		s.answers("POST", "/jobs", "kim", `{"key":"a","assignment":"Orders"}`, 422, "the input is empty")
		s.answers("POST", "/jobs", "kim", `{"assignment":"Orders","input":"b"}`, 400, "a key of")
		s.answers("POST", "/jobs", "kim", `{"keys":"a"}`, 400, "unknown field")
		s.answers("POST", "/jobs", "kim", order+order, 400, "behind the JSON")
		s.answers("POST", "/jobs", "kim", `{"key":"`+strings.Repeat("x", maxBody)+`"}`, 400, "too large")
		s.answers("GET", "/jobs/nothing", "kim", "", 404, "no operation has this key")
		require.Empty(t, s.duvo.Jobs())

		s.answers("POST", "/jobs", "kim", order, 202, "pending")
		s.answers("POST", "/jobs", "lee", `{"key":"a/b 1","assignment":"Orders","input":"another"}`, 409, "another input")
		time.Sleep(10 * time.Second)
		req := s.reg.Pending()[0]
		s.answers("GET", "/jobs", "kim", "", 200, `"status":"waiting"`)
		s.answers("GET", "/jobs/a%2Fb%201", "kim", "", 200, "pending")
		s.answers("GET", "/requests", "kim", "", 200, pathOf(req))
		path := pathOf(req)
		s.answers("POST", path, "", verdictOn(digestOf(req), "approve"), 401, "who calls")
		s.answers("POST", path, "kim", verdictOn("", "approve"), 409, "changed")
		s.answers("POST", path, "kim", verdictOn(req.Digest(), "approve"), 409, "changed")
		s.answers("POST", path, "kim", verdictOn(digestOf(req), ""), 400, "the verdict must be")
		s.answers("POST", path, "kim", verdictOn(digestOf(req), "answer"), 422, "does not fit")
		require.Zero(t, s.duvo.Count("respondToHumanRequest"))
		s.answers("POST", path, "kim", verdictOn(digestOf(req), "approve"), 200, "approved")
		s.answers("POST", path, "kim", verdictOn(digestOf(req), "approve"), 200, "accepted")
		s.answers("POST", path, "kim", verdictOn(digestOf(req), "deny"), 409, "by kim")
		s.answers("POST", path, "lee", verdictOn(digestOf(req), "approve"), 409, "by kim")
		s.answers("POST", path, "kim", verdictOn("another", "approve"), 409, "waits for no decision")
		time.Sleep(10 * time.Second)
		s.answers("GET", "/jobs/a%2Fb%201", "kim", "", 200, "refunded")
		s.answers("POST", "/jobs", "kim", order, 200, "refunded")
		require.Len(t, s.duvo.Jobs(), 1)
		require.Equal(t, 1, s.duvo.Count("respondToHumanRequest"))
		s.close()
		s.answers("POST", "/jobs", "kim", `{"key":"late","assignment":"Orders","input":"refund"}`, 503, "stopping")
	})
}

// A decision while Duvo is down counts, and is sent when it is there; after a restart
// nobody is told that what waits waits for nothing.
func TestDecidesWhileDuvoIsDown(t *testing.T) {
	atDesk(t, func(s *desk) {
		for _, key := range []string{"1", "2"} {
			s.answers("POST", "/jobs", "kim", `{"key":"`+key+`","assignment":"Orders","input":"refund"}`, 202, "pending")
			time.Sleep(10 * time.Second)
		}
		first, second := s.reg.Pending()[0], s.reg.Pending()[1]
		down := duvotest.Fault{Kind: duvotest.StatusBefore, Status: 503, Times: -1}
		s.duvo.InjectFunc(func(string, *http.Request) *duvotest.Fault { return &down })
		s.answers("POST", pathOf(first), "kim", verdictOn(digestOf(first), "approve"), 202, "kim")
		s.answers("POST", pathOf(first), "lee", verdictOn(digestOf(first), "deny"), 409, "by kim")
		s.close()
		s.open()
		s.answers("POST", pathOf(second), "lee", verdictOn(digestOf(second), "deny"), 503, "is being read")
		require.Zero(t, s.duvo.Count("respondToHumanRequest"))
		s.duvo.InjectFunc(nil)
		time.Sleep(10 * time.Minute)
		s.answers("POST", pathOf(second), "lee", verdictOn(digestOf(second), "deny"), 200, "denied")
		time.Sleep(time.Minute)
		s.answers("GET", "/jobs/1", "kim", "", 200, `"output":"refunded"`)
		s.answers("GET", "/jobs/2", "kim", "", 200, `"output":"not refunded"`)
		require.Equal(t, 2, s.duvo.Count("respondToHumanRequest"))
	})
}

// A full is a journal that takes nothing while it is full.
type full struct {
	journal.Journal
	now atomic.Bool
}

func (f *full) Put(ctx context.Context, r journal.Record) (uint64, error) {
	if f.now.Load() {
		return 0, fmt.Errorf("%w: /var/secret", journal.ErrUnavailable)
	}
	return f.Journal.Put(ctx, r)
}

// Whoever decides while nothing can be recorded is told to post the same again, in words
// of a decision and of no disk, and then it is sent once.
func TestDecidesOnAFullDisk(t *testing.T) {
	atDesk(t, func(s *desk) {
		s.close()
		disk := &full{Journal: s.jobs}
		s.jobs = disk
		s.open()
		s.answers("POST", "/jobs", "kim", `{"key":"1","assignment":"Orders","input":"refund"}`, 202, "pending")
		time.Sleep(10 * time.Second)
		r := s.reg.Pending()[0]
		disk.now.Store(true)
		s.answers("POST", pathOf(r), "kim", verdictOn(digestOf(r), "approve"), 503, `{"error":"`+errNotKept.Error()+`"}`)
		require.Zero(t, s.duvo.Count("respondToHumanRequest"))
		disk.now.Store(false)
		time.Sleep(10 * time.Minute)
		s.answers("POST", pathOf(r), "kim", verdictOn(digestOf(r), "approve"), 200, "approved")
		time.Sleep(time.Minute)
		s.answers("GET", "/jobs/1", "kim", "", 200, `"output":"refunded"`)
		require.Equal(t, 1, s.duvo.Count("respondToHumanRequest"))
	})
}

// What Duvo, a disk or the network says goes to the log, and not to whoever calls.
func TestExplain(t *testing.T) {
	secret := errors.New("disk /var/secret")
	for status, errs := range map[int][]error{
		502: {duvo.ErrUnauthorized, duvo.ErrForbidden},
		503: {outcome.ErrClosed, journal.ErrUnavailable, audit.ErrUnavailable, duvo.ErrUnavailable, context.DeadlineExceeded, context.Canceled},
		500: {journal.ErrFailed, audit.ErrWrite, hitl.ErrPolicyPanic, secret},
	} {
		for _, err := range errs {
			got, words := explain(&outcome.JobError{Phase: outcome.PhaseNew, Err: errors.Join(err, secret)})
			require.Equal(t, status, got, err)
			require.NotContains(t, words, "secret")
			require.NotEmpty(t, words)
		}
	}
}
