package doccheck

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	qualified = regexp.MustCompile(`\b([a-z]+)\.([A-Z]\w*)`)
	option    = regexp.MustCompile(`(^|[^.\w])(With[A-Z]\w*)`)
	flagName  = regexp.MustCompile(`^-([a-z][\w-]*)`)
)

// CheckNames tells which names of this repository's packages stand in a page's prose as
// code and are not declared: pkg.Name of any package, WithName of any, and -flag of
// any program.
func (s *Source) CheckNames(p Page) (wrong []string) {
	for _, code := range p.Codes() {
		for _, m := range qualified.FindAllStringSubmatch(code, -1) {
			where, ok := s.importPath(m[1])
			if !ok || !strings.HasPrefix(where, s.Module) {
				continue
			}
			dir := strings.TrimPrefix(strings.TrimPrefix(where, s.Module), "/")
			if dir == "" {
				dir = "."
			}
			if !s.Packages[path.Clean(dir)].Names[m[2]] {
				wrong = append(wrong, fmt.Sprintf("%s: `%s`: %s has no %s", p.Path, code, m[1], m[2]))
			}
		}
		if name := flagName.FindStringSubmatch(code); name != nil && !s.hasFlag(name[1]) {
			wrong = append(wrong, fmt.Sprintf("%s: `%s`: no program of ours has this flag", p.Path, code))
		}
		for _, m := range option.FindAllStringSubmatch(code, -1) {
			if !s.declares(m[2]) {
				wrong = append(wrong, fmt.Sprintf("%s: `%s`: no package has %s", p.Path, code, m[2]))
			}
		}
	}
	return wrong
}

// hasFlag tells whether a program has a flag, of ours or go test.
func (s *Source) hasFlag(name string) bool {
	for _, p := range s.Packages {
		if p.Name == "main" && p.Flags[name] {
			return true
		}
	}
	return slices.Contains([]string{"race", "run", "count", "short", "tags", "v", "bench", "update"}, name)
}

func (s *Source) declares(name string) bool {
	for _, p := range s.Packages {
		if p.Names[name] {
			return true
		}
	}
	return false
}
