package duvo

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/duvotool/duvotool/internal/errtext"
	"github.com/duvotool/duvotool/internal/safetext"
)

// The kinds of failure, for errors.Is.
var (
	ErrUnauthorized = errors.New("duvo: the API key is missing, wrong or expired")
	ErrForbidden    = errors.New("duvo: the API key may not do this")
	ErrNotFound     = errors.New("duvo: not found, or not visible to this API key")
	ErrConflict     = errors.New("duvo: in conflict with the present state")
	ErrInvalid      = errors.New("duvo: the request is not valid")
	ErrRateLimited  = errors.New("duvo: rate limited")
	ErrUnavailable  = errors.New("duvo: the service is unavailable")

	// ErrMalformed is an answer that is JSON and cannot be understood, or says
	// two things at once: a key that stands there twice, whatever its case, two
	// different pending requests, one that is of another Job. Nothing of it
	// counts, so what it was about is as unknown as before; the next answer may
	// be sound.
	ErrMalformed = errors.New("duvo: the answer is malformed")

	// ErrTooLarge is an answer over the bound of [WithMaxBody]; it matches
	// ErrMalformed too. Lists ask for smaller pages before they end with it: then a
	// single row is too large.
	ErrTooLarge = errors.New("duvo: the answer is too large")
)

// An APIError is a failure that the server told. It matches, with errors.Is,
// the Err variable of its kind. Its texts come from the server: they are
// bounded, made safe to print, and hold no API key.
type APIError struct {
	Operation  string        // the operationId, such as "startRun"
	Status     int           // the HTTP status
	Code       string        // the server's code, such as "not_found"; may be empty
	Message    string        // the server's words; may be empty
	RequestID  string        // for a support request; may be empty
	RetryAfter time.Duration // when to come back; zero: not told

	kind   error
	effect bool   // the request may have taken effect
	hint   string // what to do next; may be empty
}

// Error tells the operation, the status and the server's words.
func (e *APIError) Error() string {
	var b strings.Builder
	b.WriteString("duvo: ")
	if e.Operation != "" {
		b.WriteString(e.Operation + ": ")
	}
	switch {
	case e.Status == 0:
		b.WriteString("error")
	case http.StatusText(e.Status) != "":
		fmt.Fprintf(&b, "%d %s", e.Status, http.StatusText(e.Status))
	default:
		fmt.Fprintf(&b, "status %d", e.Status)
	}
	if e.Code != "" {
		b.WriteString(": " + e.Code)
	}
	if e.Message != "" && e.Message != e.Code {
		words := e.Message
		if e.hint != "" { // the sentence goes on
			words = strings.TrimSuffix(words, ".")
		}
		b.WriteString(": " + words)
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	if e.hint != "" {
		return strings.TrimSuffix(b.String(), ".") + "; " + e.hint
	}
	return b.String()
}

// Unwrap returns the kind.
func (e *APIError) Unwrap() error {
	if e.kind != nil {
		return e.kind
	}
	return kindOf(e.Status)
}

// NoEffect reports whether the server provably did nothing.
func (e *APIError) NoEffect() bool {
	if e.kind == nil { // made by a backend other than Client
		return provesNoEffect(e.Status)
	}
	return !e.effect
}

// A TransportError is a failure on the way to the server or back: no answer
// came, or none that could be read. It matches ErrUnavailable. One that is
// made outside this package leaves the effect in doubt.
type TransportError struct {
	Operation string
	Err       error

	unsent bool   // provably without effect
	hint   string // what to do next; may be empty
}

// Error tells the operation and the cause.
func (e *TransportError) Error() string {
	op := e.Operation
	if op == "" {
		op = "request"
	}
	if e.Err == nil {
		return "duvo: " + op + ": transport failure"
	}
	text := "duvo: " + op + ": " + e.Err.Error()
	if e.hint != "" {
		text += "; " + e.hint
	}
	return errtext.Once(text)
}

// Unwrap returns the cause and ErrUnavailable.
func (e *TransportError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrUnavailable}
	}
	return []error{e.Err, ErrUnavailable}
}

