package slack

import (
	"fmt"
	"io"
	"log/slog"
)

// String names what it is, without the secrets.
func (Config) String() string { return "slack.Config" }

// Format keeps the secrets out of every verb.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue keeps them out of structured logs, too.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Format keeps the secrets out of every verb.
func (a *App) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.String()) }

// LogValue keeps them out of structured logs, too.
func (a *App) LogValue() slog.Value { return slog.StringValue(a.String()) }
