package inbox_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/descope/virtualwebauthn"
	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/adapters/inbox/passkey"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/hitl"
	"github.com/stretchr/testify/require"
)

// A vault is a desk at which approving takes a passkey.
type vault struct {
	*bench
	keys   *passkey.Keys
	origin string
}

func newVault(t *testing.T) *vault {
	server := httptest.NewUnstartedServer(nil)
	v := &vault{origin: strings.Replace("http://"+server.Listener.Addr().String(), "127.0.0.1", "localhost", 1)}
	store, err := passkey.OpenFile(t.TempDir() + "/passkeys.json")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	v.keys, err = passkey.New(passkey.Config{RPID: "localhost", Origins: []string{v.origin}, Store: store})
	require.NoError(t, err)
	hold := hitl.NewHold(nil, nil)
	policy := hold.Over(hitl.RequireProof(nil, v.keys.Verify, hitl.PolicyFunc(suspend)))
	v.bench = newBenchOf(t, server, policy, func(c *inbox.Config) { c.Prover, c.Hold = v.keys, hold })
	return v
}

// A device is a person's, with one passkey.
type device struct {
	v    *vault
	who  string
	rp   virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	cred virtualwebauthn.Credential
}

// newCredential makes a key pair. Of a public key whose X or Y begins with a zero byte
// (one in 128) the library leaves that byte out, which no device does, and is refused.
func newCredential() virtualwebauthn.Credential {
	const whole = 77 // bytes of a P-256 key in COSE
	for {
		if c := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2); len(c.Key.AttestationData()) == whole {
			return c
		}
	}
}

func (v *vault) device(who string) *device {
	return &device{v, who, virtualwebauthn.RelyingParty{ID: "localhost", Name: "Approval desk", Origin: v.origin}, virtualwebauthn.NewAuthenticator(), newCredential()}
}

// call posts JSON as a person and reads the answer.
func (v *vault) call(who, path string, in any) (status int, out map[string]json.RawMessage) {
	v.Helper()
	raw, err := json.Marshal(in)
	require.NoError(v, err)
	r, err := http.NewRequestWithContext(v.Context(), "POST", v.http.URL+"/desk"+path, bytes.NewReader(raw))
	require.NoError(v, err)
	r.Header.Set("X-Person", who)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	require.NoError(v, err)
	defer func() { _ = res.Body.Close() }()
	if raw, err = io.ReadAll(res.Body); len(raw) > 0 {
		require.NoError(v, json.Unmarshal(raw, &out), string(raw))
	}
	require.NoError(v, err)
	return res.StatusCode, out
}

func unquoted(raw json.RawMessage) (s string) { _ = json.Unmarshal(raw, &s); return s }

// sign answers a challenge.
func (d *device) sign(options json.RawMessage) json.RawMessage {
	d.v.Helper()
	o, err := virtualwebauthn.ParseAssertionOptions(string(options))
	require.NoError(d.v, err)
	d.cred.Counter++
	return json.RawMessage(virtualwebauthn.CreateAssertionResponse(d.rp, d.auth, d.cred, *o))
}

// enrol adds the passkey; an older one of the person's confirms it.
func (d *device) enrol(older *device) int {
	d.v.Helper()
	status, c := d.v.call(d.who, "/api/keys/challenge", map[string]any{})
	if status == 200 && c["confirm"] != nil {
		if older == nil {
			return 0
		}
		status, c = d.v.call(d.who, "/api/keys/challenge", map[string]any{"proof": map[string]any{"nonce": unquoted(c["nonce"]), "answer": older.sign(c["options"])}})
	}
	if status != 200 {
		return status
	}
	o, err := virtualwebauthn.ParseAttestationOptions(string(c["options"]))
	require.NoError(d.v, err)
	answer := json.RawMessage(virtualwebauthn.CreateAttestationResponse(d.rp, d.auth, d.cred, *o))
	status, _ = d.v.call(d.who, "/api/keys", map[string]any{"nonce": unquoted(c["nonce"]), "name": "laptop", "answer": answer})
	return status
}

