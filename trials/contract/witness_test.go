package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The library checks dates by itself, these two only if told how.
	openapi3.DefineStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForUUIDOfRFC9562))
	openapi3.DefineStringFormatValidator("uri", openapi3.NewCallbackValidator(func(s string) error {
		if u, err := url.Parse(s); err != nil || !u.IsAbs() {
			return fmt.Errorf("%q is no URI", s)
		}
		return nil
	}))
	goleak.VerifyTestMain(m)
}

const described = "../../testdata/openapi/duvo.yaml"

func load(t *testing.T, path string) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile(path)
	require.NoError(t, err)
	return doc
}

// A witness stands between the client and a server and compares what passes
// with the description.
type witness struct {
	next   http.RoundTripper
	doc    *openapi3.T
	router routers.Router

	mu       sync.Mutex
	seen     map[string]map[int]int // operation, status, how often
	problems []string
	uploads  int // to URLs that a server told
}

// The witness speaks of this server, whatever carries the requests.
const server = "https://api.duvo.ai"

func newWitness(t *testing.T, next http.RoundTripper) *witness {
	t.Helper()
	doc := load(t, described)
	router, err := gorillamux.NewRouter(doc)
	require.NoError(t, err)
	return &witness{next: next, doc: doc, router: router, seen: map[string]map[int]int{}}
}

type strangerKey struct{}

// stranger marks requests that are not our client's: they may be wrong, and
// only the answers to them are compared.
func stranger(ctx context.Context) context.Context {
	return context.WithValue(ctx, strangerKey{}, true)
}

func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
	}
	copied := func() *http.Request {
		c := r.Clone(r.Context())
		c.Body = io.NopCloser(bytes.NewReader(sent))
		return c
	}
	if r.Method == http.MethodPut && !strings.HasPrefix(r.URL.Path, "/v2/") {
		w.upload(r)
		return w.next.RoundTrip(copied())
	}
	route, args, err := w.router.FindRoute(copied())
	if err != nil {
		w.object("%s %s: %v", r.Method, r.URL.Path, err)
		return w.next.RoundTrip(copied())
	}
	op := route.Operation.OperationID
	in := &openapi3filter.RequestValidationInput{Request: copied(), PathParams: args, Route: route, Options: &openapi3filter.Options{
		AuthenticationFunc: func(_ context.Context, a *openapi3filter.AuthenticationInput) error {
			if !strings.HasPrefix(a.RequestValidationInput.Request.Header.Get("Authorization"), "Bearer ") {
				return fmt.Errorf("no bearer token")
			}
			return nil
		},
		MultiError: true, IncludeResponseStatus: true, SkipSettingDefaults: true,
	}}
	if r.Context().Value(strangerKey{}) == nil {
		if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil {
			w.object("%s: request: %v", op, err)
		}
		w.strict(op, route, r.URL.Query(), sent)
		if op == "uploadSandboxFile" {
			w.form(r.Header.Get("Content-Type"), sent)
		}
	}

	resp, err := w.next.RoundTrip(copied())
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(got))
	if err != nil {
		return nil, err
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header, Options: in.Options}
	if err := openapi3filter.ValidateResponse(r.Context(), out.SetBodyBytes(got)); err != nil {
		w.object("%s: response %d: %v\n%s", op, resp.StatusCode, err, got)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen[op] == nil {
		w.seen[op] = map[int]int{}
	}
	w.seen[op][resp.StatusCode]++
	return resp, nil
}

// strict finds what the library lets pass: parameters and fields that are not
// described. A server may ignore them, and our client would not know.
func (w *witness) strict(op string, route *routers.Route, query url.Values, body []byte) {
	for name, values := range query {
		if p := route.Operation.Parameters.GetByInAndName("query", name); p == nil || len(values) != 1 {
			w.object("%s: request: parameter %s is not described, or given twice", op, name)
		}
	}
	if route.Operation.RequestBody == nil {
		if len(body) > 0 && op != "uploadSandboxFile" {
			w.object("%s: request: a body where none is described: %s", op, body)
		}
		return
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		w.object("%s: request: %v", op, err)
	}
	for name := range fields {
		if route.Operation.RequestBody.Value.Content.Get("application/json").Schema.Value.Properties[name] == nil {
			w.object("%s: request: field %s is not described", op, name)
		}
	}
}

// form compares an upload with the form that our client documents: none is
// described.
func (w *witness) form(contentType string, body []byte) {
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		w.object("uploadSandboxFile: request: %v", err)
		return
	}
	f, err := multipart.NewReader(bytes.NewReader(body), params["boundary"]).ReadForm(1 << 20)
	if err != nil {
		w.object("uploadSandboxFile: request: %v", err)
		return
	}
	defer func() { _ = f.RemoveAll() }()
	// A file may come without a name, and is a value then.
	if len(f.Value["path"]) != 1 || len(f.File["file"])+len(f.Value["file"]) != 1 || len(f.Value)+len(f.File) != 2 {
		w.object("uploadSandboxFile: request: not one path and one file")
	}
}

// upload looks at a request to a URL that a server told: it is not the API's,
// and carries nothing that is meant for the API.
func (w *witness) upload(r *http.Request) {
	for _, h := range []string{"Authorization", "Cookie", "Idempotency-Key"} {
		if r.Header.Get(h) != "" {
			w.object("upload: request: %s", h)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.uploads++
}

func (w *witness) object(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, fmt.Sprintf(format, args...))
}

// objections returns and forgets what was found.
func (w *witness) objections() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.problems
	w.problems = nil
	return p
}

// unseen lists the described answers that never came.
func (w *witness) unseen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var missing []string
	for _, item := range w.doc.Paths.Map() {
		for _, op := range item.Operations() {
			for status := range op.Responses.Map() {
				var n int
				if _, err := fmt.Sscan(status, &n); err != nil || w.seen[op.OperationID][n] == 0 {
					missing = append(missing, op.OperationID+" "+status)
				}
			}
		}
	}
	return missing
}
