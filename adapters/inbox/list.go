package inbox

import (
	"html/template"
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
	Rows        template.HTML // empty: there are none
	Page, Pages int
	Matching    int
	Decidable   int
	Visible     int
	Assignments template.HTML // links to them
	Others      int           // that have none
}

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
	rows, l := d.pick(r, p, visible, c)
	if rows == nil && l.Matching > 0 { // what the person may see has changed
		visible = now.look(r.Context(), d, p)
		rows, l = d.pick(r, p, visible, c)
	}
	rows = append(rows, d.kept(r, p, now, v.Get("keep"), rows)...)
	l.Assignments, l.Others = visible.links(c), len(visible.assignments)-len(visible.busiest)
	out := page{Title: strconv.Itoa(l.Decidable) + " " + strings.ToLower(words["waiting"]), Person: p, Waiting: l.Decidable, At: "waiting"}
	all := make([]string, len(rows))
	for i, row := range rows {
		var err error
		if all[i], err = row.write(d.cfg.BasePath); err != nil {
			d.cfg.Log.Error("inbox: a row could not be made", "error", hitl.SafeLine(err.Error(), 500))
			http.Error(w, words["errorText"], http.StatusInternalServerError)
			return
		}
	}
	l.Rows = template.HTML(strings.Join(all, ""))
	out.Body = l
	d.render(w, http.StatusOK, "list", out)
}

// pick finds the rows of a page of the list, as far as the person may see them now. Nil
// where that differs from the view.
func (d *Desk) pick(r *http.Request, p Person, v *view, c choice) ([]line, listing) {
	l := listing{Choice: c, Page: number(r.URL.Query(), "page"), Decidable: v.mine, Visible: len(v.items)}
	matching := v.items
	if c != (choice{All: true}) && (c != choice{} || v.mine < len(v.items)) {
		matching = slices.DeleteFunc(slices.Clone(v.items), func(i seen) bool { return !c.picks(i) })
	}
	l.Matching = len(matching)
	l.Pages = max(1, (len(matching)+perPage-1)/perPage)
	l.Page = min(max(l.Page, 1), l.Pages)
	var rows []line
	for _, i := range matching[(l.Page-1)*perPage : min(l.Page*perPage, len(matching))] {
		if d.access(r.Context(), p, i.req) != i.access {
			return nil, l
		}
		rows = append(rows, line{item: i.item, access: i.access})
	}
	return rows, l
}

// kept are the rows of a page that is open which are not in the list any more.
func (d *Desk) kept(r *http.Request, p Person, now *waiting, refs string, have []line) (out []line) {
	for n, ref := range strings.Split(refs, ",") {
		if n == maxKept {
			break
		}
		if ref == "" || slices.ContainsFunc(have, func(l line) bool { return l.ref == ref }) {
			continue
		}
		if i := now.find(r.Context(), d, p, ref); i != nil {
			out = append(out, line{item: i, access: i.access}) // on another page of the list
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
