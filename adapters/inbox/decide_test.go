package inbox_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

const kim, lee = "kim@example.com", "lee@example.com"

// decide sends a decision from the page of a request.
func (b *bench) decide(who, ref string, page shownPage, fields url.Values) shownPage {
	b.Helper()
	form := url.Values{"display": {b.display(page, "display")}}
	for k, v := range fields {
		form[k] = v
	}
	return b.as(who, "POST", "/requests/"+ref, form)
}

func (b *bench) open(who, ref string) shownPage { return b.as(who, "GET", "/requests/"+ref, nil) }

// change changes the text of the request that waits.
func (b *bench) change(title string) {
	b.Helper()
	require.NoError(b, b.d.ChangeRequest(b.reg.Pending()[0].JobID, func(q *duvo.HumanRequest) { q.Title = title }))
	require.Eventually(b, func() bool { return len(b.reg.Pending()) == 1 && b.reg.Pending()[0].Title == title }, eventually, tick)
}

// A denial reaches the Job with nobody's approval, and its reason stays.
func TestDenyWithAReason(t *testing.T) {
	b := newBench(t, nil)
	ref := b.start("refunds", "Refund 120 EUR|")
	done := b.decide(kim, ref, b.open(kim, ref), url.Values{"verdict": {"deny"}, "reason": {"Only one lamp is broken."}})
	require.Contains(t, done.text, "Denied")
	require.Contains(t, done.text, "Only one lamp is broken.")
	require.Equal(t, 1, b.responses())
}

// Who goes on to the next request is told what became of the one before, and nobody else
// is.
func TestTheNextRequestTellsOfTheOneBefore(t *testing.T) {
	b := newBench(t, nil)
	first := b.start("refunds", "Refund 120 EUR|")
	second := b.start("refunds", "Refund 7 EUR|")
	next := b.decide(kim, first, b.open(kim, first), url.Values{"verdict": {"approve"}, "next": {"1"}})
	require.Contains(t, next.text, "Refund 7 EUR")
	require.Contains(t, next.text, "“Refund 120 EUR” is approved by "+kim)
	require.NotContains(t, b.as(lee, "GET", "/requests/"+second+"?after="+first, nil).text, "“Refund 120 EUR”")
}

// A text that changed after it was shown is shown again, with what is different, and
// what was chosen for the old one does not count.
func TestAStalePageCannotAct(t *testing.T) {
	b := newBench(t, nil)
	ref := b.start("refunds", "Refund 120 EUR|")
	old := b.open(kim, ref)
	b.change("Refund 12,000 EUR")
	res := b.decide(kim, ref, old, url.Values{"verdict": {"approve"}, "reason": {"fine"}})
	require.Equal(t, http.StatusConflict, res.status)
	require.Contains(t, res.text, "Nothing was sent. The text changed")
	require.Contains(t, res.text, "<del")
	require.Contains(t, res.text, "<ins")
	require.Contains(t, res.text, ">fine</textarea>", "the reason stays")
	require.NotRegexp(t, `value="approve"[^>]*checked`, res.text)
	require.Zero(t, b.responses())
	res = b.decide(kim, ref, res, url.Values{"verdict": {"approve"}})
	require.Equal(t, 1, b.responses(), res.text)
}

// Of two who decide at once one wins, and the other is told who.
func TestTwoRace(t *testing.T) {
	b := newBench(t, nil)
	ref := b.start("refunds", "Refund 120 EUR|")
	pages := map[string]shownPage{kim: b.open(kim, ref), lee: b.open(lee, ref)}
	results := map[string]shownPage{}
	var mu sync.Mutex
	var both sync.WaitGroup
	for who, page := range pages {
		both.Go(func() {
			res := b.decide(who, ref, page, url.Values{"verdict": {map[string]string{kim: "approve", lee: "deny"}[who]}})
			mu.Lock()
			defer mu.Unlock()
			results[who] = res
		})
	}
	both.Wait()
	require.Equal(t, 1, b.responses())
	lost := 0
	for who, res := range results {
		if strings.Contains(res.text, "Nothing was sent") {
			lost++
			other := map[string]string{kim: lee, lee: kim}[who]
			require.Contains(t, res.text, other)
		}
	}
	require.Equal(t, 1, lost)
	require.Contains(t, b.open(kim, ref).text, "Decided by", "its permalink is the record")
}

