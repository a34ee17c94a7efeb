package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// A candidate is a release that is being made in a clone.
type candidate struct {
	version string
	top     string // the clone
	work    string // a folder that is removed at the end
	modules []module
}

// begin refuses what is no release, and clones the repository.
func begin(ctx context.Context, top, work, version string) (*candidate, error) {
	if semver.Canonical(version) != version || semver.Build(version) != "" || semver.Compare(version, "v2.0.0-0") >= 0 {
		return nil, fmt.Errorf("%q is no version such as v0.1.0 or v0.2.0-rc.1, below v2", version)
	}
	dirty, err := git(ctx, top, "status", "--porcelain")
	if err != nil {
		return nil, err
	}
	if dirty != "" {
		return nil, fmt.Errorf("the tree is not clean:\n%s", dirty)
	}
	c := &candidate{version: version, top: filepath.Join(work, "clone"), work: work}
	if _, err := git(ctx, work, "clone", "-q", top, c.top); err != nil {
		return nil, err
	}
	for _, key := range []string{"user.name", "user.email"} {
		value, err := git(ctx, top, "config", key)
		if err != nil {
			return nil, fmt.Errorf("git config %s is not set", key)
		}
		if _, err := git(ctx, c.top, "config", key, value); err != nil {
			return nil, err
		}
	}
	if c.modules, err = readModules(c.top); err != nil {
		return nil, err
	}
	return c, errors.Join(c.checkTags(ctx), c.checkChangelog())
}

// checkTags refuses a version that is not newer than all that there are, or of which a
// tag is left.
func (c *candidate) checkTags(ctx context.Context) error {
	out, err := git(ctx, c.top, "tag", "--list")
	if err != nil {
		return err
	}
	tags := strings.Fields(out)
	for _, m := range c.modules {
		if t := m.tag(c.version); slices.Contains(tags, t) {
			return fmt.Errorf("the tag %s exists; a version that was published is never changed, so choose another", t)
		}
	}
	for _, t := range tags {
		if semver.Compare(t, c.version) >= 0 {
			return fmt.Errorf("%s is not newer than %s", c.version, t)
		}
	}
	return nil
}

func (c *candidate) checkChangelog() error {
	data, err := os.ReadFile(filepath.Join(c.top, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	heading := regexp.MustCompile(`(?m)^## ` + regexp.QuoteMeta(strings.TrimPrefix(c.version, "v")) + ` - \d{4}-\d\d-\d\d$`)
	if !heading.Match(data) {
		return fmt.Errorf("CHANGELOG.md has no line \"## %s - YEAR-MONTH-DAY\"", strings.TrimPrefix(c.version, "v"))
	}
	return nil
}

// commit makes the commit of the release and its tags, in the clone. The checksum of a
// module is known once its go.mod and go.sum are, so they are settled one after the
// other, each in a commit with a tag from which the go command fetches it for the next;
// in the end one commit takes their place.
func (c *candidate) commit(ctx context.Context) error {
	head, err := git(ctx, c.top, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	if _, err := git(ctx, c.top, "checkout", "-q", "--detach"); err != nil {
		return err
	}
	env := c.direct(filepath.Join(c.work, "settling"))
	for _, m := range c.modules {
		if err := settle(c.top, m, c.version); err != nil {
			return err
		}
		if len(m.needs) > 0 {
			if _, err := command(ctx, filepath.Join(c.top, filepath.FromSlash(m.dir)), env, "go", "mod", "tidy"); err != nil {
				return err
			}
		}
		if err := c.commitAll(ctx, m.path); err != nil {
			return err
		}
		if _, err := git(ctx, c.top, "tag", m.tag(c.version)); err != nil {
			return err
		}
	}
	if _, err := git(ctx, c.top, "reset", "-q", "--soft", head); err != nil {
		return err
	}
	if err := c.commitAll(ctx, "Release "+c.version); err != nil {
		return err
	}
	for _, m := range c.modules {
		if _, err := git(ctx, c.top, "tag", "--force", "-a", "-m", m.path+" "+c.version, m.tag(c.version)); err != nil {
			return err
		}
	}
	return nil
}

func (c *candidate) commitAll(ctx context.Context, message string) error {
	if _, err := git(ctx, c.top, "add", "--all"); err != nil {
		return err
	}
	_, err := git(ctx, c.top, "commit", "-q", "--allow-empty", "--no-verify", "-m", message)
	return err
}

// tags are the tags of the release, each after a separator.
func (c *candidate) tags(separator string) string {
	var b strings.Builder
	for _, m := range c.modules {
		b.WriteString(separator + m.tag(c.version))
	}
	return b.String()
}

// handOver brings the tags and their commit into the repository: all of them or none.
func (c *candidate) handOver(ctx context.Context, top string) error {
	args := []string{"fetch", "-q", "--atomic", "--no-tags", c.top}
	for _, m := range c.modules {
		ref := "refs/tags/" + m.tag(c.version)
		args = append(args, ref+":"+ref)
	}
	_, err := git(ctx, top, args...)
	return err
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	return command(ctx, dir, nil, "git", args...)
}

// command runs a program and returns what it printed. What it says when it fails is
// told.
func command(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	if env != nil {
		c.Env = append(os.Environ(), env...)
	}
	var said strings.Builder
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s in %s: %w\n%s%s", strings.Join(c.Args, " "), dir, err, said.String(), out)
	}
	return strings.TrimSpace(string(out)), nil
}
