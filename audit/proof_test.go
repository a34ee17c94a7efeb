package audit_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

var kimsKey = ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", 32)))

func verifyKim(_ context.Context, s hitl.Statement, p hitl.Proof) error {
	var sig []byte
	if json.Unmarshal(p.Data, &sig) != nil || s.Person != "kim" || p.Kind != "key" || !ed25519.Verify(kimsKey.Public().(ed25519.PublicKey), s.Challenge(), sig) {
		return errors.New("the signature is another")
	}
	return nil
}

// proved is the record of a decision of kim's, with the text that it is about.
func proved(t *testing.T) audit.Record {
	req := hitl.Request{JobID: "job", ID: "request", Kind: duvo.Question, Title: "Which parcel?", Description: "Two are lost.", Input: "4711", FollowUp: "Hurry.",
		Questions: []duvo.QuestionItem{{Question: "Parcel?", Header: "Parcel", Options: []duvo.Choice{{Label: "one", Description: "red"}, {Label: "two"}}}}, BuildID: "build",
		Assignment: duvo.Assignment{ID: "refunds", Name: "Refunds"}}
	d := hitl.Answer("kim", map[string]string{"Parcel?": "one"})
	d.Reason, d.Source = "seen", hitl.SourcePerson
	p := hitl.Proof{Kind: "key", Person: "kim", Reason: "seen", Nonce: []byte(strings.Repeat("n", 16))}
	var err error
	p.Data, err = json.Marshal(ed25519.Sign(kimsKey, req.Statement(d, p).Challenge()))
	require.NoError(t, err)
	return audit.Record{Event: audit.Decided, At: time.Now(), JobID: "job", AssignmentID: "refunds", RequestID: "request", Kind: duvo.Question, Title: req.Title,
		Digest: req.Digest(), Content: req.ContentDigest(), Request: &req, Verdict: "answered", By: "kim", Reason: "seen", Source: hitl.SourcePerson,
		Answers: d.Answers, Proofs: []hitl.Proof{p}}
}

