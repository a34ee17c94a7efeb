package inbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/duvotool/duvotool/hitl"
)

// A keyring is the page of a person's keys.
type keyring struct{ Keys []Key }

func (d *Desk) keysPage(w http.ResponseWriter, r *http.Request, p Person) {
	d.showKeys(w, r, p, http.StatusOK, nil)
}

func (d *Desk) showKeys(w http.ResponseWriter, r *http.Request, p Person, status int, n *notice) {
	if d.cfg.Prover == nil {
		d.notSeen(w, p)
		return
	}
	keys, err := d.cfg.Prover.Keys(r.Context(), p)
	if err != nil {
		d.cfg.Log.Error("inbox: keys cannot be read", "error", hitl.SafeLine(err.Error(), 500))
		status, n = http.StatusInternalServerError, &notice{Text: words["keysUnread"], Asked: true}
	}
	d.render(w, status, "keys", page{Title: words["keysOf"], Person: p, At: "keys", Notice: n, Body: keyring{keys}})
}

// removeKey takes the form that takes a key away.
func (d *Desk) removeKey(w http.ResponseWriter, r *http.Request, p Person) {
	if d.cfg.Prover == nil {
		d.notSeen(w, p)
		return
	}
	if err := d.cfg.Prover.Remove(r.Context(), p, r.PostFormValue("key")); err != nil {
		d.cfg.Log.Warn("inbox: a key could not be taken away", "error", hitl.SafeLine(err.Error(), 500))
		d.showKeys(w, r, p, http.StatusUnprocessableEntity, &notice{Text: words["keyNotGone"], Asked: true})
		return
	}
	http.Redirect(w, r, d.cfg.BasePath+"/keys", http.StatusSeeOther)
}

// keyStatement is what a key confirms when another one is added. No request has such a
// digest, and it approves nothing.
func keyStatement(p Person, nonce []byte) hitl.Statement {
	return hitl.Statement{Digest: "duvotool desk: another key is added", Verdict: hitl.Denied, Person: p.Login, Nonce: nonce}
}

// apiAskKey begins to add a key. Where one that the person has must confirm it, the
// answer is a challenge for that, and the proof comes with the next call.
func (d *Desk) apiAskKey(w http.ResponseWriter, r *http.Request, p Person) {
	var in struct {
		Proof *given `json:"proof"`
	}
	if !d.read(w, r, &in) {
		return
	}
	if d.cfg.Prover == nil {
		d.tell(w, http.StatusNotFound, problem{words["noProver"]})
		return
	}
	confirmed := false
	if in.Proof != nil {
		if confirmed = d.confirmed(r, p, in.Proof); !confirmed {
			d.tell(w, http.StatusForbidden, problem{words["keyUnconfirmed"]})
			return
		}
	}
	nonce, c := newNonce(), challenge{}
	one := ceremony{person: hitl.PersonKey(p.Login)}
	var err error
	c.Options, one.state, err = d.cfg.Prover.AskNew(r.Context(), p, confirmed)
	if errors.Is(err, ErrConfirm) {
		s := keyStatement(p, nonce)
		c.Confirm, one.challenge = true, s.Challenge()
		c.Options, err = d.cfg.Prover.Ask(r.Context(), p, s)
	}
	switch {
	case errors.Is(err, ErrNoNewKey):
		d.tell(w, http.StatusForbidden, problem{words["keyForbidden"]})
		return
	case err != nil:
		d.cfg.Log.Error("inbox: a key could not be asked for", "error", hitl.SafeLine(err.Error(), 500))
		d.tell(w, http.StatusInternalServerError, problem{words["keyFailed"]})
		return
	}
	c.Nonce = d.asked.begin(nonce, one)
	d.tell(w, http.StatusOK, c)
}

// confirmed reports whether a key that the person has confirms that one is added.
func (d *Desk) confirmed(r *http.Request, p Person, g *given) bool {
	asked, ok := d.asked.take(p, g.Nonce)
	nonce, err := nonceCoding.DecodeString(g.Nonce)
	s := keyStatement(p, nonce)
	if !ok || err != nil || !bytes.Equal(s.Challenge(), asked.challenge) {
		return false
	}
	_, err = d.cfg.Prover.Take(r.Context(), p, s, g.Answer)
	return err == nil
}

// apiTakeKey adds the key.
func (d *Desk) apiTakeKey(w http.ResponseWriter, r *http.Request, p Person) {
	var in struct {
		Nonce  string          `json:"nonce"`
		Name   string          `json:"name"`
		Answer json.RawMessage `json:"answer"`
	}
	if !d.read(w, r, &in) {
		return
	}
	in.Name = strings.TrimSpace(in.Name)
	switch asked, ok := d.asked.take(p, in.Nonce); {
	case d.cfg.Prover == nil:
		d.tell(w, http.StatusNotFound, problem{words["noProver"]})
	case !ok || asked.state == nil:
		d.tell(w, http.StatusUnprocessableEntity, problem{words["keyOld"]})
	case in.Name == "" || len([]rune(in.Name)) > maxKeyName:
		d.tell(w, http.StatusUnprocessableEntity, problem{words["keyName"]})
	default:
		if err := d.cfg.Prover.TakeNew(r.Context(), p, in.Name, asked.state, in.Answer); err != nil {
			d.cfg.Log.Warn("inbox: a key was refused", "person", hitl.SafeLine(p.Login, 100), "error", hitl.SafeLine(err.Error(), 500))
			d.tell(w, http.StatusUnprocessableEntity, problem{words["keyFailed"]})
			return
		}
		d.cfg.Log.Info("inbox: a key was added", "person", hitl.SafeLine(p.Login, 100), "name", hitl.SafeLine(in.Name, 100))
		w.WriteHeader(http.StatusNoContent)
	}
}

const maxKeyName = 80 // characters
