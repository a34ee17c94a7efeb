package duvotool_test

import (
	"net/http"
	"testing"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/internal/inbody/inbodytest"
)

// Nobody has for ever to send the body of a delivery, whatever the server's own timeouts.
func TestADeliverysBodyIsTimed(t *testing.T) {
	d := duvotest.New(duvotest.WithAssignment(refunds))
	defer d.Close()
	h := discover(t, d.Client(), duvotool.WithWebhook("https://example.com/hook", hookSecret)).Webhook()
	inbodytest.Timed(t, h, "/", http.StatusUnauthorized)
}
