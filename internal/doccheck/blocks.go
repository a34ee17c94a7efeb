package doccheck

import (
	"encoding/json"
	"fmt"
	"slices"
)

// CheckBlocks tells which blocks of a page nobody would check: those without a language
// that is known, and JSON that is none.
func CheckBlocks(p Page) (wrong []string) {
	for _, b := range p.Blocks {
		switch {
		case b.Lang == "json" && !json.Valid([]byte(b.Text)):
			wrong = append(wrong, fmt.Sprintf("%s:%d: this is no JSON", p.Path, b.Line))
		case !slices.Contains([]string{"go", "sh", "bash", "json", "text", "mermaid", "yaml", "toml", "sql", "ini", "dockerfile", "nginx"}, b.Lang):
			wrong = append(wrong, fmt.Sprintf("%s:%d: a block in %q", p.Path, b.Line, b.Lang))
		}
	}
	return wrong
}
