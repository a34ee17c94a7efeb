package inbox_test

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// A browser is a real one, with a page of one person's.
type browser struct {
	*bench
	ctx context.Context
}

// chromium finds the browser. Where DUVOTOOL_BROWSER is set, these tests have to run.
func chromium(t *testing.T) string {
	if testing.Short() {
		t.Skip("a real browser takes half a minute")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("DUVOTOOL_BROWSER") != "" {
		t.Fatal("there is no Chromium, and DUVOTOOL_BROWSER says that there must be")
	}
	t.Skip("there is no Chromium here")
	return ""
}

// browse starts a browser of a person.
func (b *bench) browse(who string) *browser {
	b.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(b.T)), chromedp.NoSandbox, chromedp.WindowSize(1440, 900))
	all, end := chromedp.NewExecAllocator(b.Context(), opts...)
	b.Cleanup(end)
	first, endFirst := chromedp.NewContext(all)
	b.Cleanup(endFirst)
	ctx, cancel := context.WithTimeout(first, 2*time.Minute)
	b.Cleanup(cancel)
	w := &browser{b, ctx}
	w.run(network.Enable(), network.SetExtraHTTPHeaders(network.Headers{"X-Person": who}))
	return w
}

func (w *browser) run(actions ...chromedp.Action) {
	w.Helper()
	require.NoError(w, chromedp.Run(w.ctx, actions...))
}

func (w *browser) goTo(path string) {
	w.Helper()
	w.run(chromedp.Navigate(w.http.URL+"/desk"+path), chromedp.WaitVisible("#main"))
}

// sees waits until the page has a text.
func (w *browser) sees(text string) {
	w.Helper()
	var last string
	require.Eventually(w, func() bool {
		return chromedp.Run(w.ctx, chromedp.Text("body", &last)) == nil && strings.Contains(last, text)
	}, eventually, 20*time.Millisecond, "it does not show %q", text)
}

// value evaluates an expression in the page.
func value[T any](w *browser, expression string) (v T) {
	w.Helper()
	w.run(chromedp.Evaluate(expression, &v))
	return v
}

// What comes to wait is told without a reload; nothing moves until it is asked for.
func TestBrowserLive(t *testing.T) {
	b := newBench(t, nil)
	first := b.start("refunds", "Refund 1 EUR|")
	w := b.browse(kim)
	w.goTo("/")
	w.run(chromedp.WaitVisible("#live:not([hidden])"))
	top := value[float64](w, `document.querySelector('.row').getBoundingClientRect().top`)
	second := b.start("refunds", "Refund 2 EUR|")
	w.sees("1 new request")
	require.Equal(t, top, value[float64](w, `document.querySelector('.row').getBoundingClientRect().top`), "nothing moves")
	require.False(t, value[bool](w, `!!document.getElementById("r-`+second+`")`))
	w.run(chromedp.KeyEvent("r"))
	w.run(chromedp.WaitVisible("#r-" + second))
	b.decide(lee, first, b.open(lee, first), url.Values{"verdict": {"deny"}})
	w.run(chromedp.WaitVisible("#r-" + first + ".past"))
	w.sees("denied by " + lee)
	b.desk.Close()
	w.run(chromedp.WaitVisible("#live.off"))
	w.sees("Not live since")
}

// A person approves, and denies with a reason, by the mouse.
func TestBrowserDecides(t *testing.T) {
	b := newBench(t, nil)
	yes := b.start("refunds", "Refund 1 EUR|")
	no := b.start("refunds", "Refund 2 EUR|")
	w := b.browse(kim)
	w.goTo("/")
	w.run(chromedp.Click("#r-"+yes+" h2 a"), chromedp.WaitVisible("#decide"))
	require.False(t, value[bool](w, `!!document.querySelector('#decide :checked[name=verdict]')`), "nothing is chosen beforehand")
	w.run(chromedp.Click(`[value=approve]`), chromedp.Click(`#decide .send`), chromedp.WaitVisible(`main[data-request="`+no+`"]`)) // the next one
	require.Equal(t, 1, b.responses())
	w.run(chromedp.Click(`[value=deny]`), chromedp.SendKeys(`#decide textarea`, "Not twice."), chromedp.Click(`#decide .send`))
	w.sees("Not twice.")
	w.sees("Denied")
	require.Equal(t, 2, b.responses())
}