// order is one to approve, with its display.
func (d *device) order(ref string) map[string]any {
	return map[string]any{"ref": ref, "display": d.v.display(d.v.as(d.who, "GET", "/requests/"+ref+"?whole=1", nil), "display"), "verdict": "approve", "reason": "fine"}
}

// proved asks for the challenge of an order and adds the device's answer to it.
func (d *device) proved(order map[string]any) map[string]any {
	d.v.Helper()
	status, c := d.v.call(d.who, "/api/challenges", order)
	require.Equal(d.v, 200, status, "%s", c["error"])
	order["proof"] = map[string]any{"nonce": unquoted(c["nonce"]), "answer": d.sign(c["options"])}
	return order
}

// send sends orders, and returns what came of the first.
func (v *vault) send(who string, orders ...map[string]any) (ending, text string) {
	v.Helper()
	_, out := v.call(who, "/api/decisions", map[string]any{"decisions": orders})
	var answers []struct{ Ending, Text string }
	require.NoError(v, json.Unmarshal(out["answers"], &answers), "%s", out["error"])
	return answers[0].Ending, answers[0].Text
}

func copied(order map[string]any, change func(map[string]any)) map[string]any {
	raw, _ := json.Marshal(order)
	var out map[string]any
	_ = json.Unmarshal(raw, &out)
	change(out)
	return out
}

// TestPasskey: an approval takes the person's passkey; the audit shows later that they
// decided this about this text, also after the passkey was removed.
func TestPasskey(t *testing.T) {
	v := newVault(t)
	ref := v.start("refunds", "Refund 120 EUR|For order 4711.")
	kims := v.device(kim)
	status, out := v.call(kim, "/api/challenges", kims.order(ref))
	require.Equal(t, 422, status)
	require.Contains(t, string(out["error"]), "no passkey")
	require.Equal(t, 204, kims.enrol(nil))
	page := v.as(kim, "GET", "/requests/"+ref, nil)
	require.Contains(t, page.text, "takes your passkey")
	require.Contains(t, page.text, `data-prove="/desk/requests/`+ref+`/challenge"`)
	batch := v.as(kim, "GET", "/batch?request="+ref, nil)
	require.NotContains(t, batch.text, `value="approve"`)
	require.Contains(t, batch.text, `value="deny"`)
	refused := v.as(kim, "POST", "/requests/"+ref, url.Values{"display": {v.display(page, "display")}, "verdict": {"approve"}, "reason": {"fine"}})
	require.Equal(t, 422, refused.status)
	require.Contains(t, refused.text, "Nothing was sent. Approving or answering this takes your passkey.")
	ending, text := v.send(kim, kims.order(ref))
	require.Equal(t, "unproved", ending, text)
	require.Zero(t, v.responses())

	ending, text = v.send(kim, kims.proved(kims.order(ref)))
	require.Equal(t, "sent", ending, text)
	require.Equal(t, 1, v.responses())
	require.Contains(t, v.as(lee, "GET", "/history/"+ref, nil).text, "Proved by")
	id := v.display(v.as(kim, "GET", "/keys", nil), "key")
	require.Equal(t, 200, v.as(kim, "POST", "/keys/remove", url.Values{"key": {id}}).status)
	raw, err := os.ReadFile(v.path)
	require.NoError(t, err)
	verify := func(raw []byte, verify hitl.Verifier) (int, error) {
		return audit.VerifyProofs(t.Context(), bytes.NewReader(raw), verify, func(audit.Record) bool { return true })
	}
	good, err := verify(raw, v.keys.VerifyPast)
	require.NoError(t, err)
	require.Equal(t, 1, good)
	_, err = verify(raw, v.keys.Verify)
	require.ErrorContains(t, err, "no such passkey", "it proves nothing new")
	_, err = verify(bytes.Replace(raw, []byte(`"input":"Refund 120`), []byte(`"input":"Refund 121`), 1), v.keys.VerifyPast)
	require.Error(t, err)
}

