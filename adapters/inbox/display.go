package inbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/duvotool/duvotool/hitl"
)

// A display is the proof that a person was shown a text: a decision comes with it.
type display struct {
	Person string    `json:"person"` // by hitl.PersonKey
	Ref    string    `json:"ref"`
	Digest string    `json:"digest"`
	Whole  bool      `json:"whole"` // all of the text was there to be read
	At     time.Time `json:"at"`
}

// displayFor is how long a display is good.
const displayFor = 24 * time.Hour

// show makes the proof that a person was shown an item, and keeps its text.
func (d *Desk) show(p Person, i *item, whole bool) string {
	d.memory.keepShown(i.digest, i.req)
	raw, err := json.Marshal(display{hitl.PersonKey(p.Login), i.ref, i.digest, whole, time.Now()})
	if err != nil {
		panic(err) // texts, a truth and a time
	}
	enc := base64.RawURLEncoding
	return enc.EncodeToString(raw) + "." + enc.EncodeToString(d.sum(raw))
}

func (d *Desk) sum(raw []byte) []byte {
	mac := hmac.New(sha256.New, d.secret)
	mac.Write(raw)
	return mac.Sum(nil)
}

// shown opens the proof of a display of an item to a person; false where it is none.
func (d *Desk) shown(p Person, ref, sealed string) (display, bool) {
	body, sum, _ := strings.Cut(sealed, ".")
	enc := base64.RawURLEncoding
	raw, err := enc.DecodeString(body)
	given, err2 := enc.DecodeString(sum)
	var s display
	if err != nil || err2 != nil || !hmac.Equal(given, d.sum(raw)) || json.Unmarshal(raw, &s) != nil {
		return display{}, false
	}
	return s, s.Person == hitl.PersonKey(p.Login) && s.Ref == ref && time.Since(s.At) < displayFor
}
