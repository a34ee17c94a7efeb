package slack_test

import (
	"encoding/json"
	"fmt"
	"unicode/utf16"
)

// refusal tells why Slack would refuse blocks, or what it would interpret in them;
// empty: it takes them as they are.
func refusal(raw string, most int) string {
	var blocks []object
	if raw == "" {
		return ""
	}
	if err := json.Unmarshal([]byte(raw), &blocks); err != nil {
		return err.Error()
	}
	total := 0
	if len(blocks) > most {
		return fmt.Sprintf("%d blocks", len(blocks))
	}
	for _, b := range blocks {
		limit := map[string]int{"section": 3000, "header": 150, "context": 3000, "actions": 75, "input": 2000, "divider": 0}[b["type"].(string)]
		if why := walk(b, limit, &total); why != "" {
			return fmt.Sprintf("a block %s: %s", b["type"], why)
		}
		if e, ok := b["elements"].([]any); ok && len(e) > 10 {
			return "more than 10 elements"
		}
	}
	if total > 13000 {
		return fmt.Sprintf("%d characters in all", total)
	}
	return ""
}

// walk looks at every text below an object.
func walk(o object, limit int, total *int) string {
	for name, v := range o {
		switch v := v.(type) {
		case string:
			if max := map[string]int{"value": 2000, "url": 3000, "action_id": 255, "block_id": 255}[name]; max > 0 && len(v) > max {
				return fmt.Sprintf("%s of %d", name, len(v))
			}
		case object:
			text, is := v["text"].(string)
			if !is {
				if why := walk(v, limit, total); why != "" {
					return why
				}
				continue
			}
			if why := refusedText(v, text, limit); why != "" {
				return why
			}
			*total += len(utf16.Encode([]rune(text)))
		case []any:
			if name == "options" {
				limit = 75
				if len(v) > 100 {
					return "more than 100 options"
				}
			}
			for _, e := range v {
				inner, is := e.(object)
				if !is {
					continue
				}
				if text, is := inner["text"].(string); is { // of a context
					if why := refusedText(inner, text, limit); why != "" {
						return why
					}
					continue
				}
				if why := walk(inner, limit, total); why != "" {
					return why
				}
			}
		}
	}
	return ""
}

func refusedText(o object, text string, limit int) string {
	n := len(utf16.Encode([]rune(text)))
	switch {
	case o["type"] != "plain_text":
		return fmt.Sprintf("a text of type %v", o["type"])
	case o["emoji"] != false:
		return "names of emoji are drawn"
	case n == 0 || n > limit:
		return fmt.Sprintf("a text of %d, of %d allowed", n, limit)
	}
	for i, r := range text {
		if r == '<' || r == '>' || r == '&' && !entity(text[i:]) {
			return "a text that is not escaped"
		}
	}
	return ""
}

func entity(s string) bool {
	for _, e := range []string{"&amp;", "&lt;", "&gt;"} {
		if len(s) >= len(e) && s[:len(e)] == e {
			return true
		}
	}
	return false
}
