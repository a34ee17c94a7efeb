package main

import (
	_ "embed"

	"github.com/spf13/cobra"
)

//go:embed schema.json
var schema []byte

func (a *app) schemaCmd() *cobra.Command {
	return &cobra.Command{Use: "schema", Short: "Print the JSON Schema of what --json prints", Args: exactly(),
		Long:    "Print the JSON Schema of what --json prints. Its definitions are named after the\nverbs. New fields may come; those that are there stay.",
		Example: "  duvoctl schema | jq '.\"$defs\".pending'",
		RunE: func(*cobra.Command, []string) error {
			_, err := a.out.Write(schema)
			return err
		}}
}
