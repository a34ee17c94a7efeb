package oidc

import (
	"fmt"
	"io"
	"log/slog"
)

// String names the provider, without the secrets.
func (c Config) String() string { return fmt.Sprintf("oidc.Config(%.200s)", c.Issuer) }

// Format keeps the secrets out of every verb.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue keeps them out of structured logs, too.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// String names the sign-in, without the secrets that it holds.
func (*SignIn) String() string { return "oidc.SignIn" }

// Format keeps the secrets out of every verb.
func (s *SignIn) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue keeps them out of structured logs, too.
func (s *SignIn) LogValue() slog.Value { return slog.StringValue(s.String()) }
