package inbox

import (
	"fmt"
	"io"
	"log/slog"
)

// String names the desk, without the secret that it holds.
func (*Desk) String() string { return "inbox.Desk" }

// Format keeps the secret out of every verb.
func (d *Desk) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, d.String()) }

// LogValue keeps it out of structured logs, too.
func (d *Desk) LogValue() slog.Value { return slog.StringValue(d.String()) }
