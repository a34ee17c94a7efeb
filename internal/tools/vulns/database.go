package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A report is what the indexes tell of one; see https://go.dev/doc/security/vuln/database.
type report struct {
	ID       string   `json:"id"`
	Modified string   `json:"modified"`
	Aliases  []string `json:"aliases,omitempty"`
	Affected []struct {
		Package struct {
			Name string `json:"name"`
		} `json:"package"`
		Ranges []struct {
			Events []struct {
				Fixed string `json:"fixed"`
			} `json:"events"`
		} `json:"ranges"`
	} `json:"affected"`
}

type (
	indexedVuln struct {
		ID       string `json:"id"`
		Modified string `json:"modified"`
		Fixed    string `json:"fixed,omitempty"`
	}
	indexedModule struct {
		Path  string        `json:"path"`
		Vulns []indexedVuln `json:"vulns"`
	}
	indexedReport struct {
		ID       string   `json:"id"`
		Modified string   `json:"modified"`
		Aliases  []string `json:"aliases,omitempty"`
	}
)

// write lays out the reports in a folder as the database that govulncheck reads, in a
// folder that does not exist, and returns how many reports
// it has. A folder without reports is an error, since a database without any finds
// nothing.
func write(reports, out string) (int, error) {
	names, err := filepath.Glob(filepath.Join(reports, "GO-*.json"))
	if err != nil {
		return 0, err
	}
	if len(names) == 0 {
		return 0, fmt.Errorf("%s holds no reports", reports)
	}
	for _, d := range []string{"ID", "index"} {
		if err := os.MkdirAll(filepath.Join(out, d), 0o755); err != nil {
			return 0, err
		}
	}
	var all []indexedReport
	var modules []*indexedModule
	byPath := map[string]*indexedModule{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return 0, err
		}
		var r report
		if err := json.Unmarshal(text, &r); err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		if r.ID+".json" != filepath.Base(name) {
			return 0, fmt.Errorf("%s holds the report %q", name, r.ID)
		}
		if err := os.WriteFile(filepath.Join(out, "ID", r.ID+".json"), text, 0o644); err != nil {
			return 0, err
		}
		all = append(all, indexedReport{r.ID, r.Modified, r.Aliases})
		for _, a := range r.Affected {
			m := byPath[a.Package.Name]
			if m == nil {
				m = &indexedModule{Path: a.Package.Name}
				byPath[m.Path], modules = m, append(modules, m)
			}
			v := indexedVuln{ID: r.ID, Modified: r.Modified}
			for _, g := range a.Ranges {
				for _, e := range g.Events {
					v.Fixed = e.Fixed // of several, the last; an open range has none
				}
			}
			if !slices.Contains(m.Vulns, v) {
				m.Vulns = append(m.Vulns, v)
			}
		}
	}
	slices.SortFunc(modules, func(a, b *indexedModule) int { return strings.Compare(a.Path, b.Path) })
	for name, v := range map[string]any{
		"db":      map[string]string{"modified": slices.MaxFunc(all, func(a, b indexedReport) int { return strings.Compare(a.Modified, b.Modified) }).Modified},
		"modules": modules, "vulns": all,
	} {
		text, err := json.Marshal(v)
		if err != nil {
			return 0, err
		}
		if err := os.WriteFile(filepath.Join(out, "index", name+".json"), text, 0o644); err != nil {
			return 0, err
		}
	}
	return len(all), nil
}
