package duvo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestErrorShapes(t *testing.T) {
	for name, c := range map[string]struct{ body, code, message, request string }{
		"published":                {`{"error":"not_found","message":"No such run"}`, "not_found", "No such run", ""},
		"code alone":               {`{"error":"not_found"}`, "not_found", "", ""},
		"the other page's":         {`{"code":"not_found","message":"No such run","request_id":"r1","details":{"a":1}}`, "not_found", "No such run", "r1"},
		"nested":                   {`{"error":{"code":"not_found","message":"No such run"}}`, "not_found", "No such run", ""},
		"nested, and beside":       {`{"error":{"code":"inner","message":"in"},"code":"outer","message":"out"}`, "outer", "out", ""},
		"a status text and a code": {`{"statusCode":404,"code":"FST","error":"Not Found","message":"Route not found"}`, "FST", "Route not found", ""},
		"words in error":           {`{"code":"x","error":"No such run"}`, "x", "No such run", ""},
		"null":                     {`{"error":null,"message":null,"code":null}`, "", `unexpected body: {"error":null,"message":null,"code":null}`, ""},
		"wrong types":              {`{"error":7,"message":{"a":1},"code":[],"request_id":4}`, "", `unexpected body: {"error":7,"message":{"a":1},"code":[],"request_id":4}`, ""},
		"one wrong type":           {`{"error":"not_found","message":{"a":1}}`, "not_found", "", ""},
		"another shape":            {`{"detail":"No such run"}`, "", `unexpected body: {"detail":"No such run"}`, ""},
		"HTML":                     {"<html>\n <h1>Bad\tGateway</h1>\n</html>", "", "unexpected body: <html> <h1>Bad Gateway</h1> </html>", ""},
		"plain text":               {"upstream connect error", "", "unexpected body: upstream connect error", ""},
		"empty":                    {"", "", "", ""},
		"white space":              {" \n", "", "", ""},
		"a string":                 {`"nope"`, "", `unexpected body: "nope"`, ""},
		"an array":                 {`[]`, "", "unexpected body: []", ""},
		"half":                     {`{"error":"not_f`, "", `unexpected body: {"error":"not_f`, ""},
		"controls":                 {`{"error":"a\u001b[2Jb","message":"x\ny\u202ez\u0000"}`, "a<U+001B>[2Jb", "x y<U+202E>z<U+0000>", ""},
		"no UTF-8":                 {"\xff\xfe", "", "unexpected body: <0xFF><0xFE>", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := answers(t, 404, c.body)
			_, err := s.client(t).Job(t.Context(), jobID)
			var e *APIError
			require.ErrorAs(t, err, &e)
			require.Equal(t, APIError{Operation: "getRun", Status: 404, Code: c.code, Message: c.message, RequestID: c.request, kind: ErrNotFound}, *e)
			requireKind(t, ErrNotFound, err)
			require.True(t, strings.HasPrefix(err.Error(), "duvo: getRun: 404 Not Found"), err.Error())
			require.Contains(t, err.Error(), c.code)
			require.Contains(t, err.Error(), c.message)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestErrorHeaders(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("X-Request-Id", "header")
		w.Header().Set("Retry-After", "90")
		answer(w, 429, `{"error":"slow_down"}`)
	})
	_, err := s.client(t).Job(t.Context(), jobID)
	require.EqualError(t, err, "duvo: getRun: 429 Too Many Requests: slow_down (request header)")
	require.Equal(t, 90*time.Second, RetryAfter(err))
	require.Equal(t, 90*time.Second, RetryAfter(fmt.Errorf("wrapped: %w", err)))
	require.Zero(t, RetryAfter(nil))
	require.Zero(t, RetryAfter(io.EOF))
}

func TestErrorTextsAreBounded(t *testing.T) {
	for _, body := range []string{
		`{"error":"` + strings.Repeat("ü", 1<<20) + `","message":"` + strings.Repeat("ü", 1<<20) + `","request_id":"` + strings.Repeat("ü", 1<<20) + `"}`,
		strings.Repeat("\u202e", 1<<20),
		strings.Repeat("[", 1<<20),
	} {
		_, err := answers(t, 400, body).client(t).Job(t.Context(), jobID)
		require.Less(t, len(err.Error()), 4<<10)
		requireKind(t, ErrInvalid, err)
	}
}

func TestZeroErrors(t *testing.T) {
	for _, err := range []error{&APIError{}, &TransportError{}, &TransportError{Operation: "x"}, &APIError{Status: 999}, &APIError{Status: -1}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			require.NotEmpty(t, fmt.Sprintf(verb, err))
		}
		require.NotEmpty(t, err.Error())
		for _, k := range kinds {
			errors.Is(err, k)
		}
		Temporary(err)
		RetryAfter(err)
	}
	require.EqualError(t, &APIError{}, "duvo: error")
	require.EqualError(t, &TransportError{}, "duvo: request: transport failure")
	requireKind(t, ErrUnavailable, &TransportError{})
}