// Options and words answer questions.
func TestBrowserAnswers(t *testing.T) {
	b := newBench(t, nil)
	ref := b.start("addresses", "Order 4698")
	w := b.browse(kim)
	w.goTo("/requests/" + ref)
	w.run(chromedp.Click(`[value="Linden Street 14"]`), chromedp.Click(`[value="Parcel 1"]`), chromedp.Click(`[value="Parcel 3"]`), chromedp.SendKeys(`#q3`, "A day later."),
		chromedp.Click(`#decide .send`))
	w.sees("Parcel 1, Parcel 3")
	require.Equal(t, 1, b.responses())
}

// By the keyboard alone; Enter in a field sends nothing.
func TestBrowserKeyboard(t *testing.T) {
	b := newBench(t, nil)
	b.start("refunds", "Refund 1 EUR|"+strings.Repeat("A long story. ", 100))
	w := b.browse(kim)
	w.goTo("/")
	w.run(chromedp.KeyEvent("j"), chromedp.KeyEvent("o"), chromedp.WaitVisible("#decide"), chromedp.KeyEvent("a"))
	require.False(t, value[bool](w, `!!document.querySelector('#decide :checked[name=verdict]')`), "the text is not shown whole")
	w.run(chromedp.KeyEvent("s"), chromedp.WaitVisible(`[value=approve]`), chromedp.KeyEvent("n"), chromedp.KeyEvent("a note with a and d"))
	require.False(t, value[bool](w, `!!document.querySelector('#decide :checked[name=verdict]')`), "keys rest while typing")
	w.run(chromedp.Evaluate(`document.activeElement.blur()`, nil), chromedp.KeyEvent("a"), chromedp.KeyEvent(kb.Enter))
	require.Zero(t, b.responses(), "Enter sends nothing")
	w.run(chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(2)))
	w.sees("Approved")
	require.Equal(t, 1, b.responses())
}

// A page that was opened before the text changed tells so, and cannot act; of two
// browsers one wins.
func TestBrowserStaleAndRace(t *testing.T) {
	b := newBench(t, nil)
	ref := b.start("refunds", "Refund 120 EUR|")
	w := b.browse(kim)
	w.goTo("/requests/" + ref)
	w.run(chromedp.Click(`[value=approve]`))
	b.change("Refund 12,000 EUR")
	w.sees("The text has changed since you opened it.")
	w.run(chromedp.Click(`#decide .send`))
	w.sees("Nothing was sent. The text changed")
	require.Zero(t, b.responses())
	other := b.browse(lee)
	other.goTo("/requests/" + ref)
	w.run(chromedp.Click(`[value=approve]`), chromedp.Click(`#decide .send`))
	w.sees("Approved")
	other.sees("This waits no more.")
	other.run(chromedp.Click(`[value=deny]`), chromedp.Click(`#decide .send`))
	other.sees("approved by " + kim)
	require.Equal(t, 1, b.responses())
}

// A batch with one that has changed sends nothing, and keeps the other choices.
func TestBrowserBatch(t *testing.T) {
	b := newBench(t, nil)
	first := b.start("refunds", "Refund 120 EUR|")
	w := b.browse(kim)
	w.goTo("/")
	w.run(chromedp.Click(`#r-` + first + ` .pick input`))
	second := b.start("refunds", "Refund 2 EUR|")
	w.goTo("/batch?request=" + first + "&request=" + second)
	w.run(chromedp.Click(`[name="verdict-`+first+`"][value=approve]`), chromedp.Click(`[name="verdict-`+second+`"][value=deny]`))
	b.decide(lee, first, b.open(lee, first), url.Values{"verdict": {"deny"}})
	w.run(chromedp.Click(`.bar button[type=submit]`))
	w.sees("1 of the 2 could not be sent")
	w.sees("denied by " + lee)
	require.Equal(t, 1, b.responses(), "lee's alone")
	require.True(t, value[bool](w, `document.querySelector('[name="verdict-`+second+`"][value=deny]').checked`))
}

