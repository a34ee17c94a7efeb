package duvotool

import (
	"fmt"
	"io"
	"log/slog"
)

// String names the registry, without what it holds: that has secrets in it, and
// changes while it is printed.
func (r *Registry) String() string { return "duvotool.Registry" }

// Format keeps the secrets of the options out of every verb.
func (r *Registry) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, r.String()) }

// LogValue keeps them out of structured logs, too.
func (r *Registry) LogValue() slog.Value { return slog.StringValue(r.String()) }

// String names the tool.
func (t *Tool) String() string {
	if t == nil || t.work == nil {
		return "duvotool.Tool(none)"
	}
	return "duvotool.Tool(" + t.work.Name + ")"
}

// Format prints with every verb what String tells, and none of the options.
func (t *Tool) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, t.String()) }

// LogValue is what structured logs have of it.
func (t *Tool) LogValue() slog.Value { return slog.StringValue(t.String()) }