// What nobody was shown, or not whole, is not approved.
func TestWhatWasNotShown(t *testing.T) {
	b := newBench(t, nil)
	ref := b.start("refunds", "Refund 120 EUR|"+strings.Repeat("A long story. ", 200)+"And then everything else.")
	other := b.start("refunds", "Refund 1 EUR|")
	page := b.open(kim, ref)
	require.NotContains(t, page.text, "And then everything else.")
	require.NotContains(t, page.text, `value="approve"`)
	for name, form := range map[string]url.Values{
		"no display":        {"verdict": {"approve"}},
		"nonsense":          {"verdict": {"approve"}, "display": {"x.y"}},
		"another request's": {"verdict": {"approve"}, "display": {b.display(b.open(kim, other), "display")}},
		"another person's":  {"verdict": {"approve"}, "display": {b.display(b.as(lee, "GET", "/requests/"+ref+"?whole=1", nil), "display")}},
		"not whole":         {"verdict": {"approve"}, "display": {b.display(page, "display")}},
		"no verdict":        {"display": {b.display(page, "display")}},
		"answers":           {"verdict": {"answer"}, "display": {b.display(page, "display")}},
		"a long reason":     {"verdict": {"deny"}, "display": {b.display(page, "display")}, "reason": {strings.Repeat("x", 2001)}},
	} {
		res := b.as(kim, "POST", "/requests/"+ref, form)
		require.Contains(t, res.text, "Nothing was sent", name)
		require.GreaterOrEqual(t, res.status, 400, name)
	}
	require.Zero(t, b.responses())
	whole := b.as(kim, "GET", "/requests/"+ref+"?whole=1", nil)
	require.Contains(t, whole.text, "And then everything else.")
	require.NotContains(t, b.decide(kim, ref, whole, url.Values{"verdict": {"approve"}}).text, "Nothing was sent")
	require.Equal(t, 1, b.responses())
}

// Questions are answered by their options and in words; what does not fit is told, and
// what was filled in stays.
func TestQuestions(t *testing.T) {
	b := newBench(t, nil)
	ref := b.start("addresses", "Order 4698")
	res := b.decide(kim, ref, b.open(kim, ref), url.Values{"verdict": {"answer"}, "q1": {"Linden Street 4"}, "q3": {"A day later."}})
	require.Equal(t, http.StatusUnprocessableEntity, res.status)
	require.Contains(t, res.text, "A day later.")
	require.Zero(t, b.responses())
	res = b.decide(kim, ref, res, url.Values{"verdict": {"answer"}, "q1": {"Linden Street 4"}, "q2": {"Parcel 1", "Parcel 3"}, "q3": {"A day later."}})
	require.Contains(t, res.text, "Answered")
	require.Contains(t, res.text, "Parcel 1, Parcel 3")
	require.Equal(t, 1, b.responses())
}

// Several are decided at once, or none: one that changed holds all back.
func TestSeveralAtOnce(t *testing.T) {
	b := newBench(t, nil)
	first := b.start("refunds", "Refund 1 EUR|")
	page := b.as(kim, "GET", "/batch?request="+first, nil)
	b.change("Refund 1,000 EUR")
	second := b.start("refunds", "Refund 2 EUR|")
	third := b.start("refunds", "Refund 3 EUR|")
	both := b.as(kim, "GET", "/batch?request="+second+"&request="+third, nil)
	form := url.Values{"request": {first, second, third},
		"display-" + first: {b.display(page, "display-"+first)}, "verdict-" + first: {"approve"},
		"display-" + second: {b.display(both, "display-"+second)}, "verdict-" + second: {"deny"}, "reason-" + second: {"Not two."},
		"display-" + third: {b.display(both, "display-"+third)}, "verdict-" + third: {"later"}}
	res := b.as(kim, "POST", "/batch", form)
	require.Equal(t, http.StatusConflict, res.status)
	require.Contains(t, res.text, "1 of the 2 could not be sent")
	require.Contains(t, res.text, "You had chosen to approve")
	require.Contains(t, res.text, `value="Not two."`)
	require.Regexp(t, `name="verdict-`+second+`" value="deny" checked`, res.text)
	require.Zero(t, b.responses())

	form.Set("display-"+first, b.display(res, "display-"+first))
	res = b.as(kim, "POST", "/batch", form)
	require.Equal(t, http.StatusOK, res.status)
	require.Equal(t, 2, b.responses())
	require.Len(t, b.reg.Pending(), 1, "one was left for later")
	require.Equal(t, http.StatusUnprocessableEntity, b.as(kim, "POST", "/batch", url.Values{"request": {third}}).status)
}

