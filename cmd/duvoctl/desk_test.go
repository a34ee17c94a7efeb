package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// At a desk a decision is the service's own: by whom the desk knows, in its audit, and
// taken once.
func TestDecidingAtADesk(t *testing.T) {
	b := atDeskBench(t)
	refund := b.starts("refunds", "Refund 120 EUR|For order 4711.")
	b.starts("addresses", "Order 4698")
	var list struct{ Requests []request }
	b.json(0, "pending", &list, "pending")
	require.Len(t, list.Requests, 2)
	require.Equal(t, inbox.Ref(refund), list.Requests[0].Ref)
	require.Equal(t, refund.Digest(), list.Requests[0].Digest, "it is the service's")
	ref, digest := b.shown(refund.JobID)
	require.Equal(t, inbox.Ref(refund), ref, "by the Job's ID too")

	r := b.ctl("approve", ref, "--digest", digest, "--reason", "ticket 88213", "-y")
	require.Zero(t, r.code, r.errs)
	require.Equal(t, "Sent. Duvo has taken the decision.\n", r.out)
	require.Empty(t, r.errs, "it stands in the service's journal")
	require.True(t, *b.response(refund.JobID).Approved)

	t.Setenv(envToken, lee)
	for _, args := range [][]string{{"approve", ref, "--digest", digest, "-y"}, {"deny", ref, "--digest", digest, "-y"}} {
		var res result
		b.json(exitElsewhere, "decision", &res, args...)
		require.Equal(t, endElsewhere, res.Ending)
		require.Equal(t, kim, res.By)
		require.Contains(t, res.Text, "approved by "+kim)
	}
	require.Equal(t, 1, b.sent())
	require.Contains(t, b.ok("show", ref), "Decision    approved\nBy          kim@example.com\n")
	require.Contains(t, b.ok("show", refund.JobID), "ticket 88213")
	b.json(0, "show", nil, "show", ref)

	question := list.Requests[1].Ref
	_, digest = b.shown(question)
	answers := write(t, "answers.json", `{"Which address?": "Linden Street 4", "2": "Parcel 2 of 3", "What is the customer told?": "Nothing."}`)
	require.Contains(t, b.ok("answer", question, "--answers", "@"+answers, "--digest", digest, "-y"), "Sent.")
	require.Equal(t, "Parcel 2 of 3", b.response(list.Requests[1].Request.JobID).Answers["Which parcels?"])

	found := b.ok("audit", "query", "--by", "KIM@example.com", "--since", "7d")
	require.Contains(t, found, "Refund 120 EUR")
	require.NotContains(t, found, "Which delivery address")
	require.Contains(t, b.ok("audit", "query", "--kind", "question"), "answered")
	require.Contains(t, b.ok("audit", "query", "--outcome", "denied"), "Nothing was decided")
	b.json(0, "audit-query", nil, "audit", "query", "--since", "1h", "--assignment", "Refunds", "--digest", refund.Digest()[:8])
	require.Contains(t, b.ok("audit", "query", "--until", "2026-01-01"), "Nothing was decided")
}

// Who may only read is told so, and a text that changes at the last moment is not
// decided.
func TestWhatADeskRefuses(t *testing.T) {
	b := atDeskBench(t, func(c *inbox.Config) {
		c.May = func(_ context.Context, p inbox.Person, _ hitl.Request) inbox.Access {
			if p.Login == lee {
				return inbox.Seen
			}
			return inbox.Decide
		}
	})
	req := b.starts("refunds", "Refund 120 EUR|")
	ref, digest := b.shown(req.JobID)
	t.Setenv(envToken, lee)
	require.Contains(t, b.ok("pending"), "not yours")
	var e struct{ Error struct{ Kind string } }
	b.json(exitAuth, "error", &e, "approve", ref, "--digest", digest, "-y")
	require.Equal(t, "auth", e.Error.Kind)
	t.Setenv(envToken, kim)
	var res result
	b.json(exitError, "decision", &res, "approve", ref, "--digest", strings.Repeat("0", 64), "-y")
	require.Equal(t, endChanged, res.Ending)

	// The desk itself holds the decision against what was displayed.
	a := newApp(strings.NewReader(""), io.Discard, io.Discard)
	a.desk, a.timeout = b.desk, eventual
	d, err := a.openDesk()
	require.NoError(t, err)
	defer d.close()
	shown, err := d.find(t.Context(), ref)
	require.NoError(t, err)
	require.NoError(t, b.d.ChangeRequest(req.JobID, func(q *duvo.HumanRequest) { q.Title = "Refund 9000 EUR" }))
	require.Eventually(t, func() bool { p := b.reg.Pending(); return len(p) == 1 && p[0].Title == "Refund 9000 EUR" }, eventual, tick)
	out, err := d.decide(t.Context(), shown, order{verdict: "approve"})
	require.NoError(t, err)
	require.Equal(t, endChanged, out.Ending)
	require.Zero(t, b.sent())

	t.Setenv(envToken, "")
	b.json(exitAuth, "error", nil, "pending")
	require.Contains(t, b.ctl("pending").errs, envToken)
	t.Setenv(envToken, kim)
	b.json(exitNotFound, "error", nil, "show", "nothing")
	b.json(exitError, "error", nil, "pending", "--desk", strings.TrimSuffix(b.desk, "/desk"))
	for desk, says := range map[string]string{"ops.example.com": "is no address", "ftp://ops.example.com": "is no address", "http://ops.example.com/desk": "over plain http",
		"https://kim:secret@ops.example.com": "more than a host and a path", "https://ops.example.com/?x=1": "more than a host and a path"} {
		r := b.ctl("pending", "--desk", desk)
		require.Equal(t, exitError, r.code, desk)
		require.Contains(t, r.errs, says, desk)
		require.NotContains(t, r.errs, "secret")
	}
}

