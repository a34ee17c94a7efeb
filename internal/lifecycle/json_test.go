package lifecycle

import (
	"encoding/json"
	"reflect"
	"testing"
)

// TestAStateOutlivesJSON explores worlds, and holds in every state of them that one
// which was written and read again does the same.
func TestAStateOutlivesJSON(t *testing.T) {
	steps := 0
	for _, sc := range scenes() {
		sc.watch = func(s State, e Event, now Moment) {
			steps++
			again := throughJSON(t, s)
			if r, ok := e.(Read); ok {
				e = throughJSON(t, r)
			}
			after, effects := Step(s, e, now)
			after2, effects2 := Step(again, e, now)
			if a, b := written(t, effects), written(t, effects2); a != b {
				t.Fatalf("%s: %T: the effects are\n%s\nand after JSON\n%s", sc.name, e, a, b)
			}
			if a, b := written(t, after), written(t, after2); a != b {
				t.Fatalf("%s: %T: the state is\n%s\nand after JSON\n%s", sc.name, e, a, b)
			}
		}
		explore(sc, 150)
	}
	if steps < 1000 {
		t.Fatalf("only %d steps", steps)
	}
	t.Log(steps, "steps")
}

func throughJSON[T any](t *testing.T, v T) (again T) {
	t.Helper()
	if err := json.Unmarshal([]byte(written(t, v)), &again); err != nil {
		t.Fatal(err)
	}
	return again
}

func written(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestEveryFieldOutlivesJSON fills a state, and every event and effect, to the last
// field, so that one which is added and not written is noticed.
func TestEveryFieldOutlivesJSON(t *testing.T) {
	var s State
	fill(reflect.ValueOf(&s).Elem())
	again := throughJSON(t, s)
	if again.Live.Options == nil || !reflect.DeepEqual(again.Live.Options, s.Live.Options) {
		t.Error("the options differ")
	}
	again.Live.Options, s.Live.Options = nil, nil
	if !reflect.DeepEqual(s, again) {
		t.Errorf("it was\n%s\nand is\n%s", written(t, s.Live), written(t, again.Live))
	}
	if p := new(State); json.Unmarshal([]byte(`{}`), p) == nil {
		t.Error("a state without options was read")
	}
}

// TestWhatIsMissingStaysMissing: a list of bytes that is nil means that there is
// nothing, and null is something.
func TestWhatIsMissingStaysMissing(t *testing.T) {
	if c := throughJSON(t, Collected{}); !reflect.DeepEqual(c, Collected{}) || !c.Part.IsZero() || c.Data != nil {
		t.Errorf("%+v", c)
	}
	if f := throughJSON(t, Fetch{}); f.Data != nil || f.Parts != nil {
		t.Errorf("%+v", f)
	}
	if f := throughJSON(t, Respond{}); f.Body != nil {
		t.Errorf("%+v", f)
	}
	if d := throughJSON(t, Decision{}); d.Body != nil {
		t.Errorf("%+v", d)
	}
}

// fill gives every exported field a value that is not zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[Transcript]() {
			v.Set(reflect.ValueOf(TranscriptIn(json.RawMessage(`["m"]`))))
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() || f.Anonymous && f.Type.Kind() == reflect.Struct {
				fill(v.Field(i))
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte(`{"x":1}`))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(3)
	}
}
