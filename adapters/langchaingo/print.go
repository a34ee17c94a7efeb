package langchaingo

import (
	"fmt"
	"io"
	"log/slog"
)

// String names the agent, without the secret that it holds.
func (*Agent) String() string { return "langchaingo.Agent" }

// Format keeps the secret out of every verb.
func (a *Agent) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.String()) }

// LogValue keeps it out of structured logs, too.
func (a *Agent) LogValue() slog.Value { return slog.StringValue(a.String()) }
