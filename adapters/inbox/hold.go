package inbox

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/duvotool/duvotool/hitl"
)

// A holding is what pages tell of the hold.
type holding struct {
	hitl.HoldState
	Unknown bool // it cannot be read, so nothing is approved
}

// held reads the hold; the zero value where the desk has none.
func (d *Desk) held() holding {
	if d.cfg.Hold == nil {
		return holding{}
	}
	ctx, cancel := context.WithTimeout(context.Background(), holdFor)
	defer cancel()
	s, err := d.cfg.Hold.State(ctx)
	if err != nil {
		if d.unheard.CompareAndSwap(false, true) {
			d.cfg.Log.Error("inbox: whether approvals are held cannot be read; nothing is approved", "error", hitl.SafeLine(err.Error(), 500))
		}
		return holding{Unknown: true}
	}
	d.unheard.Store(false)
	return holding{HoldState: s}
}

// holdFor is how long a page waits for the state of the hold.
const holdFor = 5 * time.Second

// mayHold reports whether a person may put the hold on and take it off.
func (d *Desk) mayHold(ctx context.Context, p Person) bool {
	return d.cfg.MayHold == nil || d.cfg.MayHold(ctx, p)
}

// A switchboard is the page of the hold.
type switchboard struct {
	holding
	May    bool
	Reason string // what the person had filled in
}

func (d *Desk) holdPage(w http.ResponseWriter, r *http.Request, p Person) {
	d.showHold(w, r, p, http.StatusOK, "", nil)
}

func (d *Desk) showHold(w http.ResponseWriter, r *http.Request, p Person, status int, reason string, n *notice) {
	if d.cfg.Hold == nil {
		d.notSeen(w, p)
		return
	}
	d.render(w, status, "hold", page{Title: words["hold"], Person: p, At: "hold", Notice: n, Body: switchboard{d.held(), d.mayHold(r.Context(), p), reason}})
}

// What came of a switch that was not simply made.
var (
	errNoHold     = errors.New("there is no hold")
	errMayNotHold = errors.New("this person may not")
	errLongReason = errors.New("the reason is too long")
	errNoReason   = errors.New("there is no reason")
)

// setHold switches the hold for a person.
func (d *Desk) setHold(ctx context.Context, p Person, on bool, reason string) (hitl.HoldState, error) {
	switch {
	case d.cfg.Hold == nil:
		return hitl.HoldState{}, errNoHold
	case !d.mayHold(ctx, p):
		return hitl.HoldState{}, errMayNotHold
	case len([]rune(reason)) > maxReason:
		return hitl.HoldState{}, errLongReason
	case on && strings.TrimSpace(reason) == "":
		return hitl.HoldState{}, errNoReason
	}
	s, err := d.cfg.Hold.Set(context.WithoutCancel(ctx), on, p.Login, reason)
	d.queue.stale()
	d.live.wake()
	if err != nil {
		d.cfg.Log.Error("inbox: the hold", "on", on, "by", hitl.SafeLine(p.Login, 100), "error", hitl.SafeLine(err.Error(), 500))
	}
	return s, err
}

// holdWords tell a person what came of a switch, and programs by which status.
func holdWords(on bool, err error) (status int, text string) {
	switch {
	case err == nil && on:
		return http.StatusOK, words["holdIsOn"]
	case err == nil:
		return http.StatusOK, words["holdIsOff"]
	case errors.Is(err, errNoHold):
		return http.StatusNotFound, words["holdNone"]
	case errors.Is(err, errMayNotHold):
		return http.StatusForbidden, words["holdNotYours"]
	case errors.Is(err, errLongReason):
		return http.StatusUnprocessableEntity, words["holdLong"]
	case errors.Is(err, errNoReason):
		return http.StatusUnprocessableEntity, words["holdNoReason"]
	case on:
		return http.StatusInternalServerError, words["holdOnFailed"]
	}
	return http.StatusInternalServerError, words["holdOffFailed"]
}

// switchHold takes the form of the page.
func (d *Desk) switchHold(w http.ResponseWriter, r *http.Request, p Person) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, words["badForm"], http.StatusBadRequest)
		return
	}
	to, reason := r.PostForm.Get("hold"), strings.TrimSpace(r.PostForm.Get("reason"))
	if to != "on" && to != "off" {
		http.Error(w, words["badForm"], http.StatusBadRequest)
		return
	}
	_, err := d.setHold(r.Context(), p, to == "on", reason)
	status, text := holdWords(to == "on", err)
	if err == nil {
		reason = ""
	}
	d.showHold(w, r, p, status, reason, &notice{Good: err == nil, Text: text, Asked: true})
}

func (d *Desk) apiHold(w http.ResponseWriter, r *http.Request, _ Person) {
	if d.cfg.Hold == nil {
		d.tell(w, http.StatusNotFound, problem{words["holdNone"]})
		return
	}
	h := d.held()
	if h.Unknown {
		d.tell(w, http.StatusInternalServerError, problem{words["holdUnknown"]})
		return
	}
	d.tell(w, http.StatusOK, h.HoldState)
}

// apiSetHold switches the hold. Unlike other bodies its may leave "on" out by mistake,
// which must not end a hold.
func (d *Desk) apiSetHold(w http.ResponseWriter, r *http.Request, p Person) {
	var in struct {
		On     *bool  `json:"on"`
		Reason string `json:"reason"`
	}
	if !d.read(w, r, &in) {
		return
	}
	if in.On == nil {
		d.tell(w, http.StatusUnprocessableEntity, problem{words["holdWhich"]})
		return
	}
	s, err := d.setHold(r.Context(), p, *in.On, in.Reason)
	if err != nil {
		status, text := holdWords(*in.On, err)
		d.tell(w, status, problem{text})
		return
	}
	d.tell(w, http.StatusOK, s)
}
