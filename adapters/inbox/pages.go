package inbox

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/safetext"
)

//go:embed pages/*.html assets
var files embed.FS

// An asset is a file that pages load: its name changes with its content, so that it
// may be kept for ever.
type asset struct {
	name, kind string
	body       []byte
}

func load(name, kind string) asset {
	body, err := files.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // embedded
	}
	sum := sha256.Sum256(body)
	stem, ext, _ := strings.Cut(name, ".")
	return asset{stem + "-" + hex.EncodeToString(sum[:6]) + "." + ext, kind, body}
}

var (
	style  = load("desk.css", "text/css; charset=utf-8")
	script = load("desk.js", "text/javascript; charset=utf-8")
)

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"t":         func(name string) (string, error) { return word(name) },
	"say":       func(name string, args ...any) (string, error) { _, err := word(name); return say(name, args...), err },
	"marks":     safetext.Segments,
	"line":      func(s string) []safetext.Segment { return safetext.Segments(strings.Join(strings.Fields(s), " ")) },
	"fours":     fours,
	"short":     func(digest string) string { return fours(digest[:min(8, len(digest))]) },
	"ago":       func(t time.Time) string { return span(time.Since(t)) },
	"left":      func(t time.Time) string { return span(time.Until(t)) },
	"soon":      func(t time.Time) bool { return !t.IsZero() && time.Until(t) < 15*time.Minute },
	"clock":     clock,
	"iso":       func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"verdict":   verdictOf,
	"kind":      kindOf,
	"add":       func(a, b int) int { return a + b },
	"field":     field,
	"safe":      func(s string) string { return safetext.OneLine(s, 200) }, // for attributes
	"num":       strconv.Itoa,
	"list":      func(s ...string) []string { return s },
	"with_page": func(p page, o opened) part { return part{p, o} },
	"suffixed":  func(p piled, suffix string) opened { p.opened.Suffix = suffix; return p.opened },
}).Parse(sources()))

var plainWord = regexp.MustCompile(`\{\{t "([A-Za-z]+)"\}\}`)

// sources are all pages, with the words that they have in them written out.
func sources() string {
	all, err := fs.Glob(files, "pages/*.html")
	var b strings.Builder
	for _, name := range all {
		text, readErr := files.ReadFile(name)
		err = errors.Join(err, readErr)
		b.WriteString(plainWord.ReplaceAllStringFunc(string(text), func(call string) string {
			w, wordErr := word(plainWord.FindStringSubmatch(call)[1])
			err = errors.Join(err, wordErr)
			return html.EscapeString(w)
		}))
	}
	if err != nil {
		panic(err) // embedded
	}
	return b.String()
}

// word returns one of the words; a template that asks for one that is not there is
// wrong.
func word(name string) (string, error) {
	if w, ok := words[name]; ok {
		return w, nil
	}
	return "", fmt.Errorf("inbox: there is no word %q", name)
}

// fours writes a digest in groups of four.
func fours(s string) string {
	var b strings.Builder
	for i, r := range s {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// span tells a length of time in its two largest units.
func span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60), " 0 min")
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// clock tells a time of today by its hour, another by its day too. Times are UTC; the
// script turns them into the reader's own.
func clock(t time.Time) string {
	t = t.UTC()
	if time.Since(t).Abs() < 12*time.Hour {
		return t.Format("15:04:05 MST")
	}
	return t.Format("2 January 2006 15:04 MST")
}

func kindOf(r hitl.Request) string {
	switch {
	case r.Kind == duvo.Approval:
		return words["approval"]
	case len(r.Questions) > 1:
		return say("questions", len(r.Questions))
	}
	return words["question"]
}

// verdictOf names what was decided: a time that ran out and nobody to ask are no
// person's denial.
func verdictOf(verdict string, source hitl.Source) string {
	switch {
	case source == hitl.SourceElsewhere:
		return words["inDuvo"]
	case verdict == "denied" && source == hitl.SourceTimeout:
		return words["timedOut"]
	case verdict == "denied" && source == hitl.SourceNobody:
		return words["nobody"]
	}
	if w, ok := words[verdict]; ok {
		return w
	}
	return hitl.SafeLine(verdict, 40)
}

// A page is what every template gets.
type page struct {
	Base, Desk, Title string
	Person            Person
	Waiting           int    // that the person can decide
	At                string // which part of the desk it is
	Style, Script     string
	SignOut           string
	Notice            *notice
	Hold              *holding // nil: the desk has none
	HasKeys           bool     // people can prove what they decide
	Body              any
}

// A notice tells what came of what a person has sent.
type notice struct {
	Good  bool
	Text  string
	Asked bool // whether it is read out at once
}

// URL makes an address of the desk.
func (p page) URL(parts ...string) string {
	for i, s := range parts {
		parts[i] = url.PathEscape(s)
	}
	return p.Base + "/" + strings.Join(parts, "/")
}

// Shown is the person's name as it is shown.
func (p page) Shown() string {
	if p.Person.Name != "" {
		return hitl.SafeLine(p.Person.Name, 60)
	}
	return hitl.SafeLine(p.Person.Login, 60)
}

// buffers are what pages are written into first.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// render writes a page.
func (d *Desk) render(w http.ResponseWriter, status int, name string, p page) {
	p.Base, p.Desk, p.HasKeys = d.cfg.BasePath, d.cfg.Title, d.cfg.Prover != nil
	if h := d.held(); p.Person.Login != "" && d.cfg.Hold != nil {
		p.Hold = &h
	}
	p.Style, p.Script, p.SignOut = p.Base+"/assets/"+style.name, p.Base+"/assets/"+script.name, d.cfg.SignOut
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	if err := pages.ExecuteTemplate(b, name, p); err != nil {
		d.cfg.Log.Error("inbox: a page could not be made", "page", name, "error", err.Error())
		http.Error(w, words["errorText"], http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// field names the field of a question.
func field(i int) string { return fmt.Sprintf("q%d", i+1) }

func chars(n int) string { return safetext.Count(n, "character", "characters") }

// A part is a piece of a page that needs both.
type part struct {
	Page page
	Item opened
}
