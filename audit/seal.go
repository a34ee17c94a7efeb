package audit

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/duvotool/duvotool/hitl"
)

// A line of the file is a record in two parts. The head has who, what, when and the
// verdict, and ends in the hash of the other part, the texts: what people and Jobs have
// said. The chain goes over the heads:
//
//	{"seq":7,"prev":"…","event":"decided",…,"sealed":"HASH OF TEXTS","texts":{…}}
//
// So the texts can be taken off a line, and nothing else: what is left is hashed as it
// was. The salt among them keeps short ones from being guessed by their hash. Lines of
// earlier releases have all in one, and are hashed whole.
type entry struct {
	Seq  int64  `json:"seq"`
	Prev string `json:"prev"` // the hash of the line before; empty in the first
	Record
	Sealed string          `json:"sealed,omitempty"` // empty: there are no texts, or the line is of an earlier release
	Texts  json.RawMessage `json:"texts,omitempty"`  // the last member; none: they were erased
}

// texts are what of a record can be erased.
type texts struct {
	Salt    string            `json:"salt"`
	Title   string            `json:"title,omitempty"`
	Reason  string            `json:"reason,omitempty"`
	Error   string            `json:"error,omitempty"`
	Answers map[string]string `json:"answers,omitempty"`
	Proofs  []hitl.Proof      `json:"proofs,omitempty"` // they are about the reason and the answers
	Request *hitl.Request     `json:"request,omitempty"`
}

// encodeLine makes a line of a record, without its end.
func encodeLine(seq int64, prev string, r Record) ([]byte, error) {
	e := entry{Seq: seq, Prev: prev, Record: r}
	t := texts{Title: r.Title, Reason: r.Reason, Error: r.Error, Answers: r.Answers, Proofs: r.Proofs, Request: r.Request}
	if t.Title != "" || t.Reason != "" || t.Error != "" || len(t.Answers)+len(t.Proofs) > 0 || t.Request != nil {
		t.Salt = rand.Text()
		raw, err := json.Marshal(t)
		if err != nil {
			return nil, err
		}
		e.Texts, e.Sealed = raw, hashOf(raw)
		e.Title, e.Reason, e.Error, e.Answers, e.Proofs, e.Request = "", "", "", nil, nil, nil
	}
	return json.Marshal(e)
}

var errTexts = errors.New("its texts are not those that were recorded")

// decodeLine reads a line, and what it is hashed as: itself, or, where it has texts that
// can be erased, what is left without them.
func decodeLine(line []byte) (e entry, hash string, err error) {
	if err := json.Unmarshal(line, &e); err != nil {
		return entry{}, "", err
	}
	if len(e.Texts) == 0 {
		return e, hashOf(line), nil
	}
	head, ok := headOf(line, e.Texts)
	if !ok || hashOf(e.Texts) != e.Sealed {
		return entry{}, "", errTexts
	}
	var t texts
	if err := json.Unmarshal(e.Texts, &t); err != nil {
		return entry{}, "", fmt.Errorf("its texts: %w", err)
	}
	e.Title, e.Reason, e.Error, e.Answers, e.Proofs, e.Request = t.Title, t.Reason, t.Error, t.Answers, t.Proofs, t.Request
	return e, hashOf(head), nil
}

// headOf is a line without its texts.
func headOf(line []byte, texts json.RawMessage) ([]byte, bool) {
	tail := append(append([]byte(`,"texts":`), texts...), '}')
	head, ok := bytes.CutSuffix(line, tail)
	return append(bytes.Clone(head), '}'), ok
}

// erased reports whether the texts of a line were taken off it.
func (e *entry) erased() bool { return e.Sealed != "" && len(e.Texts) == 0 }

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
