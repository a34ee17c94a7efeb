package schema

import (
	"maps"
	"strings"
)

// newest is the draft that everybody reads a schema as which does not say.
const newest = "https://json-schema.org/draft/2020-12/schema"

// older tells which of the older drafts a $schema names, by their years; 0: none of
// them.
func older(draft any) int {
	uri, _ := draft.(string)
	switch uri = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(uri, "https://"), "http://"), "#"); uri {
	case "json-schema.org/draft-04/schema":
		return 4
	case "json-schema.org/draft-06/schema":
		return 6
	case "json-schema.org/draft-07/schema":
		return 7
	case "json-schema.org/draft/2019-09/schema":
		return 2019
	}
	return 0
}

// translate writes a schema of an older draft in the words of the newest: it is
// offered without its $schema. What stands beside a $ref counts, which drafts up to
// 7 leave out.
func translate(node map[string]any, draft int) {
	if draft == 4 {
		exclusive(node, "minimum", "exclusiveMinimum")
		exclusive(node, "maximum", "exclusiveMaximum")
	}
	if draft > 0 {
		more, given := node["additionalItems"]
		delete(node, "additionalItems")
		if tuple, ok := node["items"].([]any); ok {
			delete(node, "items")
			if len(tuple) > 0 { // the newest draft wants at least one
				node["prefixItems"] = tuple
			}
			if given {
				node["items"] = more
			}
		}
	}
	if all, ok := node["dependencies"].(map[string]any); ok {
		depend(node, all)
	}
}

func exclusive(node map[string]any, bound, flag string) {
	switch on, isFlag := node[flag].(bool); {
	case !isFlag:
	case on && node[bound] != nil:
		node[flag] = node[bound]
		delete(node, bound)
	default:
		delete(node, flag)
	}
}

// depend splits dependencies into what newer drafts have for them.
func depend(node, all map[string]any) {
	delete(node, "dependencies")
	put := func(keyword, name string, v any) {
		before, _ := node[keyword].(map[string]any)
		own := maps.Clone(before)
		if own == nil {
			own = map[string]any{}
		}
		if _, ok := own[name]; !ok {
			own[name] = v
		}
		node[keyword] = own
	}
	for name, v := range all {
		switch v.(type) {
		case []any:
			put("dependentRequired", name, v)
		case string: // of draft 3, and common since
			put("dependentRequired", name, []any{v})
		default:
			put("dependentSchemas", name, v)
		}
	}
}
