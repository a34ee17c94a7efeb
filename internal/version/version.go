// Package version tells which release of this module a program holds. The Git tag is
// the one place where a version is written: the go command puts it into whatever it
// builds from a tagged tree or from a proxy, and it is read from there.
package version

import (
	"runtime/debug"
	"strings"
)

const module = "github.com/duvotool/duvotool"

// stamped is the version of a program that is built where the go command cannot know
// it, such as in a container without .git:
//
//	go build -ldflags "-X github.com/duvotool/duvotool/internal/version.stamped=v0.1.0"
var stamped string

// devel is told of what was built between two releases.
const devel = "devel"

// Of returns the version that this program holds of the module in a folder of the
// repository, such as "cmd/duvoctl", or "" for the root: "v0.1.0", or, where it was
// built from a working tree, "devel" or the go command's word for the commit. It is
// the same for the whole life of a process, and safe for concurrent use.
func Of(folder string) string {
	info, _ := debug.ReadBuildInfo()
	return of(folder, stamped, info)
}

func of(folder, stamped string, info *debug.BuildInfo) string {
	if stamped != "" {
		return stamped
	}
	if info == nil {
		return devel
	}
	path := module
	if folder != "" {
		path += "/" + folder
	}
	// A module that stands in a working tree beside the others has no version, or, in
	// a tree where it replaces a release, the version it stands in for.
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == path && m.Replace == nil && strings.HasPrefix(m.Version, "v") {
			return m.Version
		}
	}
	return devel
}