// Nobody is shown what they may not see, or can act on what they may only read.
func TestAccess(t *testing.T) {
	b := newBench(t, func(c *inbox.Config) {
		c.NotOwn = true
		c.May = func(_ context.Context, p inbox.Person, r hitl.Request) inbox.Access {
			switch {
			case p.Login == lee:
				return inbox.Seen
			case p.Login == "eve@example.com":
				return inbox.Hidden
			}
			return inbox.Decide
		}
	})
	ref := b.start("refunds", "Refund 120 EUR|")
	display := b.display(b.open(kim, ref), "display")
	for _, path := range []string{"/?show=all", "/requests/" + ref, "/history", "/history/" + ref, "/api/requests?show=all", "/api/requests/" + ref, "/batch?request=" + ref, "/?keep=" + ref} {
		require.NotContains(t, b.as("eve@example.com", "GET", path, nil).text, "Refund 120", path)
	}
	require.Contains(t, b.as(lee, "GET", "/?show=all", nil).text, "Refund 120 EUR")
	require.NotContains(t, b.as(lee, "GET", "/", nil).text, "Refund 120 EUR", "nothing they could act on")
	require.NotContains(t, b.open(lee, ref).text, `name="verdict"`)
	for _, who := range []string{lee, "eve@example.com"} {
		require.Contains(t, b.as(who, "POST", "/requests/"+ref, url.Values{"display": {display}, "verdict": {"approve"}}).text, "Nothing was sent", who)
	}
	require.Contains(t, b.as("support-agent", "GET", "/requests/"+ref, nil).text, `name="verdict"`)
	require.Zero(t, b.responses())
}

// Nothing decides that a person did not send from the desk.
func TestForeignAndForged(t *testing.T) {
	b := newBench(t, nil)
	ref := b.start("refunds", "Refund 120 EUR|")
	display := b.display(b.open(kim, ref), "display")
	yes := url.Values{"display": {display}, "verdict": {"approve"}}
	for name, change := range map[string]func(*http.Request){
		"another site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a sibling":    func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"another origin": func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "https://evil.example.com")
		},
		"nobody":          func(r *http.Request) { r.Header.Del("X-Person") },
		"a null origin":   func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
		"a GET":           func(r *http.Request) { r.Method = "GET"; r.URL.RawQuery = yes.Encode() },
		"a HEAD":          func(r *http.Request) { r.Method = "HEAD"; r.URL.RawQuery = yes.Encode() },
		"a PUT":           func(r *http.Request) { r.Method = "PUT" },
		"a form as JSON":  func(r *http.Request) { r.URL.Path = "/desk/api/decisions" },
		"an empty person": func(r *http.Request) { r.Header.Set("X-Person", "\u200b") },
	} {
		res := b.as(kim, "POST", "/requests/"+ref, yes, change)
		require.Zero(t, b.responses(), "%s: %d %s", name, res.status, res.text)
	}
	require.Len(t, b.reg.Pending(), 1)
}

// Texts are shown as texts, and what is invisible in them as a mark.
func TestNothingOfDuvosIsInterpreted(t *testing.T) {
	b := newBench(t, nil)
	evil := `<script>alert(1)</script><img src=x onerror=alert(1)>"'><a href="javascript:alert(1)">x</a>{{.}}`
	ref := b.start("refunds", evil+"\u202e|"+evil+"\u200b")
	for _, path := range []string{"/", "/requests/" + ref, "/batch?request=" + ref} {
		page := b.as(kim, "GET", path, nil)
		require.NotContains(t, page.text, "<script>alert", path)
		require.NotContains(t, page.text, "<img", path)
		require.NotContains(t, page.text, `href="javascript:`, path)
		require.Contains(t, page.text, "<mark>U&#43;202E</mark>", path)
		require.NotContains(t, page.text, "\u202e", path)
		require.Contains(t, page.header.Get("Content-Security-Policy"), "default-src 'none'")
		require.Equal(t, "DENY", page.header.Get("X-Frame-Options"))
		require.Equal(t, "no-store", page.header.Get("Cache-Control"))
	}
	b.as(kim, "POST", "/requests/"+ref+"/notes", url.Values{"note": {evil}})
	require.NotContains(t, b.open(kim, ref).text, "<script>alert")
	b.decide(kim, ref, b.open(kim, ref), url.Values{"verdict": {"deny"}, "reason": {evil}})
	for _, path := range []string{"/history", "/history/" + ref} {
		require.NotContains(t, b.as(kim, "GET", path, nil).text, "<script>alert", path)
	}
}

// Without somebody who tells who decides there is no desk.
func TestNewFailsClosed(t *testing.T) {
	b := newBench(t, nil)
	good := inbox.Config{Registries: []inbox.Registry{b.reg}, Person: person, May: inbox.Everyone}
	for name, change := range map[string]func(*inbox.Config){
		"no registry":    func(c *inbox.Config) { c.Registries = nil },
		"a nil registry": func(c *inbox.Config) { c.Registries = []inbox.Registry{nil} },
		"no person":      func(c *inbox.Config) { c.Person = nil },
		"no access":      func(c *inbox.Config) { c.May = nil },
		"a bad path":     func(c *inbox.Config) { c.BasePath = "desk/" },
	} {
		c := good
		change(&c)
		_, err := inbox.New(c)
		require.Error(t, err, name)
	}
	panics := b.as(kim, "GET", "/", nil, func(r *http.Request) { r.Header.Set("X-Person", "") })
	require.Equal(t, http.StatusUnauthorized, panics.status)
	require.NotContains(t, panics.text, "Waiting")
}
