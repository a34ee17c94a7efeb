package webhook

import (
	"fmt"
	"io"
	"log/slog"
)

// String names the handler, without the secrets that it holds.
func (*Handler) String() string { return "duvotool.Webhook" }

// Format keeps the secrets out of every verb.
func (h *Handler) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, h.String()) }

// LogValue keeps them out of structured logs, too.
func (h *Handler) LogValue() slog.Value { return slog.StringValue(h.String()) }
