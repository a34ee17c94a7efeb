package version

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOf(t *testing.T) {
	const ctl = module + "/cmd/duvoctl"
	for name, c := range map[string]struct {
		folder, stamped string
		info            *debug.BuildInfo
		want            string
	}{
		"a program of its own module":  {"cmd/duvoctl", "", &debug.BuildInfo{Main: debug.Module{Path: ctl, Version: "v0.1.0"}}, "v0.1.0"},
		"a program of the root":        {"", "", &debug.BuildInfo{Main: debug.Module{Path: module, Version: "v0.1.0"}}, "v0.1.0"},
		"a library in another program": {"", "", &debug.BuildInfo{Main: debug.Module{Path: "example.com/shop", Version: "v3.0.0"}, Deps: []*debug.Module{{Path: ctl, Version: "v0.9.0"}, {Path: module, Version: "v0.1.0"}}}, "v0.1.0"},
		"a commit":                     {"cmd/duvoctl", "", &debug.BuildInfo{Main: debug.Module{Path: ctl, Version: "v0.1.1-0.20260102030405-0123456789ab+dirty"}}, "v0.1.1-0.20260102030405-0123456789ab+dirty"},
		"a working tree":               {"cmd/duvoctl", "", &debug.BuildInfo{Main: debug.Module{Path: ctl, Version: "(devel)"}}, "devel"},
		"a replaced module":            {"", "", &debug.BuildInfo{Deps: []*debug.Module{{Path: module, Version: "v0.1.0", Replace: &debug.Module{Path: "../.."}}}}, "devel"},
		"a stamp":                      {"cmd/duvoctl", "v0.2.0", &debug.BuildInfo{Main: debug.Module{Path: ctl, Version: "(devel)"}}, "v0.2.0"},
		"a program without modules":    {"", "", nil, "devel"},
	} {
		require.Equal(t, c.want, of(c.folder, c.stamped, c.info), name)
	}
}
