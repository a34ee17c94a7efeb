package passkey_test

import (
	"context"
	"log"
	"net/http"
	"strings"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/adapters/inbox/passkey"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/hitl"
)

// Large refunds take the passkey of whoever approves them, others a click. The audit
// shows later who approved what.
func Example() {
	ctx := context.Background()
	store, err := passkey.OpenFile("passkeys.json")
	if err != nil {
		log.Fatal(err)
	}
	keys, err := passkey.New(passkey.Config{RPID: "desk.example.com", Origins: []string{"https://desk.example.com"}, Store: store})
	if err != nil {
		log.Fatal(err)
	}
	record, err := audit.OpenFile("audit.jsonl")
	if err != nil {
		log.Fatal(err)
	}
	large := func(r hitl.Request) bool { return !strings.HasPrefix(r.Input, "small: ") }
	later := hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) { return hitl.Suspend(), nil })
	client, err := duvo.New() // with the key of the environment
	if err != nil {
		log.Fatal(err)
	}
	reg, err := duvotool.Discover(ctx, client,
		duvotool.WithPolicy(hitl.RequireProof(large, keys.Verify, later)),
		duvotool.WithAudit(record), duvotool.WithAuditTexts())
	if err != nil {
		log.Fatal(err)
	}
	whoIsIt := func(*http.Request) (inbox.Person, error) { return inbox.Person{}, inbox.ErrNotSignedIn } // of the host's sign-in
	desk, err := inbox.New(inbox.Config{Registries: []inbox.Registry{reg}, Person: whoIsIt, May: inbox.Everyone, Prover: keys})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", desk)) // behind what serves https://desk.example.com
}
