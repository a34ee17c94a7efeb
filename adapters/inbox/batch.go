package inbox

import (
	"net/http"
	"slices"
)

// maxBatch is how many requests are decided at once.
const maxBatch = 50

// A pile is a page of several requests, each with its text and its own choice.
type pile struct {
	Items []piled
	Done  bool // it was sent: what came of each
}

type piled struct {
	opened
	Answer answer // what came of it; zero: nothing was sent
	Chose  string // for another text: it has to be chosen again
}

// Failed reports whether its order could not be carried out.
func (p piled) Failed() bool { return p.Answer.Ending != "" && p.Answer.Ending != sent }

// Text is for the template.
func (p piled) Text() string { return p.Answer.Text }

// batch serves the page of several requests.
func (d *Desk) batch(w http.ResponseWriter, r *http.Request, p Person) {
	var pl pile
	for _, ref := range r.URL.Query()["request"] {
		if i := d.find(r.Context(), p, ref); i != nil && i.access == Decide && len(pl.Items) < maxBatch {
			pl.Items = append(pl.Items, piled{opened: d.open(r, p, i, false)})
		}
	}
	d.showPile(w, http.StatusOK, p, pl, nil)
}

func (d *Desk) showPile(w http.ResponseWriter, status int, p Person, pl pile, n *notice) {
	title := say("batch", len(pl.Items))
	if pl.Done {
		title = words["batchDone"]
	}
	d.render(w, status, "batch", page{Title: title, Person: p, At: "waiting", Notice: n, Body: pl})
}

// decideBatch takes the forms of several requests at once.
func (d *Desk) decideBatch(w http.ResponseWriter, r *http.Request, p Person) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, words["badForm"], http.StatusBadRequest)
		return
	}
	refs := slices.Compact(slices.Clone(r.PostForm["request"]))
	if len(refs) > maxBatch {
		http.Error(w, words["manyOrders"], http.StatusRequestEntityTooLarge)
		return
	}
	d.queue.stale()
	now := d.queue.now()
	var orders []order
	all := map[string]order{}
	for _, ref := range refs {
		o := order{Ref: ref, Display: r.PostForm.Get("display-" + ref), Verdict: r.PostForm.Get("verdict-" + ref)}
		if i := now.find(r.Context(), d, p, ref); i != nil {
			o = orderOf(r, i.req, ref, "-"+ref)
		}
		all[ref] = o
		if o.Verdict != "" && o.Verdict != "later" {
			orders = append(orders, o)
		}
	}
	if len(orders) == 0 {
		pl, _ := d.pileOf(r, p, refs, all, nil)
		d.showPile(w, http.StatusUnprocessableEntity, p, pl, &notice{Text: words["batchEmpty"], Asked: true})
		return
	}
	answers, taken := d.decideAll(r.Context(), p, orders)
	byRef := map[string]answer{}
	for k, o := range orders {
		byRef[o.Ref] = answers[k]
	}
	pl, bad := d.pileOf(r, p, refs, all, byRef)
	pl.Done = taken
	if taken {
		d.showPile(w, http.StatusOK, p, pl, &notice{Good: bad == 0, Text: words["batchDone"], Asked: true})
		return
	}
	d.showPile(w, http.StatusConflict, p, pl, &notice{Text: say("batchNothing", say("batchBad", bad, len(orders))) + " " + words["batchOther"], Asked: true})
}

// pileOf makes the page anew, with what came of each and what was filled in.
func (d *Desk) pileOf(r *http.Request, p Person, refs []string, orders map[string]order, answers map[string]answer) (pl pile, bad int) {
	now := d.queue.now()
	for _, ref := range refs {
		a, o := answers[ref], orders[ref]
		i := now.find(r.Context(), d, p, ref)
		if i == nil && a.item != nil {
			i = a.item
		}
		if i == nil {
			if was, ok := d.memory.decidedAs(ref); ok {
				i = &item{req: was.req, ref: ref, digest: was.req.Digest()}
			} else {
				bad++
				pl.Items = append(pl.Items, piled{opened: opened{item: &item{ref: ref}}, Answer: answer{Ending: gone, Text: words["gone"]}})
				continue
			}
		}
		it := piled{opened: d.open(r, p, i, false), Answer: a}
		it.Order = o
		if it.Failed() {
			bad++
		}
		if a.Ending == stale {
			it.Chose, it.Order = o.Verdict, order{Reason: o.Reason}
			it.OldDigest = a.seen
			if was, ok := d.memory.shownAs(a.seen); ok {
				it.Changed = changes(was, i.req)
			}
		}
		pl.Items = append(pl.Items, it)
	}
	return pl, bad
}
