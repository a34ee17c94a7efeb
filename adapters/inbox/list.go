package inbox

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/duvotool/duvotool/hitl"
)

const (
	perPage = 50
	maxKept = 200 // rows that a page asks to see on although they wait no more
)

// A listing is the list of what waits.
type listing struct {
	Choice      choice
	Rows        []line
	Page, Pages int
	Matching    int
	Decidable   int
	Visible     int
	Assignments []assignment
}

// A line is a row of the list.
type line struct {
	*item
	Past *decided // decided or gone since the page was opened
}

// Request is for the template.
func (l line) Request() hitl.Request { return l.req }

// Ref, Digest and the rest are for templates, which see exported names only.
func (i *item) Ref() string           { return i.ref }
func (i *item) Digest() string        { return i.digest }
func (i *item) Due() time.Time        { return i.due }
func (i *item) Then() string          { return i.then }
func (i *item) CanDecide() bool       { return i.access == Decide }
func (i *item) Request() hitl.Request { return i.req }

// list serves what waits. A page that is live asks for itself again, with the rows
// that it shows, and gets those too that wait no more.
func (d *Desk) list(w http.ResponseWriter, r *http.Request, p Person) {
	now, visible := d.visible(r.Context(), p)
	v := r.URL.Query()
	c := choice{Assignment: v.Get("assignment"), All: v.Get("show") == "all", Find: strings.TrimSpace(v.Get("find"))}
	l := listing{Choice: c, Page: number(v, "page"), Decidable: mine(visible), Visible: len(visible), Assignments: assignments(visible)}
	var rows []line
	for _, i := range visible {
		if c.picks(i) {
			rows = append(rows, line{item: i})
		}
	}
	l.Matching = len(rows)
	l.Pages = max(1, (len(rows)+perPage-1)/perPage)
	l.Page = min(max(l.Page, 1), l.Pages)
	l.Rows = rows[(l.Page-1)*perPage : min(l.Page*perPage, len(rows))]
	l.Rows = append(l.Rows, d.kept(r, p, now, v.Get("keep"), l.Rows)...)
	d.render(w, http.StatusOK, "list", page{Title: strconv.Itoa(l.Decidable) + " " + strings.ToLower(words["waiting"]), Person: p, Waiting: l.Decidable, At: "waiting", Body: l})
}

// kept are the rows of a page that is open which are not in the list any more.
func (d *Desk) kept(r *http.Request, p Person, now waiting, refs string, have []line) (out []line) {
	for n, ref := range strings.Split(refs, ",") {
		if n == maxKept {
			break
		}
		if ref == "" || slices.ContainsFunc(have, func(l line) bool { return l.ref == ref }) {
			continue
		}
		if i := now.find(r.Context(), d, p, ref); i != nil {
			out = append(out, line{item: i}) // on another page of the list
			continue
		}
		was, ok := d.memory.decidedAs(ref)
		if !ok || d.cfg.May(r.Context(), p, was.req) == Hidden {
			continue
		}
		out = append(out, line{item: &item{req: was.req, ref: ref, digest: was.req.Digest()}, Past: &was})
	}
	return out
}

// Decision is for the template.
func (d *decided) Decision() hitl.Decision { return d.decision }

// Link is the address of a list with one thing changed.
func (c choice) Link(name, value string) string {
	v := url.Values{}
	set := func(k, s string) {
		if s != "" {
			v.Set(k, s)
		}
	}
	set("assignment", c.Assignment)
	set("find", c.Find)
	if c.All {
		v.Set("show", "all")
	}
	v.Del(name)
	set(name, value)
	if len(v) == 0 {
		return "?"
	}
	return "?" + v.Encode()
}