// TestPasskeyAttacks: an assertion counts once, for one request, one verdict, one
// reason, one person and one desk, and only if the device made sure who it was.
func TestPasskeyAttacks(t *testing.T) {
	v := newVault(t)
	one, two := v.start("refunds", "Refund 1 EUR|"), v.start("refunds", "Refund 2 EUR|")
	kims, lees := v.device(kim), v.device(lee)
	require.Equal(t, 204, kims.enrol(nil))
	require.Equal(t, 204, lees.enrol(nil))
	refused := func(what, who string, orders ...map[string]any) (text string) {
		t.Helper()
		ending, text := v.send(who, orders...)
		require.NotEqual(t, "sent", ending, what)
		require.Contains(t, text, "Nothing was sent", what)
		require.Zero(t, v.responses(), what)
		return text
	}
	set := func(k string, to any) func(map[string]any) { return func(o map[string]any) { o[k] = to } }
	text := refused("another reason", kim, copied(kims.proved(kims.order(one)), set("reason", "fine!")))
	require.Contains(t, text, "What your passkey signed is not what was sent.")
	refused("another request", kim, copied(kims.proved(kims.order(one)), func(o map[string]any) { o["ref"], o["display"] = two, kims.order(two)["display"] }))
	refused("another person's session", lee, copied(kims.proved(kims.order(one)), set("display", lees.order(one)["display"])))
	stolen := lees.proved(lees.order(one))
	stolen["proof"].(map[string]any)["answer"] = kims.sign(mustOptions(v, lees, one))
	refused("another person's passkey", lee, stolen)

	used := kims.proved(kims.order(one))
	refused("once for nothing", kim, copied(used, set("reason", "another")))
	refused("and once more, as it was", kim, used)
	_, c := v.call(kim, "/api/challenges", kims.order(one))
	old := copied(used, func(o map[string]any) { o["proof"].(map[string]any)["nonce"] = unquoted(c["nonce"]) })
	refused("an answer to an older challenge", kim, old)
	refused("no nonce of ours", kim, copied(used, func(o map[string]any) { o["proof"].(map[string]any)["nonce"] = "AAAA" }))
	refused("twice at once", kim, kims.proved(kims.order(one)), copied(used, set("ref", two)))

	kims.auth.Options.UserNotVerified = true
	refused("a device that did not look who it was", kim, kims.proved(kims.order(one)))
	kims.auth.Options.UserNotVerified = false
	kims.rp.Origin = "http://localhost:1"
	refused("another site", kim, kims.proved(kims.order(one)))
	kims.rp.Origin, kims.rp.ID = v.origin, "example.com"
	refused("another party", kim, kims.proved(kims.order(one)))
	kims.rp.ID = "localhost"
	stranger := v.device(kim)
	stranger.cred.ID = kims.cred.ID
	refused("another key under its name", kim, stranger.proved(kims.order(one)))
	kims.cred.Counter = 0
	refused("a device that counts backwards", kim, kims.proved(kims.order(one)))
	kims.cred.Counter = 1000
	for _, bad := range []any{nil, "x", map[string]any{}, map[string]any{"id": "x", "response": map[string]any{}}, []int{1}} {
		o := kims.proved(kims.order(one))
		o["proof"].(map[string]any)["answer"] = bad
		refused("rubbish", kim, o)
	}
	crowded := kims.proved(kims.order(one))
	for range 20 {
		_ = mustOptions(v, kims, one)
	}
	refused("one of too many challenges", kim, crowded)
	order := kims.proved(kims.order(one))
	status, _ := v.call(kim, "/api/keys/challenge", map[string]any{"proof": order["proof"]})
	require.Equal(t, 403, status, "an approval confirms no other passkey")
	_, c = v.call(kim, "/api/keys/challenge", map[string]any{})
	order = kims.order(one)
	order["proof"] = map[string]any{"nonce": unquoted(c["nonce"]), "answer": kims.sign(c["options"])}
	refused("what confirms a passkey approves nothing", kim, order)
	id := v.display(v.as(kim, "GET", "/keys", nil), "key")
	v.as(lee, "POST", "/keys/remove", url.Values{"key": {id}})
	last := kims.proved(kims.order(one))
	ending, text := v.send(kim, last)
	require.Equal(t, "sent", ending, text)
	ending, _ = v.send(kim, last)
	require.NotEqual(t, "sent", ending)
	require.Equal(t, 1, v.responses())
}

