package inbox

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	diff "github.com/sergi/go-diff/diffmatchpatch"
)

// An opened request is a page of one.
type opened struct {
	*item
	condition
	Display        string
	Whole          bool // all of the text is shown
	Title          string
	Says           []said
	Next, Previous string // refs; empty: none
	Place, Of      int    // in the queue of the person; zero: it is in none
	Why            string // it cannot be answered; empty: it can
	Order          order  // what the person had filled in
	Changed        []piece
	OldDigest      string // that was shown before it changed; empty: it did not
	Earlier        []*past
	Notes          []note
	Suffix         string // of the names of its fields
	WholeURL       string // where all of the text is shown
}

// A said text is one that stands in a frame which tells whose it is.
type said struct {
	Head, By string
	Text     string
	Model    bool
	Cut      bool // this is the beginning
}

// A piece of a text that changed.
type piece struct {
	Text     string
	Old, New bool
}

const clipped = 800 // characters of a text, before more is asked for

// texts are what is said in a request, and whether all of it is there.
func texts(r hitl.Request, whole bool) (says []said, all bool) {
	all = true
	add := func(head, by, text string, model bool) {
		s := said{Head: words[head], By: by, Text: text, Model: model}
		n := utf8.RuneCountInString(text)
		if !whole && n > clipped+clipped/4 {
			s.Text, s.Cut, all = string([]rune(text)[:clipped]), true, false
			s.By = strings.TrimSpace(strings.Replace(by, "%s", say("partShown", chars(n), chars(clipped)), 1))
		} else {
			s.By = strings.TrimSpace(strings.Replace(by, "%s", say("allShown", chars(n)), 1))
		}
		says = append(says, s)
	}
	if r.Description != "" || r.Kind == duvo.Approval {
		add("jobSays", words["jobSaysBy"], r.Description, false)
	}
	add("agentSays", words["agentSaysBy"], r.Input, false)
	if r.FollowUp != "" {
		add("modelSays", words["modelSaysBy"], r.FollowUp, true)
	}
	return says, all
}

// open makes the page of a request.
func (d *Desk) open(r *http.Request, p Person, i *item, whole bool) opened {
	says, all := texts(i.req, whole)
	o := opened{item: i, Whole: all, Says: says, Title: i.req.Title, Notes: d.notes.of(i.ref)}
	o.condition = d.condition(r.Context(), p, i)
	o.Display, o.WholeURL = d.show(p, i, all), d.cfg.BasePath+"/requests/"+i.ref+"?whole=1"
	if i.req.Kind != duvo.Approval {
		if err := i.req.CheckAnswerable(); err != nil {
			o.Why = hitl.SafeLine(err.Error(), 300)
		}
	}
	_, visible := d.visible(r.Context(), p)
	queue := slices.DeleteFunc(slices.Clone(visible.items), func(v seen) bool { return v.access != Decide })
	if k := slices.IndexFunc(queue, func(v seen) bool { return v.ref == i.ref }); k >= 0 {
		o.Place, o.Of = k+1, len(queue)
		if k > 0 {
			o.Previous = queue[k-1].ref
		}
		if k+1 < len(queue) {
			o.Next = queue[k+1].ref
		}
	}
	return o
}

// request serves one request; one that waits no more is shown as its record.
func (d *Desk) request(w http.ResponseWriter, r *http.Request, p Person) {
	i := d.find(r.Context(), p, r.PathValue("ref"))
	if i == nil {
		d.record(w, r, p)
		return
	}
	o := d.open(r, p, i, r.URL.Query().Get("whole") == "1")
	o.Earlier, _ = d.earlier(r, p, i.req.JobID)
	d.showRequest(w, http.StatusOK, p, o, d.sentBefore(r, p))
}

// sentBefore tells of the decision that somebody comes from, who went on to this request.
func (d *Desk) sentBefore(r *http.Request, p Person) *notice {
	was, ok := d.memory.decidedAs(r.URL.Query().Get("after"))
	if !ok || was.decision.By != p.Login || d.cfg.May(r.Context(), p, was.req) == Hidden {
		return nil
	}
	return &notice{Good: true, Text: say("sentBefore", hitl.SafeLine(was.req.Title, 120), was.decision.Summary())}
}

func (d *Desk) showRequest(w http.ResponseWriter, status int, p Person, o opened, n *notice) {
	title := hitl.SafeLine(o.Request().Title, 80)
	if o.OldDigest != "" {
		title = words["changedHow"]
	}
	d.render(w, status, "request", page{Title: title, Person: p, Waiting: o.Of, At: "waiting", Notice: n, Body: o})
}

// decideOne takes the form of one request.
func (d *Desk) decideOne(w http.ResponseWriter, r *http.Request, p Person) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, words["badForm"], http.StatusBadRequest)
		return
	}
	ref := r.PathValue("ref")
	d.queue.stale()
	now := d.queue.now()
	i := now.find(r.Context(), d, p, ref)
	if i == nil {
		d.endedPage(w, r, p, ref)
		return
	}
	o := orderOf(r, i.req, ref, "")
	c, a := d.check(r.Context(), p, now, o)
	if a.Ending == sent {
		next := d.open(r, p, i, true).Next
		if a = d.take(r.Context(), c); a.Ending == sent {
			if next != "" && r.PostForm.Get("next") != "" {
				http.Redirect(w, r, d.cfg.BasePath+"/requests/"+next+"?after="+ref, http.StatusSeeOther)
				return
			}
			http.Redirect(w, r, d.cfg.BasePath+"/requests/"+ref, http.StatusSeeOther)
			return
		}
	}
	d.tellEnding(w, r, p, ref, o, a)
}