// Without JavaScript everything works.
func TestBrowserWithoutScripts(t *testing.T) {
	b := newBench(t, nil)
	first := b.start("refunds", "Refund 1 EUR|")
	second := b.start("refunds", "Refund 2 EUR|"+strings.Repeat("A long story. ", 100))
	w := b.browse(kim)
	w.run(emulation.SetScriptExecutionDisabled(true))
	w.goTo("/")
	w.run(chromedp.Click("#r-"+first+" h2 a"), chromedp.WaitVisible("#decide"), chromedp.Click(`[value=approve]`), chromedp.Click(`#decide .send`),
		chromedp.WaitVisible(`main[data-request="`+second+`"]`), chromedp.Click(`.shut a`), chromedp.WaitVisible(`[value=approve]`), chromedp.Click(`[value=approve]`), chromedp.Click(`#decide .send`))
	w.sees("Approved")
	require.Equal(t, 2, b.responses())
}

// On a phone nothing is wider than the screen.
func TestBrowserPhone(t *testing.T) {
	b := newVault(t)
	ref := b.start("refunds", "Refund 1 EUR for "+strings.Repeat("averylongword", 20)+"|"+strings.Repeat("wide", 100))
	b.as(lee, "POST", "/hold", url.Values{"hold": {"on"}, "reason": {"A wrong price list. " + strings.Repeat("wide", 100)}})
	w := b.browse("a.person.with.a.long.name@a-long-name.example.com")
	for _, width := range []int64{320, 390, 768, 1440} {
		w.run(chromedp.EmulateViewport(width, 800))
		for _, path := range []string{"/", "/requests/" + ref, "/history", "/batch?request=" + ref, "/hold", "/keys"} {
			w.goTo(path)
			require.LessOrEqual(t, value[int64](w, `document.documentElement.scrollWidth`), width, "%s at %d", path, width)
		}
		w.goTo("/")
		below := value[string](w, `getComputedStyle(document.querySelector(".row:last-child")).paddingBottom`)
		require.Equal(t, value[string](w, `getComputedStyle(document.querySelector(".row:last-child")).paddingTop`), below, "the last row at %d", width)
	}
}

// axe finds nothing wrong with any page, in both themes. AXE_CORE names the file of
// the npm package axe-core.
func TestBrowserAccessible(t *testing.T) {
	path := os.Getenv("AXE_CORE")
	switch {
	case path == "" && os.Getenv("DUVOTOOL_BROWSER") != "":
		t.Fatal("AXE_CORE does not name axe-core's axe.min.js, and DUVOTOOL_BROWSER says that it must")
	case path == "":
		t.Skip("AXE_CORE does not name axe-core's axe.min.js")
	}
	axe, err := os.ReadFile(path)
	require.NoError(t, err)
	b := newVault(t)
	done := b.start("refunds", "Refund 1 EUR|")
	b.decide(kim, done, b.open(kim, done), url.Values{"verdict": {"deny"}, "reason": {"No."}})
	ref := b.start("refunds", "Refund 120 EUR|"+strings.Repeat("A long story. ", 100))
	question := b.start("addresses", "Order 4698")
	w := b.browse(kim)
	for _, theme := range []string{"light", "dark"} {
		w.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}))
		check := func(path string) {
			w.goTo(path)
			w.run(chromedp.Evaluate(string(axe), nil))
			var found string
			w.run(chromedp.Evaluate(`axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}).then(r => JSON.stringify(r.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 200))])))`,
				&found, chromedp.EvalAsValue, awaitPromise))
			var violations []any
			require.NoError(t, json.Unmarshal([]byte(found), &violations))
			require.Empty(t, violations, "%s, %s", path, theme)
		}
		for _, path := range []string{"/", "/?find=nothing", "/requests/" + ref, "/requests/" + ref + "?whole=1", "/requests/" + question, "/batch?request=" + ref + "&request=" + question, "/history", "/history/" + done, "/keys", "/nowhere"} {
			check(path)
		}
		for _, to := range []string{"on", "off"} {
			b.as(lee, "POST", "/hold", url.Values{"hold": {to}, "reason": {"A wrong price list."}})
			check("/hold")
			check("/requests/" + ref + "?whole=1")
		}
	}
}

func awaitPromise(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