// mustOptions asks for a challenge and returns its options alone.
func mustOptions(v *vault, d *device, ref string) json.RawMessage {
	status, c := v.call(d.who, "/api/challenges", d.order(ref))
	require.Equal(v, 200, status)
	return c["options"]
}

// TestAddingPasskeys: one that the person has confirms the next; who has lost all
// cannot add another by themselves; nobody adds one for somebody else.
func TestAddingPasskeys(t *testing.T) {
	v := newVault(t)
	first, second, thief := v.device(kim), v.device(kim), v.device(kim)
	thief.auth.Options.UserNotVerified = true
	require.Equal(t, 422, thief.enrol(nil), "the device did not make sure who it was")
	require.Equal(t, 204, first.enrol(nil))
	require.Equal(t, 0, second.enrol(nil), "it has to be confirmed")
	require.Equal(t, 403, second.enrol(second), "not by itself")
	require.Equal(t, 204, second.enrol(first))
	lees := v.device(lee)
	lees.cred = first.cred
	require.Equal(t, 422, lees.enrol(nil), "somebody has it")

	_, c := v.call(kim, "/api/keys/challenge", map[string]any{})
	proof := map[string]any{"nonce": unquoted(c["nonce"]), "answer": first.sign(c["options"])}
	status, _ := v.call(lee, "/api/keys/challenge", map[string]any{"proof": proof})
	require.Equal(t, 403, status)
	status, made := v.call(kim, "/api/keys/challenge", map[string]any{"proof": proof})
	require.Equal(t, 200, status)
	status, _ = v.call(kim, "/api/keys/challenge", map[string]any{"proof": proof})
	require.Equal(t, 403, status, "it counts once")
	o, err := virtualwebauthn.ParseAttestationOptions(string(made["options"]))
	require.NoError(t, err)
	third := v.device(kim)
	in := map[string]any{"nonce": unquoted(made["nonce"]), "name": "phone", "answer": json.RawMessage(virtualwebauthn.CreateAttestationResponse(third.rp, third.auth, third.cred, *o))}
	status, _ = v.call(lee, "/api/keys", in)
	require.Equal(t, 422, status)
	status, _ = v.call(kim, "/api/keys", in)
	require.Equal(t, 204, status)
	status, _ = v.call(kim, "/api/keys", in)
	require.Equal(t, 422, status)

	ref := v.start("refunds", "Refund 1 EUR|")
	confirm, _ := v.call(kim, "/api/challenges", second.order(ref))
	require.Equal(t, 200, confirm)
	for page := v.as(kim, "GET", "/keys", nil); strings.Contains(page.text, `name="key"`); page = v.as(kim, "GET", "/keys", nil) {
		v.as(kim, "POST", "/keys/remove", url.Values{"key": {v.display(page, "key")}})
	}
	require.Equal(t, 403, v.device(kim).enrol(nil), "whoever removed them could be anybody with a session")
	status, _ = v.call(kim, "/api/challenges", second.order(ref))
	require.Equal(t, 422, status)
}

// Nothing of it is served to nobody, or for a foreign page.
func TestPasskeysNeedASession(t *testing.T) {
	v := newVault(t)
	ref := v.start("refunds", "Refund 1 EUR|")
	for _, c := range [][2]string{{"POST", "/api/challenges"}, {"POST", "/api/keys/challenge"}, {"POST", "/api/keys"}, {"POST", "/keys/remove"}, {"GET", "/keys"},
		{"POST", "/requests/" + ref + "/challenge"}, {"GET", "/hold"}, {"POST", "/hold"}, {"GET", "/api/hold"}, {"PUT", "/api/hold"}} {
		require.Equal(t, http.StatusUnauthorized, v.as("", c[0], c[1], nil).status, c)
		if c[0] != "GET" {
			foreign := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }
			require.Equal(t, http.StatusForbidden, v.as(kim, c[0], c[1], url.Values{}, foreign).status, c)
		}
	}
	for _, path := range []string{"/api/challenges", "/api/keys/challenge", "/api/keys"} {
		require.Equal(t, http.StatusUnsupportedMediaType, v.as(kim, "POST", path, url.Values{"nonce": {"x"}}).status, path)
	}
}