// orderOf reads what a person filled in for a request. The fields of a batch have the
// request's name at their end.
func orderOf(r *http.Request, q hitl.Request, ref, suffix string) order {
	o := order{Ref: ref, Display: r.PostForm.Get("display" + suffix), Verdict: r.PostForm.Get("verdict" + suffix), Reason: strings.TrimSpace(strings.ReplaceAll(r.PostForm.Get("reason"+suffix), "\r\n", "\n"))}
	if nonce := r.PostForm.Get("nonce" + suffix); nonce != "" {
		o.Proof = &given{nonce, json.RawMessage(r.PostForm.Get("proof" + suffix))}
	}
	if q.Kind == duvo.Approval || o.Verdict == "leave" || o.Verdict == "later" {
		return o
	}
	o.Verdict, o.Answers = "answer", map[string]string{}
	for k, item := range q.Questions {
		chosen := r.PostForm[field(k)+suffix]
		switch {
		case len(item.Options) == 0 && len(chosen) > 0:
			o.Answers[item.Question] = strings.TrimSpace(strings.ReplaceAll(chosen[0], "\r\n", "\n"))
		case len(chosen) > 0:
			o.Answers[item.Question] = hitl.JoinChoices(chosen...)
		}
	}
	return o
}

// tellEnding shows what came of an order that was not simply sent.
func (d *Desk) tellEnding(w http.ResponseWriter, r *http.Request, p Person, ref string, o order, a answer) {
	d.queue.stale()
	i := d.find(r.Context(), p, ref)
	if i == nil || a.Ending == unknown {
		d.recordPage(w, r, p, ref, &notice{Good: a.Ending == sent || a.Ending == unknown, Text: a.Text, Asked: true})
		return
	}
	page := d.open(r, p, i, a.Ending == stale)
	page.Earlier, _ = d.earlier(r, p, i.req.JobID)
	page.Order = order{Reason: o.Reason} // a choice that was made for one text counts for no other
	status := http.StatusConflict
	switch a.Ending {
	case stale:
		page.OldDigest = a.seen
		if was, ok := d.memory.shownAs(a.seen); ok {
			page.Changed = changes(was, i.req)
		}
	case forbidden:
		status = http.StatusForbidden
	case unproved:
		status = http.StatusUnprocessableEntity
	case invalid:
		status, page.Order = http.StatusUnprocessableEntity, o
	}
	d.showRequest(w, status, p, page, &notice{Text: a.Text, Asked: true})
}

// endedPage is for a form that came for a request which waits no more.
func (d *Desk) endedPage(w http.ResponseWriter, r *http.Request, p Person, ref string) {
	d.recordPage(w, r, p, ref, &notice{Text: d.absent(ref).Text, Asked: true})
}

// changes tells what is different between two texts.
func changes(was, is hitl.Request) []piece {
	var tokens []string
	known := map[string]rune{}
	encode := func(text string) (out []rune) { // each word as one character
		for _, w := range wordForm.FindAllString(text, -1) {
			r, ok := known[w]
			if !ok {
				r = rune(len(tokens))
				if r >= surrogates {
					r += afterSurrogates - surrogates
				}
				known[w] = r
				tokens = append(tokens, w)
			}
			out = append(out, r)
		}
		return out
	}
	before, after := encode(whole(was)), encode(whole(is))
	var out []piece
	match := diff.New()
	for _, c := range match.DiffCleanupSemantic(match.DiffMainRunes(before, after, false)) {
		var b strings.Builder
		for _, r := range c.Text {
			if r >= afterSurrogates {
				r -= afterSurrogates - surrogates
			}
			b.WriteString(tokens[r])
		}
		out = append(out, piece{b.String(), c.Type == diff.DiffDelete, c.Type == diff.DiffInsert})
	}
	return out
}

// Words, and what is between them. Runes that are no characters cannot stand for one.
var wordForm = regexp.MustCompile(`[^\s]+|\s`)

const surrogates, afterSurrogates = 0xD800, 0xE000

// whole is all that a request says, as one text.
func whole(r hitl.Request) string {
	var b strings.Builder
	for _, t := range r.Texts() {
		if t.Text != "" {
			b.WriteString(t.Name + ": " + t.Text + "\n")
		}
	}
	return b.String()
}

func (d *Desk) addNote(w http.ResponseWriter, r *http.Request, p Person) {
	ref := r.PathValue("ref")
	i := d.find(r.Context(), p, ref)
	if i == nil {
		d.notSeen(w, p)
		return
	}
	if err := d.notes.add(ref, p.Login, r.PostFormValue("note")); err != nil {
		o := d.open(r, p, i, false)
		d.showRequest(w, http.StatusUnprocessableEntity, p, o, &notice{Text: err.Error(), Asked: true})
		return
	}
	http.Redirect(w, r, d.cfg.BasePath+"/requests/"+ref+"#notes", http.StatusSeeOther)
}
