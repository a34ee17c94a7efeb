package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/adapters/inbox"
	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/internal/syncbuf"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// asProgram lets a test's binary be duvoctl.
const asProgram = "DUVOCTL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

const (
	kim, lee  = "kim@example.com", "lee@example.com"
	refundsID = "6f1e02c9-0000-4000-8000-000000000001"
	eventual  = time.Minute
)

var refunds = duvotest.Assignment{ID: refundsID, Name: "Refunds", Folder: "Support/Money", Description: "Refunds orders.", Script: func(j *duvotest.Job) {
	title, description, _ := strings.Cut(j.Input(), "|")
	if j.AskApproval(title, description) {
		j.Complete("Refunded.")
	}
	j.Complete("Not refunded.")
}}

var addresses = duvotest.Assignment{ID: "6f1e02c9-0000-4000-8000-000000000002", Name: "Addresses", Script: func(j *duvotest.Job) {
	j.Ask("Which delivery address is right?", "The order and the e-mail differ.",
		duvo.QuestionItem{Question: "Which address?", Header: "Address", Options: []duvo.Choice{{Label: "Linden Street 4", Description: "on the order"}, {Label: "Linden Street 14"}}},
		duvo.QuestionItem{Question: "Which parcels?", MultiSelect: true, Options: []duvo.Choice{{Label: "Parcel 1 of 3"}, {Label: "Parcel 2 of 3"}, {Label: "Parcel 3 of 3"}}},
		duvo.QuestionItem{Question: "What is the customer told?"})
	j.Complete("Sent.")
}}

var plain = duvotest.Assignment{ID: "6f1e02c9-0000-4000-8000-000000000003", Name: "Order status", Script: func(j *duvotest.Job) {
	if j.Input() == "fail" {
		j.Fail("There is no such order.")
	}
	j.Say("Looking.")
	j.Complete("Shipped: " + j.Input())
}}

// A bench is a Duvo, and by choice a desk, with duvoctl beside it.
type bench struct {
	*testing.T
	d    *duvotest.Server
	reg  *duvotool.Registry
	desk string // its address; empty: there is none
	path string // of the audit
}

func atDuvoBench(t *testing.T, opts ...duvotest.Option) *bench {
	b := &bench{T: t, d: duvotest.NewServer(append([]duvotest.Option{duvotest.WithAssignments(refunds, addresses, plain)}, opts...)...)}
	t.Cleanup(b.d.Close)
	for _, v := range b.d.Env() {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	t.Setenv(envDesk, "")
	t.Setenv(envToken, "")
	return b
}

// person is who bears a token: its text.
func person(r *http.Request) (inbox.Person, error) {
	who, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return inbox.Person{}, inbox.ErrNotSignedIn
	}
	return inbox.Person{Login: who}, nil
}

// atDeskBench has a desk besides, at which kim is.
func atDeskBench(t *testing.T, change ...func(*inbox.Config)) *bench {
	b := atDuvoBench(t)
	b.path = t.TempDir() + "/audit.jsonl"
	log, err := audit.OpenFile(b.path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, log.Close()) })
	client := b.d.Client()
	hold := hitl.NewHold(nil, audit.Switches(log))
	b.reg, err = duvotool.Discover(t.Context(), client, duvotool.WithPolicy(hold.Over(hitl.PolicyFunc(func(context.Context, hitl.Request) (hitl.Decision, error) {
		return hitl.Suspend(), nil
	}))), duvotool.WithPollInterval(5*time.Millisecond), duvotool.WithAudit(log), duvotool.WithAuditTexts())
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	t.Cleanup(func() { require.NoError(t, b.reg.Close(context.Background())) })
	cfg := inbox.Config{Registries: []inbox.Registry{b.reg}, Person: person, May: inbox.Everyone, BasePath: "/desk", Audit: inbox.AuditFile(b.path), Hold: hold}
	for _, c := range change {
		c(&cfg)
	}
	desk, err := inbox.New(cfg)
	require.NoError(t, err)
	t.Cleanup(desk.Close)
	server := httptest.NewServer(http.StripPrefix("/desk", desk))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	b.desk = server.URL + "/desk"
	t.Setenv(envDesk, b.desk)
	t.Setenv(envToken, kim)
	return b
}

