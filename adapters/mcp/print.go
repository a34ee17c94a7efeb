package mcp

import (
	"fmt"
	"io"
	"log/slog"
)

// String names the server, without the secret that it holds.
func (*Server) String() string { return "mcp.Server" }

// Format keeps the secret out of every verb.
func (s *Server) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue keeps it out of structured logs, too.
func (s *Server) LogValue() slog.Value { return slog.StringValue(s.String()) }
