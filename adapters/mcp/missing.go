package mcp

import (
	"context"
	"errors"
	"slices"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	maxToolPages = 100
	maxTools     = 10_000
)

// check reports the tools that are missing.
func (s *session) check(ctx context.Context) error {
	missing := required()
	var cursor string
	for page, n := 0, 0; ; page++ {
		list, err := s.ListTools(ctx, &sdk.ListToolsParams{Cursor: cursor})
		if err != nil {
			return err
		}
		for _, tool := range list.Tools {
			if tool != nil {
				missing = slices.DeleteFunc(missing, func(name string) bool { return name == tool.Name })
			}
		}
		n += len(list.Tools)
		if len(missing) == 0 {
			return nil
		}
		if list.NextCursor == "" {
			break
		}
		if list.NextCursor == cursor || page == maxToolPages || n > maxTools {
			return errors.New("the server's list of tools does not end")
		}
		cursor = list.NextCursor
	}
	return &MissingError{Operations: missing}
}

// A MissingError says that an MCP server lacks tools, by the operations of
// Duvo's API that they are named after.
type MissingError struct{ Operations []string }

// Error names them.
func (e *MissingError) Error() string {
	return "the MCP server lacks the tools " + strings.Join(e.Operations, ", ")
}
