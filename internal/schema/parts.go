package schema

// What EachPart tells in place of a place in a list.
const (
	Alone = -1 // the keyword has one schema
	Named = -2 // it has schemas by names
)

// EachPart calls f for each schema that stands in a schema under a keyword: alone, by
// a name, or at place i of a list. It does not go deeper.
func EachPart(node map[string]any, f func(keyword, name string, i int, part any)) {
	for k, v := range node {
		switch {
		case oneSchema[k]:
			f(k, "", Alone, v)
		case listSchema[k]:
			list, _ := v.([]any)
			for i, s := range list {
				f(k, "", i, s)
			}
		case namedSchema[k]:
			named, _ := v.(map[string]any)
			for name, s := range named {
				f(k, name, Named, s)
			}
		}
	}
}

// Both is the schema, in normal form, of what fits two.
func Both(a, b any) any { return both(a, b) }

// Tree is the schema as it is checked, in its normal form. It must not be changed.
func (s *Schema) Tree() map[string]any { return s.root }
