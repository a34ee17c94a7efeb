package inbox

import (
	"net/http"
	"strings"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/hitl"
)

// A chronicle is a page of the history.
type chronicle struct {
	Rows        []*past
	Page, Pages int
	Found       int
	By, What    string
	Verdict     string
	Since       string
	Until       string
	Broken      bool
	NoAudit     bool
	Query       string // of the filter, for the links to other pages
}

// filterOf reads a filter of a query. Days are UTC; programs may give times too.
func filterOf(r *http.Request) (audit.Filter, chronicle) {
	v := r.URL.Query()
	c := chronicle{By: strings.TrimSpace(v.Get("by")), What: strings.TrimSpace(v.Get("assignment")), Verdict: v.Get("verdict"), Since: v.Get("since"), Until: v.Get("until")}
	f := audit.Filter{By: c.By, Assignment: c.What, JobID: v.Get("job"), RequestID: v.Get("request"), Digest: strings.ReplaceAll(v.Get("digest"), " ", "")}
	if c.Verdict != "" {
		f.Verdicts = []string{c.Verdict}
	}
	f.Since = dayOf(c.Since)
	if until := dayOf(c.Until); !until.IsZero() {
		if f.Until = until; len(c.Until) == len(time.DateOnly) {
			f.Until = until.AddDate(0, 0, 1)
		}
	}
	v.Del("page")
	c.Query = v.Encode()
	return f, c
}

// dayOf reads a day or a time; the zero time where it is none.
func dayOf(s string) time.Time {
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(form, s); err == nil {
			return t
		}
	}
	return time.Time{}
}

// past serves the history.
func (d *Desk) past(w http.ResponseWriter, r *http.Request, p Person) {
	f, c := filterOf(r)
	rows, err := d.history(r.Context(), p, f)
	if err != nil {
		d.cfg.Log.Error("inbox: the audit cannot be read", "error", hitl.SafeLine(err.Error(), 500))
		c.Broken = true
	}
	c.NoAudit, c.Found = d.cfg.Audit == nil, len(rows)
	c.Pages = max(1, (len(rows)+perPage-1)/perPage)
	c.Page = min(max(number(r.URL.Query(), "page"), 1), c.Pages)
	c.Rows = rows[(c.Page-1)*perPage : min(c.Page*perPage, len(rows))]
	_, visible := d.visible(r.Context(), p)
	d.render(w, http.StatusOK, "history", page{Title: words["history"], Person: p, Waiting: visible.mine, At: "history", Body: c})
}

// earlier are the decisions of a Job.
func (d *Desk) earlier(r *http.Request, p Person, job string) ([]*past, error) {
	return d.history(r.Context(), p, audit.Filter{JobID: job})
}

// record serves what was decided about a request.
func (d *Desk) record(w http.ResponseWriter, r *http.Request, p Person) {
	d.recordPage(w, r, p, r.PathValue("ref"), nil)
}

// A kept record is a page of what was decided about one request.
type kept struct {
	*past
	Open    string // why it is not known whether Duvo has it
	Request *hitl.Request
	Notes   []note
}

func (d *Desk) recordPage(w http.ResponseWriter, r *http.Request, p Person, ref string, n *notice) {
	h, err := d.lookBack(r.Context(), p, ref)
	if err != nil {
		d.cfg.Log.Error("inbox: the audit cannot be read", "error", hitl.SafeLine(err.Error(), 500))
	}
	_, visible := d.visible(r.Context(), p)
	if h != nil {
		k := kept{past: h, Notes: d.notes.of(ref)}
		if was, ok := d.memory.decidedAs(ref); ok {
			k.Open, k.Request = was.open, &was.req
		} else if was, ok := d.memory.shownAs(h.Digest); ok {
			k.Request = &was
		}
		d.render(w, http.StatusOK, "record", page{Title: hitl.SafeLine(h.Title, 80), Person: p, Waiting: visible.mine, At: "history", Notice: n, Body: k})
		return
	}
	if n != nil {
		d.render(w, http.StatusConflict, "told", page{Title: words["request"], Person: p, Waiting: visible.mine, Notice: n, Body: told{words["request"], ""}})
		return
	}
	d.notSeen(w, p)
}