// rechained writes lines anew, so that each follows the one before.
func rechained(t *testing.T, lines []map[string]any) []byte {
	var out bytes.Buffer
	prev := ""
	for i, l := range lines {
		head := maps.Clone(l)
		head["seq"], head["prev"] = i+1, prev
		var texts []byte
		if l["texts"] != nil {
			var err error
			texts, err = json.Marshal(l["texts"])
			require.NoError(t, err)
			head["sealed"] = sumOf(texts)
			delete(head, "texts")
		}
		raw, err := json.Marshal(head)
		require.NoError(t, err)
		prev = sumOf(raw)
		if texts != nil {
			raw = append(append(append(raw[:len(raw)-1], `,"texts":`...), texts...), '}')
		}
		out.Write(append(raw, '\n'))
	}
	return out.Bytes()
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// TestOneCharacter: whatever single character of the file is changed, the audit does
// not verify. One of what was decided, or of the text, does not verify either if all
// lines are written anew around it.
func TestOneCharacter(t *testing.T) {
	path := t.TempDir() + "/audit.jsonl"
	f, err := audit.OpenFile(path)
	require.NoError(t, err)
	require.NoError(t, f.Record(t.Context(), proved(t)))
	require.NoError(t, f.Record(t.Context(), audit.Record{Event: audit.Sent}))
	count, head := f.Head()
	require.NoError(t, f.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	verify := func(raw []byte) error {
		_, _, err := audit.Verify(bytes.NewReader(raw), count, head)
		_, errProofs := audit.VerifyProofs(t.Context(), bytes.NewReader(raw), verifyKim, nil)
		return errors.Join(err, errProofs)
	}
	require.NoError(t, verify(whole))
	good, err := audit.VerifyProofs(t.Context(), bytes.NewReader(whole), verifyKim, nil)
	require.NoError(t, err)
	require.Equal(t, 1, good)
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		require.Error(t, verify(changed), "byte %d of %s", i, whole)
	}

	lines := func() (out []map[string]any) {
		for _, l := range bytes.Split(bytes.TrimSpace(whole), []byte("\n")) {
			var m map[string]any
			require.NoError(t, json.Unmarshal(l, &m))
			out = append(out, m)
		}
		return out
	}
	_, err = audit.VerifyProofs(t.Context(), bytes.NewReader(rechained(t, lines())), verifyKim, nil)
	require.NoError(t, err)
	changes := 0
	var each func(at string, v any, set func(any), try func(at string))
	each = func(at string, v any, set func(any), try func(string)) {
		switch v := v.(type) {
		case string:
			for i := range []byte(v) {
				b := []byte(v)
				b[i] ^= 1
				set(string(b))
				try(at)
			}
			set(v)
		case map[string]any:
			for k, inner := range v {
				each(at+"."+k, inner, func(x any) { v[k] = x }, try)
			}
		case []any:
			for k, inner := range v {
				each(at, inner, func(x any) { v[k] = x }, try)
			}
		}
	}
	all := lines()
	free := map[string]bool{".event": true, ".at": true, ".key": true, ".assignment": true, ".source": true, ".texts.request.key": true, ".texts.request.assignment.name": true, ".hash": true, ".prev": true,
		".assignment_id": true, ".texts.request.assignment.id": true, // IDs count whatever the case
		".sealed": true, ".texts.salt": true} // written anew, too
	each("", all[0], func(any) {}, func(at string) {
		if free[at] {
			return
		}
		changes++
		_, err := audit.VerifyProofs(t.Context(), bytes.NewReader(rechained(t, all)), verifyKim, nil)
		require.Error(t, err, "%s: %v", at, all[0])
	})
	require.Greater(t, changes, 300)
	all = lines()
	all[0]["assignment_id"] = "refunds2"
	_, err = audit.VerifyProofs(t.Context(), bytes.NewReader(rechained(t, all)), verifyKim, nil)
	require.Error(t, err)
}

// A proof that was taken out is missed where one is needed.
func TestMissingProof(t *testing.T) {
	path := t.TempDir() + "/audit.jsonl"
	f, err := audit.OpenFile(path)
	require.NoError(t, err)
	r := proved(t)
	r.Proofs = nil
	require.NoError(t, f.Record(t.Context(), r))
	r.Verdict, r.Answers = "denied", nil
	require.NoError(t, f.Record(t.Context(), r))
	require.NoError(t, f.Close())
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	good, err := audit.VerifyProofs(t.Context(), bytes.NewReader(raw), verifyKim, nil)
	require.NoError(t, err)
	require.Zero(t, good)
	_, err = audit.VerifyProofs(t.Context(), bytes.NewReader(raw), verifyKim, func(audit.Record) bool { return true })
	require.ErrorIs(t, err, hitl.ErrProofNeeded)
	require.ErrorContains(t, err, "line 1")
	require.NotContains(t, err.Error(), "line 2")
}

// Who holds approvals, and who ends that, is recorded like a decision.
func TestSwitchesAreRecorded(t *testing.T) {
	path := t.TempDir() + "/audit.jsonl"
	f, err := audit.OpenFile(path)
	require.NoError(t, err)
	hold := hitl.NewHold(nil, audit.Switches(f))
	_, err = hold.Set(t.Context(), true, "lee", "a wrong price list")
	require.NoError(t, err)
	_, err = hold.Set(t.Context(), false, "kim", "mended")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	_, err = hold.Set(t.Context(), true, "lee", "again")
	require.Error(t, err)
	file, err := os.Open(path)
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	var got []string
	for e, err := range audit.Read(file) {
		require.NoError(t, err)
		got = append(got, string(e.Event)+" by "+e.By+": "+e.Reason)
	}
	require.Equal(t, []string{"held by lee: a wrong price list", "released by kim: mended"}, got)
}
