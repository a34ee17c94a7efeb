package inbox

import (
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/duvotool/duvotool/hitl"
)

//go:embed openapi.json
var description []byte

// An apiRequest is one as programs get it.
type apiRequest struct {
	Ref     string       `json:"ref"`
	Digest  string       `json:"digest"`
	Decide  bool         `json:"decide"`            // the caller may
	Due     time.Time    `json:"due,omitzero"`      // by when it must be decided
	Then    string       `json:"then,omitempty"`    // what happens then
	Display string       `json:"display,omitempty"` // to be sent with a decision
	Prove   bool         `json:"prove,omitempty"`   // approving or answering takes a proof; told of one request
	Shut    string       `json:"shut,omitempty"`    // why neither is possible now; told of one request
	Request hitl.Request `json:"request"`
	Notes   []note       `json:"notes,omitempty"`
	Earlier []*past      `json:"earlier,omitempty"`
}

func (d *Desk) tellRequest(p Person, i *item) apiRequest {
	return apiRequest{Ref: i.ref, Digest: i.digest, Decide: i.access == Decide, Due: i.due, Then: i.then, Display: d.show(p, i, true), Request: i.req}
}

// problem is what programs get where something did not work.
type problem struct {
	Error string `json:"error"`
}

func (d *Desk) tell(w http.ResponseWriter, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		d.cfg.Log.Error("inbox: an answer could not be written", "error", err.Error())
		status, raw = http.StatusInternalServerError, []byte(`{"error":"internal"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(raw, '\n'))
}

func (d *Desk) unauthorized(w http.ResponseWriter, _ *http.Request) {
	d.tell(w, http.StatusUnauthorized, problem{words["signInNone"]})
}

// apiMe serves who makes the request.
func (d *Desk) apiMe(w http.ResponseWriter, _ *http.Request, p Person) {
	d.tell(w, http.StatusOK, struct {
		Login string `json:"login"`
		Name  string `json:"name,omitempty"`
	}{p.Login, p.Name})
}

// apiList serves what waits, a page at a time.
func (d *Desk) apiList(w http.ResponseWriter, r *http.Request, p Person) {
	_, visible := d.visible(r.Context(), p)
	v := r.URL.Query()
	c := choice{Assignment: v.Get("assignment"), All: v.Get("show") == "all", Find: strings.TrimSpace(v.Get("find"))}
	out := struct {
		Requests []apiRequest `json:"requests"`
		Matching int          `json:"matching"`
		Next     int          `json:"next,omitempty"` // the page after this one; zero: there is none
	}{Requests: []apiRequest{}}
	page := max(number(v, "page"), 1)
	for _, i := range visible.items {
		if !c.picks(i) {
			continue
		}
		out.Matching++
		if n := out.Matching - (page-1)*perPage; n > 0 && n <= perPage {
			out.Requests = append(out.Requests, d.tellRequest(p, i.item.with(i.access)))
		}
	}
	if out.Matching > page*perPage {
		out.Next = page + 1
	}
	d.tell(w, http.StatusOK, out)
}

// apiRequest serves one request, or what was decided about it.
func (d *Desk) apiRequest(w http.ResponseWriter, r *http.Request, p Person) {
	ref := r.PathValue("ref")
	if i := d.find(r.Context(), p, ref); i != nil {
		out := d.tellRequest(p, i)
		out.Notes = d.notes.of(ref)
		out.Earlier, _ = d.earlier(r, p, i.req.JobID)
		c := d.condition(r.Context(), p, i)
		out.Prove, out.Shut = c.Prove, c.Shut
		d.tell(w, http.StatusOK, out)
		return
	}
	d.tell(w, http.StatusNotFound, problem{d.absent(ref).Text})
}

// read reads JSON that a program has sent; it tells what is wrong with it.
func (d *Desk) read(w http.ResponseWriter, r *http.Request, to any) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/json" { // no form of a foreign page can send that
		d.tell(w, http.StatusUnsupportedMediaType, problem{"Nothing was sent. The body must be application/json."})
		return false
	}
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(to)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is something behind the JSON")
		}
	}
	if err != nil {
		d.tell(w, http.StatusBadRequest, problem{"Nothing was sent. The body cannot be read: " + hitl.SafeLine(err.Error(), 300)})
		return false
	}
	return true
}

// statusOf tells an ending to programs.
var statusOf = map[ending]int{sent: http.StatusOK, unsent: http.StatusOK, unknown: http.StatusAccepted, stale: http.StatusConflict, elsewhere: http.StatusConflict, gone: http.StatusConflict,
	forbidden: http.StatusForbidden, unread: http.StatusUnprocessableEntity, invalid: http.StatusUnprocessableEntity,
	held: http.StatusConflict, unproved: http.StatusUnprocessableEntity, failed: http.StatusBadGateway}

// apiDecide takes decisions: all of them are checked before the first is taken.
func (d *Desk) apiDecide(w http.ResponseWriter, r *http.Request, p Person) {
	var in struct {
		Decisions []order `json:"decisions"`
	}
	if !d.read(w, r, &in) {
		return
	}
	switch {
	case len(in.Decisions) == 0:
		d.tell(w, http.StatusUnprocessableEntity, problem{words["batchEmpty"]})
		return
	case len(in.Decisions) > maxBatch:
		d.tell(w, http.StatusRequestEntityTooLarge, problem{words["manyOrders"]})
		return
	}
	answers, taken := d.decideAll(r.Context(), p, in.Decisions)
	status := http.StatusOK
	for k := range answers {
		if !taken && answers[k].Ending == sent { // it could have been
			answers[k].Ending, answers[k].Text = unsent, words["unsent"]
		}
	}
	for _, a := range answers {
		if s := statusOf[a.Ending]; s != http.StatusOK && (status == http.StatusOK || status == http.StatusAccepted) {
			status = s
		}
	}
	d.tell(w, status, struct {
		Taken   bool     `json:"taken"` // false: nothing was sent
		Answers []answer `json:"answers"`
	}{taken, answers})
}

func (d *Desk) apiNote(w http.ResponseWriter, r *http.Request, p Person) {
	var in struct {
		Text string `json:"text"`
	}
	ref := r.PathValue("ref")
	if d.find(r.Context(), p, ref) == nil {
		d.tell(w, http.StatusNotFound, problem{words["notSeenText"]})
		return
	}
	if !d.read(w, r, &in) {
		return
	}
	if err := d.notes.add(ref, p.Login, in.Text); err != nil {
		d.tell(w, http.StatusUnprocessableEntity, problem{err.Error()})
		return
	}
	d.tell(w, http.StatusCreated, d.notes.of(ref))
}

// apiHistory serves what was decided, the latest first, a page at a time.
func (d *Desk) apiHistory(w http.ResponseWriter, r *http.Request, p Person) {
	f, _ := filterOf(r)
	rows, err := d.history(r.Context(), p, f)
	if ref := r.URL.Query().Get("ref"); ref != "" {
		rows = slices.DeleteFunc(rows, func(h *past) bool { return h.Ref != ref })
	}
	out := struct {
		Decided []*past `json:"decided"`
		Found   int     `json:"found"`
		Next    int     `json:"next,omitempty"`
		Broken  bool    `json:"broken,omitempty"` // the audit does not read to its end
	}{Found: len(rows), Broken: err != nil, Decided: []*past{}}
	page := max(number(r.URL.Query(), "page"), 1)
	if from := (page - 1) * perPage; from < len(rows) {
		out.Decided = rows[from:min(page*perPage, len(rows))]
	}
	if page*perPage < len(rows) {
		out.Next = page + 1
	}
	d.tell(w, http.StatusOK, out)
}
