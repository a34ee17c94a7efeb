package inbox_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

const refundsID = "6f1e02c9-0000-4000-8000-000000000001"

// asks is an Assignment whose Jobs ask for what their input says.
var asks = duvotest.Assignment{ID: refundsID, Name: "Refunds", Script: func(j *duvotest.Job) {
	title, description, _ := strings.Cut(j.Input(), "|")
	if j.AskApproval(title, description) {
		j.Complete("Refunded.")
	}
	j.Complete("Not refunded.")
}}

var surveys = duvotest.Assignment{ID: "6f1e02c9-0000-4000-8000-000000000002", Name: "Addresses", Script: func(j *duvotest.Job) {
	j.Ask("Which delivery address is right?", "The order and the e-mail name different streets.", duvo.QuestionItem{Question: "Which address?", Header: "Address", Options: []duvo.Choice{{Label: "Linden Street 4", Description: "on the order"}, {Label: "Linden Street 14"}}},
		duvo.QuestionItem{Question: "Which parcels?", MultiSelect: true, Options: []duvo.Choice{{Label: "Parcel 1"}, {Label: "Parcel 2"}, {Label: "Parcel 3"}}},
		duvo.QuestionItem{Question: "What is the customer told?"})
	j.Complete("Sent.")
}}

// A bench is a registry with a desk on it, and a browser without JavaScript for each
// person.
type bench struct {
	*testing.T
	d    *duvotest.Duvo
	reg  *duvotool.Registry
	desk *inbox.Desk
	http *httptest.Server
	path string // of the audit
	log  *audit.File
}

// person tells by a header who makes a request.
func person(r *http.Request) (inbox.Person, error) {
	if who := r.Header.Get("X-Person"); who != "" {
		return inbox.Person{Login: who}, nil
	}
	return inbox.Person{}, inbox.ErrNotSignedIn
}

func newBench(t *testing.T, change func(*inbox.Config)) *bench {
	return newBenchOf(t, httptest.NewUnstartedServer(nil), hitl.PolicyFunc(suspend), change)
}

func suspend(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil }

// newBenchOf is newBench with another policy, on a server whose address is known.
func newBenchOf(t *testing.T, server *httptest.Server, policy hitl.Policy, change func(*inbox.Config)) *bench {
	b := &bench{T: t, d: duvotest.New(duvotest.WithAssignments(asks, surveys))}
	t.Cleanup(b.d.Close)
	b.path = t.TempDir() + "/audit.jsonl"
	log, err := audit.OpenFile(b.path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, log.Close()) })
	b.log = log
	b.reg, err = duvotool.Discover(t.Context(), b.d.Client(), duvotool.WithPolicy(policy), duvotool.WithPollInterval(5*time.Millisecond), duvotool.WithAudit(log), duvotool.WithAuditTexts())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.reg.Close(context.Background())) })
	cfg := inbox.Config{Registries: []inbox.Registry{b.reg}, Person: person, May: inbox.Everyone, BasePath: "/desk"}
	cfg.Audit = inbox.AuditFile(b.path)
	if change != nil {
		change(&cfg)
	}
	b.desk, err = inbox.New(cfg)
	require.NoError(t, err)
	t.Cleanup(b.desk.Close)
	b.http = server
	b.http.Config.Handler = http.StripPrefix("/desk", b.desk)
	b.http.Start()
	t.Cleanup(func() {
		b.http.CloseClientConnections()
		b.http.Close()
	})
	return b
}

var started atomic.Int64

// start starts a Job that asks, and returns the name of its request at the desk.
func (b *bench) start(tool, input string) (ref string) {
	b.Helper()
	before := b.reg.Pending()
	call, err := b.reg.Tool(tool)
	require.NoError(b, err)
	_, err = call.Run(duvotool.WithOperationKey(b.Context(), fmt.Sprint(started.Add(1))), input)
	require.NoError(b, err)
	require.Eventually(b, func() bool { return len(b.reg.Pending()) == len(before)+1 }, 30*time.Second, time.Millisecond)
	for _, r := range b.reg.Pending() {
		if r.Input == input {
			return inbox.Ref(r)
		}
	}
	b.Fatal("it does not wait")
	return ""
}

// A shownPage is what a browser got.
type shownPage struct {
	status int
	header http.Header
	text   string
	path   string
}

// as makes a request of a person.
func (b *bench) as(who, method, path string, form url.Values, change ...func(*http.Request)) shownPage {
	b.Helper()
	var body *strings.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	} else {
		body = strings.NewReader("")
	}
	r, err := http.NewRequestWithContext(b.Context(), method, b.http.URL+"/desk"+path, body)
	require.NoError(b, err)
	r.Header.Set("X-Person", who)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for _, c := range change {
		c(r)
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(b, err)
	defer func() { _ = res.Body.Close() }()
	var text strings.Builder
	buf := make([]byte, 64<<10)
	for {
		n, err := res.Body.Read(buf)
		text.Write(buf[:n])
		if err != nil {
			break
		}
	}
	return shownPage{res.StatusCode, res.Header, text.String(), res.Request.URL.Path}
}

// display finds the proof of the display in a page.
func (b *bench) display(p shownPage, name string) string {
	b.Helper()
	m := regexp.MustCompile(`name="` + name + `" value="([^"]+)"`).FindStringSubmatch(p.text)
	require.NotNil(b, m, "no %s in the page:\n%s", name, p.text)
	return m[1]
}

// responses are what Duvo was sent, by title.
func (b *bench) responses() int { return b.d.Count("respondToHumanRequest") }

// What waits is listed, shown whole and approved; the record then tells who.
func TestApprove(t *testing.T) {
	b := newBench(t, nil)
	ref := b.start("refunds", "Refund 120 EUR|For order 4711.")
	list := b.as("kim@example.com", "GET", "/", nil)
	require.Equal(t, http.StatusOK, list.status)
	require.Contains(t, list.text, "Refund 120 EUR")
	page := b.as("kim@example.com", "GET", "/requests/"+ref, nil)
	require.Contains(t, page.text, "For order 4711.")
	require.Contains(t, page.text, "Sent as kim@example.com")
	require.NotRegexp(t, `value="approve"[^>]*checked`, page.text)
	done := b.as("kim@example.com", "POST", "/requests/"+ref, url.Values{"display": {b.display(page, "display")}, "verdict": {"approve"}, "reason": {"The lamp is broken."}})
	require.Equal(t, http.StatusOK, done.status, done.text)
	require.Contains(t, done.text, "Approved")
	require.Contains(t, done.text, "kim@example.com")
	require.Contains(t, done.text, "The lamp is broken.")
	require.Equal(t, 1, b.responses())
	require.Empty(t, b.reg.Pending())
	past := b.as("lee@example.com", "GET", "/history?by=kim@example.com", nil)
	require.Contains(t, past.text, "Refund 120 EUR")
	require.NotContains(t, b.as("lee@example.com", "GET", "/history?by=sam@example.com", nil).text, "Refund 120 EUR")
}
