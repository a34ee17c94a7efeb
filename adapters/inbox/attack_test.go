package inbox_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// evil is a text that does something wherever it is not shown as a text.
const evil = `</title><script>alert(1)</script><img src=x onerror=alert(1)>"'` + "`" + ` onmouseover=alert(1) <a href="javascript:alert(1)">x</a>{{.}}</textarea></style>`

// harmless makes sure that a page holds a text of ours, and nothing that it would do.
func harmless(t *testing.T, what string, page string) {
	t.Helper()
	for _, bad := range []string{"<script>alert", "<img", `href="javascript:`, `"javascript:`, "</textarea></style>", `" onmouseover`, `' onmouseover`} {
		require.NotContains(t, page, bad, what)
	}
}

// evilDesk is a desk where every text that there is is evil: an approval and questions
// that wait, and one of each that was decided.
func evilDesk(t *testing.T) (*inbox.Desk, []string) {
	approval := hitl.Request{JobID: "job-1" + evil, ID: "request-1" + evil, Kind: duvo.Approval, Title: evil, Description: evil, Assignment: duvo.Assignment{ID: "a" + evil, Name: evil},
		BuildID: evil, Folder: evil, Input: evil, FollowUp: evil, Caller: hitl.Caller{User: evil, Tenant: evil}, Key: evil, FirstSeen: time.Now()}
	question := approval
	question.ID, question.Kind = "request-2"+evil, duvo.Question
	question.Questions = []duvo.QuestionItem{{Question: evil, Header: evil, Options: []duvo.Choice{{Label: evil, Description: evil}, {Label: "No", Description: evil}}},
		{Question: evil + "2", Header: evil, MultiSelect: true, Options: []duvo.Choice{{Label: evil, Description: evil}}}, {Question: evil + "3"}}
	unknown := approval
	unknown.ID, unknown.Kind = "request-3"+evil, duvo.RequestType(evil)
	var c chained
	for n, r := range []hitl.Request{approval, question} {
		record := past(n)
		record.JobID, record.RequestID, record.Title, record.Assignment, record.AssignmentID = r.JobID, "past"+evil, evil, evil, evil
		record.By, record.People, record.Reason, record.Path, record.BuildID = evil, []string{evil}, evil, evil, evil
		record.Source, record.Verdict, record.Caller, record.Digest = hitl.Source(evil), []string{"approved", evil}[n], r.Caller, evil
		record.Answers = map[string]string{evil: evil}
		c.add(record)
		c.add(audit.Record{Event: audit.Outcome, JobID: record.JobID, Outcome: "completed" + evil})
		c.add(audit.Record{Event: audit.Delivered, JobID: record.JobID, RequestID: record.RequestID, Delivery: hitl.Delivery(evil)})
	}
	path := t.TempDir() + "/audit.jsonl"
	writeFile(t, path, c.Bytes())
	all := crowd{approval, question, unknown}
	desk, err := inbox.New(inbox.Config{Registries: []inbox.Registry{all}, May: inbox.Everyone, BasePath: "/desk", Title: evil, SignIn: "/in?" + evil, SignOut: "/out?" + evil,
		Person: func(r *http.Request) (inbox.Person, error) {
			if r.Header.Get("X-Person") == "" {
				return inbox.Person{}, inbox.ErrNotSignedIn
			}
			return inbox.Person{Login: evil, Name: evil}, nil
		}, Audit: inbox.AuditFile(path), Deadline: func(hitl.Request) (time.Time, string) { return time.Now().Add(time.Hour), evil }})
	require.NoError(t, err)
	t.Cleanup(desk.Close)
	refs := []string{inbox.Ref(approval), inbox.Ref(question), inbox.Ref(unknown)}
	for _, ref := range refs {
		post(t, desk, "/requests/"+ref+"/notes", url.Values{"note": {evil}})
	}
	return desk, refs
}

// post sends a form from the desk itself.
func post(t *testing.T, desk *inbox.Desk, path string, form url.Values) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("X-Person", kim)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	desk.ServeHTTP(w, r)
	return w
}

// Whoever wrote a text, and wherever it is shown, it is a text.
func TestEveryTextIsAText(t *testing.T) {
	desk, refs := evilDesk(t)
	q := url.QueryEscape(evil)
	paths := []string{"/", "/?show=all&find=&assignment=" + url.QueryEscape("a"+evil), "/?find=" + q, "/history", "/history?by=" + q + "&assignment=" + q + "&since=" + q + "&until=" + q + "&verdict=" + q,
		"/history/" + inbox.Ref(hitl.Request{JobID: "job-1" + evil, ID: "past" + evil}), "/" + url.PathEscape(evil), "/requests/" + url.PathEscape(evil), "/batch?request=" + q,
		"/?keep=" + q, "/batch?request=" + strings.Join(refs, "&request=")}
	for _, ref := range refs {
		paths = append(paths, "/requests/"+ref, "/requests/"+ref+"?whole=1")
	}
	shown := 0
	for _, path := range paths {
		for _, who := range []string{kim, ""} {
			page := serve(t, desk, who, path).Body.String()
			harmless(t, path+" for "+who, page)
			if strings.Contains(page, "&lt;script&gt;alert(1)") {
				shown++
			}
		}
	}
	require.Greater(t, shown, len(paths))
	for _, ref := range refs { // what was sent and is not taken is shown again
		for _, verdict := range []string{"approve", "deny", "answer", evil} {
			form := url.Values{"verdict": {verdict}, "display": {evil}, "reason": {evil}, "q1": {evil}, "q2": {evil}, "q3": {evil}, "request": {ref},
				"display-" + ref: {evil}, "verdict-" + ref: {verdict}, "reason-" + ref: {evil}, "q1-" + ref: {evil}, "q3-" + ref: {evil}}
			for _, path := range []string{"/requests/" + ref, "/batch"} {
				harmless(t, path+" after "+verdict, post(t, desk, path, form).Body.String())
			}
		}
	}
}

