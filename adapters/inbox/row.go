package inbox

import (
	"strings"
	"time"

	"github.com/duvotool/duvotool/hitl"
)

// A line is a row of the list.
type line struct {
	*item
	access Access
	Past   *decided // decided or gone since the page was opened
	Page   page
	Age    string // for how long it has waited
	Left   string // until its deadline; empty: there is none
	Soon   bool   // that is little
}

// Request is for the template.
func (l line) Request() hitl.Request { return l.req }

// CanDecide is for the template.
func (l line) CanDecide() bool { return l.access == Decide }

// A rowText is the row of a request as it was last written. It is good for a moment,
// since it tells how long the request has waited.
type rowText struct {
	access Access
	at     time.Time
	html   string
}

const rowFor = time.Second

// write returns the row.
func (l line) write(base string) (string, error) {
	now := time.Now()
	kept := l.Past == nil && l.row != nil
	if kept {
		if was := l.row.Load(); was != nil && was.access == l.access && now.Sub(was.at) < rowFor {
			return was.html, nil
		}
	}
	l.Page = page{Base: base}
	l.Age = span(now.Sub(l.req.FirstSeen))
	if !l.due.IsZero() {
		left := l.due.Sub(now)
		l.Left, l.Soon = span(left), left < 15*time.Minute
	}
	var b strings.Builder
	if err := pages.ExecuteTemplate(&b, "row", l); err != nil {
		return "", err
	}
	if kept {
		l.row.Store(&rowText{l.access, now, b.String()})
	}
	return b.String(), nil
}

const (
	maxRowTitle = 200 // characters that the list shows
	maxRowText  = 160
	maxRowName  = 80 // of Assignments and folders
)

// Title, Text and About are the texts of the request, cut.
func (l line) Title() string         { return brief(l.req.Title, maxRowTitle) }
func (l line) Text() string          { return brief(l.req.Description, maxRowText) }
func (l line) About(s string) string { return brief(s, maxRowName) }

// brief is a text on one line, cut.
func brief(s string, max int) string {
	if len(s) > 16*max { // more than enough, with all its spaces
		s = strings.ToValidUTF8(s[:16*max], "")
	}
	s = strings.Join(strings.Fields(s), " ")
	n := 0
	for i := range s {
		if n == max {
			return strings.TrimRight(s[:i], " ") + " …"
		}
		n++
	}
	return s
}