// What an error proves that this package's client did not make.
func TestErrorsOfOthers(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		effect bool
	}{
		"nil":                   {nil, false},
		"foreign":               {errors.New("x"), true},
		"context":               {context.Canceled, true},
		"zero":                  {&APIError{}, true},
		"code alone":            {&APIError{Code: "tool_error"}, true},
		"500":                   {&APIError{Status: 500}, true},
		"409":                   {&APIError{Status: 409}, true},
		"408":                   {&APIError{Status: 408}, true},
		"404":                   {&APIError{Status: 404}, false},
		"429":                   {&APIError{Status: 429}, false},
		"transport":             {&TransportError{Err: io.EOF}, true},
		"says so":               {&unsentError{io.EOF}, false},
		"says so, wrapped":      {fmt.Errorf("a: %w", &unsentError{io.EOF}), false},
		"says so, joined":       {errors.Join(errors.New("x"), &unsentError{io.EOF}), false},
		"doubt, then certainty": {&doubtError{&unsentError{io.EOF}}, true},
	} {
		require.Equal(t, c.effect, MayHaveTakenEffect(c.err), name)
		if c.err != nil {
			require.False(t, MayHaveTakenEffect(noEffect(c.err)) && !errors.As(c.err, new(*doubtError)), name)
		}
	}
	requireKind(t, ErrNotFound, &APIError{Status: 404})
	requireKind(t, ErrConflict, &APIError{Status: 409})
	require.True(t, Temporary(&APIError{Status: 429}))
	require.False(t, Temporary(&APIError{Status: 400}))
	require.False(t, Temporary(nil))
}

func FuzzAPIError(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `{"error":"not_found","message":"No such run"}`, `{"code":"c","message":"m","request_id":"r","details":{}}`,
		`{"error":{"code":"c","message":"m"}}`, `<html>`, `{"error":"` + testKey + `"}`, `{"error":"\u0064v_k3y-of-the-tests"}`,
		`{"message":"a\u001b[2J\u202e\ufeff"}`, "\xff", `"x"`, `[`, strings.Repeat("a", 300) + testKey, testKey,
	} {
		for _, status := range []int{0, 302, 400, 404, 409, 429, 503} {
			f.Add(status, body, "req-1", "7")
		}
	}
	f.Add(500, "", testKey, testKey)
	redact := newRedactor(f)
	f.Fuzz(func(t *testing.T, status int, body, id, after string) {
		if status >= 200 && status < 300 {
			return // never given
		}
		h := http.Header{"X-Request-Id": {id}, "Retry-After": {after}}
		e := apiError("getRun", status, h, []byte(body), redact)
		text := e.Error()
		require.NotContains(t, text, testKey)
		require.NotContains(t, fmt.Sprintf("%#v", *e), testKey)
		require.True(t, utf8.ValidString(text))
		require.LessOrEqual(t, utf8.RuneCountInString(text), 10*(maxErrorText+2*maxErrorCode)+200)
		for _, r := range text {
			require.True(t, r == ' ' || unicode.IsGraphic(r) && !unicode.Is(unicode.Cf, r), "%U", r)
		}
		require.Equal(t, status, e.Status)
		require.GreaterOrEqual(t, e.RetryAfter, time.Duration(0))
		n := 0
		for _, k := range kinds {
			if errors.Is(e, k) {
				n++
			}
		}
		require.Equal(t, 1, n, "one kind")
		require.Equal(t, !provesNoEffect(status), MayHaveTakenEffect(e))
		if MayHaveTakenEffect(e) {
			require.False(t, status == 400 || status == 401 || status == 403 || status == 404 || status == 429)
		} else {
			require.True(t, status >= 400 && status < 500 && status != 409 && status != 408)
		}
		var published struct {
			Error, Message string
		}
		if status >= 400 && json.Unmarshal([]byte(body), &published) == nil && plain(published.Error) && plain(published.Message) && !strings.Contains(body, "code") && !strings.Contains(body, "Code") {
			require.Contains(t, text, published.Error)
			require.Contains(t, text, published.Message)
		}
	})
}

// plain reports a short text that is shown as it is.
func plain(s string) bool {
	for _, r := range s {
		if r <= ' ' || r > '~' {
			return false
		}
	}
	return len(s) < 100 && !strings.Contains(s, testKey)
}

func newRedactor(tb testing.TB) func(string) string {
	tb.Helper()
	c, err := New(WithAPIKey(testKey))
	require.NoError(tb, err)
	return c.redactor("")
}