// starts starts a Job that the desk's service works on, and waits until it asks.
func (b *bench) starts(tool, input string) hitl.Request {
	b.Helper()
	before := len(b.reg.Pending())
	call, err := b.reg.Tool(tool)
	require.NoError(b, err)
	_, err = call.Run(duvotool.WithOperationKey(b.Context(), rand.Text()), input)
	require.NoError(b, err)
	require.Eventually(b, func() bool { return len(b.reg.Pending()) == before+1 }, eventual, time.Millisecond)
	for _, r := range b.reg.Pending() {
		if r.Input == input {
			return r
		}
	}
	b.Fatal("it does not wait")
	return hitl.Request{}
}

// asks starts a Job in Duvo itself, and waits until it asks.
func (b *bench) asks(assignment, input string) (jobID string) {
	b.Helper()
	id, err := b.d.StartElsewhere(assignment, input)
	require.NoError(b, err)
	require.Eventually(b, func() bool { return b.d.Pending(id) != nil }, eventual, time.Millisecond)
	return id
}

// A ran is what a run of duvoctl has left.
type ran struct {
	code      int
	out, errs string
}

// ctl runs duvoctl at a pipe.
func (b *bench) ctl(args ...string) ran {
	b.Helper()
	return b.ctlWith(b.Context(), "", args...)
}

func (b *bench) ctlWith(ctx context.Context, in string, args ...string) ran {
	b.Helper()
	var out, errs syncbuf.Buffer
	a := newApp(strings.NewReader(in), &out, &errs)
	a.grace, a.soon, a.patience = eventual, eventual, eventual // whatever the machine
	r := ran{code: a.run(ctx, args)}
	r.out, r.errs = out.String(), errs.String()
	for _, secret := range []string{b.d.Key()} {
		require.NotContains(b, r.out+r.errs, secret)
	}
	return r
}

// ok runs duvoctl, which must be done, and returns what it printed.
func (b *bench) ok(args ...string) string {
	b.Helper()
	r := b.ctl(args...)
	require.Zero(b, r.code, r.errs+r.out)
	return r.out
}

// json runs duvoctl with --json, holds each line of it against a definition of the
// schema, and reads the last one into out.
func (b *bench) json(code int, definition string, out any, args ...string) []string {
	b.Helper()
	r := b.ctl(append(args, "--json")...)
	require.Equal(b, code, r.code, r.errs+r.out)
	text := r.out
	if definition == "error" {
		require.Empty(b, r.out)
		text = lastLine(r.errs)
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for _, l := range lines {
		fits(b, definition, l)
	}
	if out != nil {
		require.NoError(b, json.Unmarshal([]byte(lines[len(lines)-1]), out))
	}
	return lines
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// closed lets objects have the fields that are described and no others: the schema is
// open, so that fields may be added, and none is added without a description.
func closed(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["properties"]; ok && v["type"] == "object" {
			if _, said := v["additionalProperties"]; !said {
				v["additionalProperties"] = false
			}
		}
		for _, x := range v {
			closed(x)
		}
	case []any:
		for _, x := range v {
			closed(x)
		}
	}
}

var compiled = sync.OnceValue(func() *jsonschema.Compiler {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		panic(err)
	}
	closed(doc)
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		panic(err)
	}
	return c
})

// fits holds a line of JSON against a definition of the schema.
func fits(t testing.TB, definition, line string) {
	t.Helper()
	s, err := compiled().Compile("schema.json#/$defs/" + definition)
	require.NoError(t, err)
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
	require.NoError(t, err, line)
	require.NoError(t, s.Validate(v), line)
}

// response is what Duvo was told about a Job's request; nil: nothing.
func (b *bench) response(jobID string) *duvotest.ResponseRecord {
	b.Helper()
	j, ok := b.d.Job(jobID)
	require.True(b, ok)
	require.NotEmpty(b, j.Requests)
	return j.Requests[0].Response
}

func (b *bench) sent() int { return b.d.Count("respondToHumanRequest") }

// shown are the ref and the digest of what a Job waits for, as duvoctl tells them.
func (b *bench) shown(name string) (ref, digest string) {
	b.Helper()
	var out struct{ Request struct{ Ref, Digest string } }
	b.json(0, "show", &out, "show", name)
	return out.Request.Ref, out.Request.Digest
}

func write(t *testing.T, name, text string) string {
	path := t.TempDir() + "/" + name
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}
