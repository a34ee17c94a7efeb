package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/stretchr/testify/require"
)

// nasty is what a terminal would act on, or a person not see.
const nasty = "a\x1b[2J\x1b]0;x\x07b\u202ec\u200b\rd\u009be"

// harmless holds that a terminal shows all of a text and acts on nothing.
func harmless(t *testing.T, r ran) {
	t.Helper()
	for _, c := range r.out + r.errs {
		require.False(t, c < ' ' && c != '\n' && c != '\t' || c >= 0x7f && c < 0xa0 || strings.ContainsRune("\u202e\u200b", c), "%q", r.out+r.errs)
	}
}

// Whatever strangers write, in whatever field and verb, a terminal shows it and acts on
// nothing of it.
func TestNothingOfStrangersIsInterpreted(t *testing.T) {
	b := atDeskBench(t)
	id := "6f1e02c9-0000-4000-8000-000000000009"
	require.NoError(t, b.d.AddAssignment(duvotest.Assignment{ID: id, Name: "Odd " + nasty, Description: nasty, Script: func(j *duvotest.Job) {
		j.Say(nasty)
		j.Ask("T"+nasty, "D"+nasty, duvo.QuestionItem{Question: "Q" + nasty, Header: "H" + nasty, Options: []duvo.Choice{{Label: "L" + nasty, Description: "E" + nasty}}})
		j.Fail("F" + nasty)
	}}))
	_, err := b.reg.Refresh(t.Context())
	require.NoError(t, err)
	before := b.reg.All()
	var tool string
	for _, x := range before {
		if x.Assignment().ID == id {
			tool = x.Name()
		}
	}
	req := b.starts(tool, "I"+nasty)
	for _, desk := range []string{b.desk, ""} {
		t.Setenv(envDesk, desk)
		for _, args := range [][]string{{"assignments"}, {"jobs"}, {"pending"}, {"show", req.JobID}, {"doctor"}, {"__complete", "show", ""}, {"__complete", "run", ""},
			{"answer", req.JobID, "--answer", "1=" + nasty, "--digest", req.Digest()[:12], "-y"},
			{"answer", req.JobID, "--answer", nasty + "=x", "--digest", req.Digest()[:12], "-y"}, {"show", nasty}, {nasty}, {"run", nasty, "-y"}, {"pending", "--" + nasty}, {"pending", "--desk", nasty}} {
			r := b.ctl(args...)
			require.NotEmpty(t, r.out+r.errs, args)
			harmless(t, r)
		}
	}
	t.Setenv(envDesk, b.desk)
	r := b.ctl("answer", req.JobID, "--answer", "1=L"+nasty, "--reason", "R"+nasty, "--digest", req.Digest(), "-y")
	require.Zero(t, r.code, r.errs)
	r = b.ctl("watch", req.JobID)
	require.Equal(t, exitError, r.code)
	require.Contains(t, r.out, "F")
	harmless(t, r)
	for _, args := range [][]string{{"show", req.JobID}, {"audit", "query"}, {"audit", "query", b.path}, {"audit", "query", b.path, "--all"}, {"audit", "verify", b.path}} {
		r := b.ctl(args...)
		require.Zero(t, r.code, r.errs)
		harmless(t, r)
	}

	desk := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusUnprocessableEntity)
		_, _ = w.Write([]byte(`{"error":"a\u001b[2Jb\u202e"}`))
	}))
	defer desk.Close()
	for _, args := range [][]string{{"pending"}, {"hold"}, {"doctor"}, {"audit", "query"}} {
		harmless(t, b.ctlWith(context.WithoutCancel(t.Context()), "", append(args, "--desk", desk.URL)...))
	}
}