// What comes and goes at the desk is told as it does.
func TestWatchingADesk(t *testing.T) {
	for _, at := range []string{"desk", "duvo"} {
		t.Run(at, func(t *testing.T) {
			b := atDeskBench(t)
			if at == "duvo" {
				t.Setenv(envDesk, "")
			}
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			read, written := io.Pipe()
			code := make(chan int)
			go func() {
				c := run(ctx, []string{"pending", "--watch", "--json", "--poll", "20ms"}, strings.NewReader(""), written, io.Discard)
				_ = written.Close()
				code <- c
			}()
			lines := bufio.NewScanner(read)
			lines.Buffer(nil, 1<<20)
			next := func() (event, ref string) {
				t.Helper()
				require.True(t, lines.Scan())
				fits(t, "pending-watch", lines.Text())
				var e struct{ Event, Ref string }
				require.NoError(t, json.Unmarshal(lines.Bytes(), &e))
				return e.Event, e.Ref
			}
			req := b.starts("refunds", "Refund 120 EUR|")
			name := map[string]string{"desk": inbox.Ref(req), "duvo": req.JobID}[at]
			event, ref := next()
			require.Equal(t, "waiting "+name, event+" "+ref)
			require.NoError(t, b.d.ChangeRequest(req.JobID, func(q *duvo.HumanRequest) { q.Description = "Now." }))
			event, ref = next()
			if event == "gone" { // it was read while the service's policy was asked anew
				event, ref = next()
				require.Equal(t, "waiting", event)
				event = "changed"
			}
			require.Equal(t, "changed "+name, event+" "+ref)
			_, digest := b.shown(name)
			b.ok("deny", name, "--digest", digest, "-y")
			event, ref = next()
			require.Equal(t, "gone "+name, event+" "+ref)
			leave()
			require.False(t, lines.Scan())
			require.Zero(t, <-code)
		})
	}
}

// The token goes to the desk that was named and nowhere else, by whatever flag it came.
func TestTheTokenStays(t *testing.T) {
	b := atDuvoBench(t)
	var away []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		away = append(away, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	var seen []http.Header
	desk := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header)
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}))
	defer desk.Close()
	t.Setenv(envToken, "a-secret-token")
	file := write(t, "token", "another-token\n")
	for _, flags := range [][]string{nil, {"--desk-token-file", file}, {"--desk-header", "X-Person: @" + file}} {
		r := b.ctl(append([]string{"pending", "--desk", desk.URL}, flags...)...)
		require.Equal(t, exitAuth, r.code)
		require.NotContains(t, r.out+r.errs, "-token\"")
		require.NotContains(t, r.out+r.errs, "secret")
	}
	require.Empty(t, away, "a redirect is not followed")
	require.Equal(t, "Bearer a-secret-token", seen[0].Get("Authorization"))
	require.Equal(t, "Bearer another-token", seen[1].Get("Authorization"))
	require.Equal(t, "another-token", seen[2].Get("X-Person"))
	for _, flags := range [][]string{{"--desk-token-file", "/nowhere"}, {"--desk-header", "nothing"}, {"--desk-header", "X: @/nowhere"}} {
		require.Equal(t, exitError, b.ctl(append([]string{"pending", "--desk", desk.URL}, flags...)...).code)
	}
}

