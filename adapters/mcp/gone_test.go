package mcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// A host that died with its form open has not failed to ask its user: the next call
// asks anew.
func TestAHostThatDiesHasNotAnswered(t *testing.T) {
	s := &Server{log: slog.New(slog.DiscardHandler)}
	became := func(err error) formAnswer { return s.became(t.Context(), nil, nil, fmt.Errorf("calling: %w", err)) }
	for _, err := range []error{sdk.ErrConnectionClosed, io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, os.ErrClosed,
		&net.OpError{Op: "write", Err: errors.New("reset")}, &jsonrpc.Error{Code: -32003}, &jsonrpc.Error{Code: -32004}, &jsonrpc.Error{Code: -32005}} {
		require.Equal(t, formAnswer{left: true}, became(err), "%v", err)
	}
	for _, err := range []error{&jsonrpc.Error{Code: -32603, Message: "EOF"}, errors.New("the content does not match"), context.DeadlineExceeded} {
		require.Equal(t, formAnswer{why: askingFailed}, became(err), "%v", err)
	}
}
