package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	maxDigits   = 400 // of a number as it is written
	maxExponent = 400 // covers all of float64
	maxPlain    = 64  // digits before the point, beyond which a number is written with an exponent
)

// Decode reads one JSON value. Numbers stay as they are written, as
// json.Number; one that is out of any range of Go's is refused, because to
// calculate with it could take all memory.
func Decode(text []byte) (any, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not valid UTF-8 text")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, plainError(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("there is more after the JSON value, at byte %d", dec.InputOffset())
	}
	if err := checkNumbers(v); err != nil {
		return nil, err
	}
	return v, nil
}

func plainError(err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("it is empty")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it ends too soon")
	case errors.As(err, &syntax):
		return fmt.Errorf("at byte %d: %s", syntax.Offset, syntax.Error())
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

func checkNumbers(v any) error {
	switch v := v.(type) {
	case json.Number:
		if _, ok := splitNumber(string(v)); !ok {
			return fmt.Errorf("the number %.20s is out of range", string(v))
		}
	case []any:
		for _, e := range v {
			if err := checkNumbers(e); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, e := range v {
			if err := checkNumbers(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// Canonical writes a value that Decode returned, in one way: compact, with
// names in order and each number in its shortest exact form. So 1.0 and 1e0 are
// 1, as an integer is written, and no digit is lost.
func Canonical(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(shorten(v)); err != nil {
		panic("schema: a decoded value cannot be encoded: " + err.Error())
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

func shorten(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, ok := splitNumber(string(v)); ok {
			return json.Number(n.String())
		}
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = shorten(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = shorten(e)
		}
		return out
	}
	return v
}

// A number is 0.digits times ten to the power of point, without zeros at either
// end of the digits. Zero has none.
type number struct {
	minus  bool
	digits string
	point  int
}

func splitNumber(s string) (number, bool) {
	if len(s) > maxDigits {
		return number{}, false
	}
	var n number
	s, n.minus = strings.CutPrefix(s, "-")
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		var err error
		if exponent, err = strconv.Atoi(s[i+1:]); err != nil || exponent > maxExponent || exponent < -maxExponent {
			return number{}, false
		}
		mantissa = s[:i]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	n.digits = whole + fraction
	n.point = len(whole) + exponent
	trimmed := strings.TrimLeft(n.digits, "0")
	n.point -= len(n.digits) - len(trimmed)
	n.digits = strings.TrimRight(trimmed, "0")
	if n.digits == "" {
		return number{}, true
	}
	return n, true
}

func (n number) String() string {
	var b strings.Builder
	if n.minus {
		b.WriteByte('-')
	}
	switch size := len(n.digits); {
	case size == 0:
		return "0"
	case n.point > maxPlain || n.point < -maxPlain:
		b.WriteString(n.digits[:1])
		if size > 1 {
			b.WriteString("." + n.digits[1:])
		}
		fmt.Fprintf(&b, "e%d", n.point-1)
	case n.point <= 0:
		b.WriteString("0." + strings.Repeat("0", -n.point) + n.digits)
	case n.point >= size:
		b.WriteString(n.digits + strings.Repeat("0", n.point-size))
	default:
		b.WriteString(n.digits[:n.point] + "." + n.digits[n.point:])
	}
	return b.String()
}
