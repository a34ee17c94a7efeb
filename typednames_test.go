package duvotool_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/duvotool/duvotool"
	"github.com/duvotool/duvotool/duvotest"
	"github.com/duvotool/duvotool/outcome"
	"github.com/invopop/jsonschema"
	"github.com/stretchr/testify/require"
)

type line struct {
	Stock int `json:"stock" jsonschema:"minimum=1,maximum=100"`
}

type base struct {
	Total int `json:"Total" jsonschema:"minimum=1,maximum=100"`
}

type foldReceipt struct {
	base
	Kind  string          `json:"kind,omitempty"`
	Lines []line          `json:"lines,omitempty"`
	By    map[string]line `json:"by,omitempty"`
}

// openRefund tells its own schema, which allows further names.
type openRefund struct {
	Amount int `json:"Amount"`
}

func (openRefund) JSONSchema() *jsonschema.Schema {
	props := jsonschema.NewProperties()
	props.Set("Amount", &jsonschema.Schema{Type: "integer", Minimum: "1", Maximum: "100"})
	return &jsonschema.Schema{Type: "object", Properties: props, Required: []string{"Amount"}}
}

// A name that Go would take for a field's, and the schema does not, decodes into
// nothing: neither in what a model says nor in what a Job answers.
func TestNamesThatFoldToAField(t *testing.T) {
	for _, bad := range []string{
		`{"Total":1,"total":9999}`, `{"Total":1,"ToTal":9999}`, `{"Total":1,"KIND":"x"}`, `{"Total":1,"\u212aind":"x"}`,
		`{"Total":1,"lines":[{"stock":1},{"stock":1,"\u017ftock":9999}]}`, `{"Total":1,"by":{"kim":{"stock":1,"Stock":9999}}}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{Name: "Refunds", Script: func(j *duvotest.Job) { j.Complete(j.Input()) }}))
			defer d.Close()
			reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.OutputOf[foldReceipt]())
			require.NoError(t, err)
			defer reg.Close(context.Background())
			typed, err := duvotool.As[string, foldReceipt](reg.All()[0])
			require.NoError(t, err)
			_, _, err = typed.Run(t.Context(), bad)
			var wrong *outcome.OutputError
			require.ErrorAs(t, err, &wrong, bad)
			require.Contains(t, wrong.Problem, "letter for letter")
			got, _, err := typed.Run(t.Context(), `{"Total":7,"lines":[{"stock":2,"more":1}],"by":{"kim":{"stock":3},"KIM":{"stock":4}},"other":"x"}`)
			require.NoError(t, err)
			require.Equal(t, 7, got.Total)
			require.Len(t, got.By, 2)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		d := duvotest.New(duvotest.WithAssignment(duvotest.Assignment{Name: "Refunds"}))
		defer d.Close()
		reg, err := duvotool.Discover(t.Context(), d.Client(), duvotool.RenderInput(func(a openRefund) (string, error) {
			return fmt.Sprintf("refund %d EUR", a.Amount), nil
		}))
		require.NoError(t, err)
		defer reg.Close(context.Background())
		out, err := reg.All()[0].CallArguments(t.Context(), []byte(`{"Amount":1,"amount":9999}`))
		require.NoError(t, err)
		require.Contains(t, out, "letter for letter")
		require.Empty(t, d.Jobs())
	})
}
