package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// A module is one that is released.
type module struct {
	dir   string // below the repository's top, with slashes; empty: the root
	path  string
	needs []string // paths of the others that it requires
}

func (m module) tag(version string) string { return path.Join(m.dir, version) }

// readModules lists the modules of the workspace that are released, each after those that
// it needs.
func readModules(top string) ([]module, error) {
	data, err := os.ReadFile(filepath.Join(top, "go.work"))
	if err != nil {
		return nil, err
	}
	work, err := modfile.ParseWork("go.work", data, nil)
	if err != nil {
		return nil, err
	}
	all := map[string]bool{} // paths of the workspace; true: released
	files := map[string]*modfile.File{}
	var out []module
	for _, use := range work.Use {
		dir := strings.TrimPrefix(path.Clean("/"+use.Path), "/")
		f, err := readModule(top, dir)
		if err != nil {
			return nil, err
		}
		p := f.Module.Mod.Path
		all[p], files[p] = !strings.HasPrefix(dir+"/", "trials/"), f
		if all[p] {
			out = append(out, module{dir: dir, path: p})
		}
	}
	for i := range out {
		f := files[out[i].path]
		for _, r := range f.Require {
			released, own := all[r.Mod.Path]
			if own && !released {
				return nil, fmt.Errorf("%s requires %s, which is not released", out[i].path, r.Mod.Path)
			}
			if own {
				out[i].needs = append(out[i].needs, r.Mod.Path)
			}
		}
		for _, r := range f.Replace {
			if _, own := all[r.Old.Path]; !own {
				return nil, fmt.Errorf("%s replaces %s, and what replaces anything cannot be installed", out[i].path, r.Old.Path)
			}
		}
	}
	return ordered(out)
}

func readModule(top, dir string) (*modfile.File, error) {
	name := filepath.Join(top, filepath.FromSlash(dir), "go.mod")
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return modfile.Parse(name, data, nil)
}

// ordered puts each module after those that it needs.
func ordered(in []module) (out []module, err error) {
	for len(in) > 0 {
		ready := slices.IndexFunc(in, func(m module) bool {
			return !slices.ContainsFunc(m.needs, func(p string) bool {
				return slices.ContainsFunc(in, func(other module) bool { return other.path == p })
			})
		})
		if ready < 0 {
			return nil, fmt.Errorf("%s and others need one another", in[0].path)
		}
		out = append(out, in[ready])
		in = slices.Delete(in, ready, ready+1)
	}
	return out, nil
}

// settle writes a module's go.mod anew: it requires the others at the version, and
// replaces nothing.
func settle(top string, m module, version string) error {
	f, err := readModule(top, m.dir)
	if err != nil {
		return err
	}
	for _, p := range m.needs {
		if err := f.AddRequire(p, version); err != nil {
			return err
		}
	}
	for _, r := range slices.Clone(f.Replace) {
		if err := f.DropReplace(r.Old.Path, r.Old.Version); err != nil {
			return err
		}
	}
	f.Cleanup()
	data, err := f.Format()
	if err != nil {
		return err
	}
	return os.WriteFile(f.Syntax.Name, data, 0o644)
}