// NoEffect reports whether the request provably never reached the server, or
// only read.
func (e *TransportError) NoEffect() bool { return e.unsent }

// MayHaveTakenEffect reports whether the failed mutation may have taken effect
// all the same: a connection that broke after sending, a timeout, a 5xx, a
// success that could not be read, a conflict. It is true for any error that
// does not prove the opposite, those of other backends included, and false
// for nil. An error proves the opposite by a method NoEffect() bool.
func MayHaveTakenEffect(err error) bool {
	if err == nil {
		return false
	}
	var p interface{ NoEffect() bool }
	return !errors.As(err, &p) || !p.NoEffect()
}

// Temporary reports whether the same request may well succeed later: the
// service was unavailable or asked to slow down.
func Temporary(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrRateLimited)
}

// RetryAfter returns how long the server asked to wait, zero if it did not.
func RetryAfter(err error) time.Duration {
	var e *APIError
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	var w *waitError
	if errors.As(err, &w) {
		return w.wait
	}
	return 0
}

func kindOf(status int) error {
	switch {
	case status == http.StatusUnauthorized:
		return ErrUnauthorized
	case status == http.StatusForbidden:
		return ErrForbidden
	case status == http.StatusNotFound || status == http.StatusGone:
		return ErrNotFound
	case status == http.StatusConflict:
		return ErrConflict
	case status == http.StatusTooManyRequests:
		return ErrRateLimited
	case status == http.StatusRequestTimeout || status >= 500:
		return ErrUnavailable
	default:
		return ErrInvalid
	}
}

// provesNoEffect tells whether a status proves that nothing was done. A
// redirect may follow an effect, and a conflict may be with an earlier attempt
// of the same request.
func provesNoEffect(status int) bool {
	return status >= 400 && status < 500 && status != http.StatusConflict && status != http.StatusRequestTimeout
}

const (
	maxErrorText = 1024 // characters of a server's words that an error keeps
	maxErrorCode = 128
)

// apiError classifies a response that is not a success. It reads every shape
// of error body: {error: code, message}, {code, message, request_id},
// {error: {code, message}}, and what is not JSON at all.
func apiError(op string, status int, header http.Header, body []byte, redact func(string) string) *APIError {
	e := &APIError{Operation: op, Status: status, kind: kindOf(status), effect: !provesNoEffect(status)}
	e.RequestID = header.Get("X-Request-Id")
	e.RetryAfter = retryAfter(header, time.Now())
	var w struct {
		Error     json.RawMessage `json:"error"`
		Code      loose[string]   `json:"code"`
		Message   loose[string]   `json:"message"`
		RequestID loose[string]   `json:"request_id"`
	}
	if json.Unmarshal(body, &w) == nil {
		e.Code, e.Message = w.Code.v, w.Message.v
		if w.RequestID.v != "" {
			e.RequestID = w.RequestID.v
		}
		var code string
		var inner struct {
			Code    loose[string] `json:"code"`
			Message loose[string] `json:"message"`
		}
		if json.Unmarshal(w.Error, &code) == nil && e.Code == "" {
			e.Code = code
		} else if json.Unmarshal(w.Error, &inner) == nil {
			e.Code = firstOf(e.Code, inner.Code.v)
			e.Message = firstOf(e.Message, inner.Message.v)
		}
		if e.Message == "" && code != e.Code {
			e.Message = code
		}
	}
	switch {
	case status < 400:
		e.Message = "redirects are not followed; check the base URL"
	case e.Code == "" && e.Message == "":
		// An unknown shape, a page of HTML, the first part of what was cut.
		// Secrets go first: a cut must not leave half of one.
		if t := strings.TrimSpace(redact(string(body))); t != "" {
			e.Message = "unexpected body: " + safetext.OneLine(t[:min(len(t), 4<<10)], 200)
		}
	}
	e.Code = safetext.OneLine(redact(e.Code), maxErrorCode)
	e.Message = safetext.OneLine(redact(e.Message), maxErrorText)
	e.RequestID = safetext.OneLine(redact(e.RequestID), maxErrorCode)
	return e
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
