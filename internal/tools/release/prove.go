package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// direct is the environment in which the go command takes the repository's modules from
// the clone's tags, as a module proxy takes them from the real ones, and all others from
// the module cache, or where GOPROXY says. The cache is a folder of its own, since what
// is not published yet must not be remembered.
func (c *candidate) direct(cache string) []string {
	root := c.root()
	return append(c.apart(cache), "GOPRIVATE="+root, "GONOPROXY="+root, "GONOSUMDB="+root,
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url."+c.top+".insteadOf", "GIT_CONFIG_VALUE_0=https://"+root)
}

// apart is the environment of a go command with a module cache of its own.
func (c *candidate) apart(cache string) []string {
	others := "off"
	if mod, err := command(context.Background(), c.top, nil, "go", "env", "GOMODCACHE", "GOPROXY"); err == nil {
		known, proxies, _ := strings.Cut(mod, "\n")
		others = "file://" + filepath.ToSlash(known) + "/cache/download," + proxies
	}
	return []string{"GOWORK=off", "GOFLAGS=-modcacherw", "GOMODCACHE=" + cache, "GOPROXY=" + others}
}

// root is the path of the root module.
func (c *candidate) root() string {
	for _, m := range c.modules {
		if m.dir == "" {
			return m.path
		}
	}
	return ""
}

// prove holds the release against what users do with it: each module is fetched by its
// tag, and has the checksum that the others' go.sum tell; each program is installed from
// a module proxy, and prints its version.
func (c *candidate) prove(ctx context.Context, out io.Writer) error {
	fetched := filepath.Join(c.work, "fetched")
	env := c.direct(fetched)
	for _, m := range c.modules {
		if _, err := command(ctx, c.work, env, "go", "mod", "download", m.path+"@"+c.version); err != nil {
			return err
		}
		if len(m.needs) == 0 {
			continue
		}
		own := filepath.Join(c.top, filepath.FromSlash(m.dir))
		if _, err := command(ctx, own, env, "go", append([]string{"mod", "download"}, m.needs...)...); err != nil {
			return err
		}
	}
	programs, err := c.programs()
	if err != nil {
		return err
	}
	proxy, stop, err := serve(filepath.Join(fetched, "cache", "download"))
	if err != nil {
		return err
	}
	defer stop()
	env = c.apart(filepath.Join(c.work, "user"))
	root := c.root()
	env = append(env, "GOPRIVATE=", "GONOPROXY=", "GONOSUMDB="+root, "GOBIN="+filepath.Join(c.work, "bin"))
	for i, e := range env {
		if others, ok := strings.CutPrefix(e, "GOPROXY="); ok {
			env[i] = "GOPROXY=" + proxy + "," + others
		}
	}
	for _, p := range programs {
		// With -trimpath what is built does not depend on where the cache is, so that
		// only the first release builds the libraries.
		if _, err := command(ctx, c.work, env, "go", "install", "-trimpath", p+"@"+c.version); err != nil {
			return err
		}
		said, err := command(ctx, c.work, nil, filepath.Join(c.work, "bin", path.Base(p)), "--version")
		if err != nil {
			return err
		}
		if want := path.Base(p) + " " + c.version; said != want {
			return fmt.Errorf("%s --version printed %q, not %q", p, said, want)
		}
		fmt.Fprintf(out, "go install %s@%s installs what prints %q\n", p, c.version, said)
	}
	return nil
}

// programs are the import paths of what is under cmd/.
func (c *candidate) programs() (out []string, err error) {
	entries, err := os.ReadDir(filepath.Join(c.top, "cmd"))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, c.root()+"/cmd/"+e.Name())
		}
	}
	return out, nil
}

// serve is a module proxy on this machine: the download folder of a module cache is
// laid out as one.
func serve(folder string) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: http.FileServer(http.Dir(folder)), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(l) }()
	return "http://" + l.Addr().String(), func() { _ = s.Close(); <-ended }, nil
}
