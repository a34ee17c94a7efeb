package duvotool_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"testing"
	"time"

	"github.com/duvotool/duvotool/audit"
	"github.com/duvotool/duvotool/duvo"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/hitl"
	"github.com/duvotool/duvotool/outcome"
	"github.com/stretchr/testify/require"
)

// fill sets every exported field of a value to something, and returns it.
func fill[T any]() (v T) {
	fillValue(reflect.ValueOf(&v).Elem())
	return v
}

func fillValue(v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 5, 4, 3, 2, 1, 9, time.UTC)))
		return
	case json.RawMessage:
		v.SetBytes([]byte(`{"a":1}`))
		return
	case []byte:
		v.SetBytes([]byte{7})
		return
	case hitl.Verdict:
		v.Set(reflect.ValueOf(hitl.Approved))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && f.Tag.Get("json") != "-" { // Raw is a server's, and stays here
				fillValue(v.Field(i))
			}
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillValue(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fillValue(v.Index(0))
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"q": "a"}))
	case reflect.Interface:
		v.Set(reflect.ValueOf(errors.New("why")))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(0.5)
	default:
		panic(v.Kind())
	}
}

var snakeCase = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// roundTrip checks that a value with every field set, and others, come back as
// they were, and that all keys are written in one style.
func roundTrip[T any](t *testing.T, others ...T) {
	t.Run(reflect.TypeFor[T]().String(), func(t *testing.T) {
		for _, in := range append(others, fill[T]()) {
			text, err := json.Marshal(in)
			require.NoError(t, err)
			require.NotContains(t, string(text), "null", "an empty field is left out")
			var out T
			require.NoError(t, json.Unmarshal(text, &out))
			require.Equal(t, in, out, string(text))
			var any map[string]any
			require.NoError(t, json.Unmarshal(text, &any))
			checkKeys(t, any)
		}
	})
}

func checkKeys(t *testing.T, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			require.Regexp(t, snakeCase, k)
			checkKeys(t, inner)
		}
	case []any:
		for _, inner := range v {
			checkKeys(t, inner)
		}
	}
}

// What a program logs or sends on is snake_case JSON, and comes back whole.
func TestValuesAsJSON(t *testing.T) {
	roundTrip(t, hitl.Request{})
	roundTrip(t, outcome.JobInfo{})
	roundTrip(t, outcome.Result{})
	roundTrip(t, outcome.Event{})
	roundTrip(t, hitl.Decision{})
	roundTrip(t, hitl.DecisionEntry{})
	roundTrip(t, audit.Record{})
	roundTrip(t, outcome.Changes{})
	roundTrip(t, outcome.Change{})
	roundTrip(t, hitl.Caller{})
	roundTrip(t, hitl.HoldState{})
	roundTrip[hitl.Proof](t)
	roundTrip(t, hitl.Grant{})
	roundTrip(t, hitl.Terms{})
	// Those that servers send must have an ID.
	roundTrip[duvo.Team](t)
	roundTrip[duvo.Assignment](t)
	roundTrip[duvo.Build](t)
	roundTrip[duvo.Folder](t)
	roundTrip[duvo.Job](t)
	roundTrip[duvo.HumanRequest](t)
	roundTrip[duvo.QuestionItem](t)
	roundTrip[duvo.Choice](t)
	roundTrip[duvo.Message](t)
	roundTrip[duvo.ToolCall](t)
	roundTrip[duvo.ToolResult](t)
	roundTrip(t, duvo.StartJob{})
	roundTrip(t, duvo.Response{})
	roundTrip(t, duvo.JobFilter{})
	roundTrip[duvo.JobPage](t)
	roundTrip[duvo.Sandbox](t)
	roundTrip[duvo.SandboxFile](t)

	// What an event tells reads the same inside and outside of it.
	r := fill[hitl.Request]()
	own, err := json.Marshal(r)
	require.NoError(t, err)
	event, err := json.Marshal(outcome.Event{Kind: outcome.EventRequested, Request: &r, Err: errors.New("why")})
	require.NoError(t, err)
	require.Contains(t, string(event), `"request":`+string(own))
	require.Contains(t, string(event), `"error":"why"`)
}

// A list of nothing is [] in JSON.
func TestEmptyListsAsJSON(t *testing.T) {
	d := duvotest.New()
	defer d.Close()
	reg := discover(t, d.Client())
	teams, err := d.Client().Folders(t.Context())
	require.NoError(t, err)
	page, err := d.Client().JobPage(t.Context(), duvo.JobFilter{})
	require.NoError(t, err)
	for name, list := range map[string]any{"Jobs": reg.Jobs(), "Resumed": reg.Resumed(), "Pending": reg.Pending(), "Search": reg.Search("x", 5),
		"All": reg.All(), "Tools": reg.Tools(), "grants": hitl.NewGrants().List(), "folders": teams, "page": page.Jobs} {
		text, err := json.Marshal(list)
		require.NoError(t, err)
		require.Equal(t, "[]", string(text), name)
	}
}