// A path that says something else than it seems to leads nowhere, and to nothing that
// the desk has not.
func TestPathTricks(t *testing.T) {
	b := newBench(t, nil)
	ref := b.start("refunds", "Refund 120 EUR|")
	display := b.display(b.open(kim, ref), "display")
	yes := url.Values{"display": {display}, "verdict": {"approve"}}
	for _, path := range []string{"/requests/..%2f" + ref, "/requests/" + ref + "%00", "/requests/" + ref + "/", "/requests/%2e%2e/history", "/requests//" + ref, "/requests/" + strings.ToUpper(ref),
		"/requests/" + ref + "%2f..%2f" + ref, "/assets/..%2fdesk.go", "/assets/%2e%2e/%2e%2e/etc/passwd", "/assets/../desk.go", "/history/..%2f..%2fetc%2fpasswd", "/requests/" + ref + ";x=1",
		"/requests/" + ref + "%20", "/%2e%2e/%2e%2e/etc/passwd", "/api/requests/..%2f" + ref, "//evil.example.com/", "/requests/" + ref + "%3fwhole=1", "/" + strings.Repeat("a/", 3000)} {
		for _, method := range []string{"GET", "POST"} {
			var form url.Values
			if method == "POST" {
				form = yes
			}
			r := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(form.Encode()))
			r.URL.Opaque, r.Header = "", http.Header{"X-Person": {kim}, "Sec-Fetch-Site": {"same-origin"}, "Content-Type": {"application/x-www-form-urlencoded"}}
			to, err := url.ParseRequestURI(path)
			require.NoError(t, err, path)
			r.URL, r.RequestURI = to, path
			w := httptest.NewRecorder()
			b.desk.ServeHTTP(w, r)
			require.Zero(t, b.responses(), "%s %s", method, path)
			require.NotContains(t, w.Body.String(), "package inbox", path)
			require.NotContains(t, w.Body.String(), "root:", path)
			require.NotContains(t, w.Header().Get("Location"), "//evil", path)
			if w.Code == http.StatusOK {
				require.NotContains(t, w.Body.String(), `value="approve"`, "%s %s", method, path)
			}
		}
	}
	require.Len(t, b.reg.Pending(), 1)
}

// What a browser fetches beforehand, or a program that shows what a link leads to,
// decides nothing, whatever the address says.
func TestLooksDecideNothing(t *testing.T) {
	b := newBench(t, nil)
	ref := b.start("refunds", "Refund 120 EUR|")
	display := b.display(b.open(kim, ref), "display")
	said := url.Values{"display": {display}, "verdict": {"approve"}, "request": {ref}, "display-" + ref: {display}, "verdict-" + ref: {"approve"}, "_method": {"POST"}, "note": {"x"}}.Encode()
	for _, path := range []string{"/requests/" + ref, "/batch", "/requests/" + ref + "/notes", "/api/decisions", "/api/requests/" + ref, "/api/requests/" + ref + "/notes", "/history/" + ref, "/"} {
		for name, headers := range map[string]map[string]string{
			"a link":            nil,
			"prefetch":          {"Purpose": "prefetch"},
			"speculation":       {"Sec-Purpose": "prefetch;prerender", "Sec-Fetch-Site": "same-origin"},
			"Firefox":           {"X-Moz": "prefetch"},
			"preview":           {"X-Purpose": "preview"},
			"a link's preview":  {"User-Agent": "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"},
			"a mail's scanner":  {"User-Agent": "Mozilla/5.0 (compatible; SafeLinks)", "Sec-Fetch-Site": "none"},
			"another's method":  {"X-HTTP-Method-Override": "POST", "X-Method-Override": "POST"},
			"from another site": {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
		} {
			for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
				b.as(kim, method, path+"?"+said, nil, func(r *http.Request) {
					for k, v := range headers {
						r.Header.Set(k, v)
					}
				})
				require.Zero(t, b.responses(), "%s %s %s", name, method, path)
			}
		}
	}
	require.Len(t, b.reg.Pending(), 1)
	require.NotContains(t, b.open(kim, ref).text, ">x<", "no note either")
	b.decide(kim, ref, b.open(kim, ref), url.Values{"verdict": {"approve"}})
	require.Equal(t, 1, b.responses())
}

// Every answer, whatever it is, forbids to be framed, sniffed, kept, and to load
// anything from elsewhere.
func TestHeadersOfEveryAnswer(t *testing.T) {
	desk := crowdedDesk(t, 3, func(c *inbox.Config) {
		c.May = func(context.Context, inbox.Person, hitl.Request) inbox.Access { return inbox.Seen }
	})
	for _, who := range []string{kim, ""} {
		for _, path := range []string{"/", "/nothing", "/requests/x", "/history", "/api/requests", "/api/nothing", "/api/openapi.json", "/batch"} {
			h := serve(t, desk, who, path).Header()
			require.Equal(t, "DENY", h.Get("X-Frame-Options"), path)
			require.Contains(t, h.Get("Content-Security-Policy"), "frame-ancestors 'none'", path)
			require.NotContains(t, h.Get("Content-Security-Policy"), "unsafe", path)
			require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
			require.Equal(t, "no-store", h.Get("Cache-Control"), path)
		}
	}
}