// What cannot be sent to a desk is refused before anything is, and never repeated: who
// slips in writing a header, a token or an address has written a secret.
func TestAMalformedSecretIsNotRepeated(t *testing.T) {
	b := atDeskBench(t)
	for name, c := range map[string]struct {
		token, want string
		args        []string
	}{
		"a header without a colon": {"", "number 2 is no header", []string{"--desk-header", "X-Person: kim", "--desk-header", "Authorization Bearer hunter2"}},
		"a value as a name":        {"", "is no header", []string{"--desk-header", "Bearer hunter2: x"}},
		"a value of two lines":     {"", "no header can carry", []string{"--desk-header", "X-Token: hunter2\nX: y"}},
		"a token of two lines":     {"hunter2\nX: y", "no header can carry", nil},
		"an address without //":    {"", "is no address", []string{"--desk", "kim:hunter2@desk.example.com"}},
	} {
		t.Setenv(envToken, c.token)
		r := b.ctl(append([]string{"pending", "--desk", "https://127.0.0.1:1/desk"}, c.args...)...)
		require.Equal(t, exitError, r.code, name)
		require.Contains(t, r.errs, c.want, name)
		require.NotContains(t, r.out+r.errs, "hunter2", name)
	}
}

// A desk whose answer to a decision is lost is asked what it knows; nothing is sent
// twice.
func TestADeskWhoseAnswerIsLost(t *testing.T) {
	b := atDeskBench(t)
	req := b.starts("refunds", "Refund 120 EUR|")
	ref, digest := b.shown(req.JobID)
	there := b.desk
	var posts int
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out, err := http.NewRequestWithContext(r.Context(), r.Method, there+strings.TrimPrefix(r.URL.String(), "/desk"), r.Body)
		if err != nil {
			panic(err)
		}
		out.Header = r.Header.Clone()
		res, err := http.DefaultClient.Do(out)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer func() { _ = res.Body.Close() }()
		if r.Method == http.MethodPost {
			posts++
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	}))
	defer broken.Close()
	defer http.DefaultClient.CloseIdleConnections()
	var out result
	b.json(exitError, "decision", &out, "approve", ref, "--digest", digest, "-y", "--desk", broken.URL+"/desk")
	require.Equal(t, endUnknown, out.Ending)
	require.Contains(t, out.Text, "The desk says now: it was approved by "+kim)
	require.Equal(t, 1, posts)
	require.Equal(t, 1, b.sent())
}

// Pages between which something was decided do not fit together, and are read anew.
func TestPagesThatChange(t *testing.T) {
	for name, first := range map[string]struct{ matching, ref string }{"another number": {"3", ""}, "the same twice": {"2", "2"}} {
		t.Run(name, func(t *testing.T) {
			b := atDuvoBench(t)
			reads := 0
			desk := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				reads++
				page := r.URL.Query().Get("page")
				ref, matching, next := page, "2", `"next":2,`
				if reads == 1 {
					matching, ref = first.matching, cmp.Or(first.ref, ref)
				}
				if page == "2" {
					next = ""
				}
				_, _ = io.WriteString(w, `{`+next+`"matching":`+matching+`,"requests":[{"ref":"`+ref+`","digest":"00","decide":true,"request":{"job_id":"j","id":"i","kind":"approval","title":"t","input":"","key":"k","assignment":{"id":"a","name":"n"}}}]}`)
			}))
			defer desk.Close()
			lines := b.json(0, "pending", nil, "pending", "--desk", desk.URL)
			require.Equal(t, 4, reads)
			require.Equal(t, 2, strings.Count(lines[0], `"at":"desk"`))
		})
	}
}

// A shell is offered what there is.
func TestCompletion(t *testing.T) {
	b := atDeskBench(t)
	req := b.starts("refunds", "Refund 120 EUR|")
	offers := func(args ...string) []string {
		return strings.Split(b.ok(append([]string{"__complete"}, args...)...), "\n")
	}
	for _, verb := range []string{"show", "approve", "deny", "answer"} {
		require.Contains(t, offers(verb, ""), inbox.Ref(req)+"\tRefunds: Refund 120 EUR")
	}
	require.Contains(t, offers("run", ""), refundsID+"\tRefunds")
	require.Contains(t, offers("jobs", "--assignment", ""), refundsID+"\tRefunds")
	require.Contains(t, offers("watch", ""), req.JobID+"\twaiting Refunds")
	require.Contains(t, offers("stop", ""), req.JobID+"\twaiting Refunds")
	require.Contains(t, offers("hold", ""), "status")
	require.False(t, slices.ContainsFunc(offers("show", "x", ""), func(s string) bool { return strings.HasPrefix(s, inbox.Ref(req)) }))
	t.Setenv(envToken, "")
	require.False(t, slices.ContainsFunc(offers("show", ""), func(s string) bool { return strings.HasPrefix(s, inbox.Ref(req)) }))
	require.Contains(t, b.ok("completion", "bash"), "__start_duvoctl")
}
