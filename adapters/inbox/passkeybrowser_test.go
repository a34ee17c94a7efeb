package inbox_test

import (
	"bytes"
	"context"
	"net/url"
	"os"
	"testing"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/duvotool/duvotool/audit"
	"github.com/stretchr/testify/require"
)

// TestBrowserPasskey: in a real browser a person adds a passkey, approves and answers
// by it, and adds another that the first confirms; the audit verifies, and does not
// once a character of a text or of a record is another.
func TestBrowserPasskey(t *testing.T) {
	v := newVault(t)
	refund, survey := v.start("refunds", "Refund 120 EUR|For order 4711."), v.start("addresses", "Order 4698")
	w := v.browse(kim)
	var first webauthn.AuthenticatorID
	device := func(transport webauthn.AuthenticatorTransport) (id webauthn.AuthenticatorID) {
		w.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
			id, err = webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: transport,
				HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true}).Do(ctx)
			return err
		}))
		return id
	}
	verified := func(id webauthn.AuthenticatorID, is bool) {
		w.run(webauthn.SetUserVerified(id, is))
	}
	at := func(path string) { w.run(chromedp.Navigate(v.origin+"/desk"+path), chromedp.WaitVisible("#main")) }
	w.run(webauthn.Enable())
	first = device(webauthn.AuthenticatorTransportInternal)

	at("/requests/" + refund)
	w.run(chromedp.Click(`[value=approve]`), chromedp.Click(`#decide .send`))
	w.sees("You have no passkey at this desk yet")
	at("/keys")
	w.sees("You have none.")
	w.run(chromedp.SendKeys(`#newkey [name=name]`, "Laptop"), chromedp.Click(`#newkey button`))
	w.run(chromedp.WaitVisible(`form[action$="/keys/remove"]`))
	w.sees("Laptop")

	at("/requests/" + refund)
	verified(first, false) // somebody else's finger
	w.run(chromedp.Click(`[value=approve]`), chromedp.SendKeys(`#decide textarea`, "Broken lamp,\nsee the photo."), chromedp.Click(`#decide .send`))
	w.sees("Your device did not sign it.")
	require.Zero(t, v.responses())
	verified(first, true)
	w.run(chromedp.Click(`#decide .send`))
	w.run(chromedp.WaitVisible(`main[data-request="` + survey + `"]`)) // the next one
	require.Equal(t, 1, v.responses())
	w.run(chromedp.Click(`[value="Linden Street 14"]`), chromedp.Click(`[value="Parcel 1"]`), chromedp.SendKeys(`#q3`, "A day later."), chromedp.Click(`#decide .send`))
	w.sees("Proved by")
	require.Equal(t, 2, v.responses())

	at("/keys")
	device(webauthn.AuthenticatorTransportUsb)
	w.run(chromedp.SendKeys(`#newkey [name=name]`, "Key ring"), chromedp.Click(`#newkey button`))
	w.sees("Key ring")

	at("/requests/" + v.start("refunds", "Refund 1 EUR|")) // a hold is told on a page that is open
	w.run(chromedp.WaitVisible("#live:not([hidden])"), chromedp.Click(`[value=approve]`))
	v.as(lee, "POST", "/hold", url.Values{"hold": {"on"}, "reason": {"A wrong price list."}})
	w.sees("Approvals are on hold.")
	w.run(chromedp.Click(`#decide .send`))
	w.sees("Nothing was sent. Approvals are on hold.")
	require.Equal(t, 2, v.responses())

	raw, err := os.ReadFile(v.path)
	require.NoError(t, err)
	count, head := v.log.Head()
	verify := func(raw []byte) (good int, err error) {
		if _, _, err := audit.Verify(bytes.NewReader(raw), count, head); err != nil {
			return 0, err
		}
		return audit.VerifyProofs(t.Context(), bytes.NewReader(raw), v.keys.VerifyPast, func(audit.Record) bool { return true })
	}
	good, err := verify(raw)
	require.NoError(t, err)
	require.Equal(t, 2, good)
	for _, part := range []string{"For order 4711.", "Refund 120 EUR", "Broken lamp", `"verdict":"approved"`, "Linden Street 14", "authenticatorData", kim} {
		changed := bytes.Clone(raw)
		changed[bytes.Index(raw, []byte(part))+3] ^= 1
		_, err := verify(changed)
		require.Error(t, err, part)
	}
}
