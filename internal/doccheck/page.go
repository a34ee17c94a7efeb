// Package doccheck reads the Markdown of this repository and tells what in it is not
// so: links that lead nowhere, snippets that do not compile, commands, flags and names
// that do not exist. It is for tests.
package doccheck

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Page is a Markdown file.
type Page struct {
	Path   string // below the root of the repository, with slashes
	Blocks []Block
	Prose  string // the text with its blocks and comments taken out, line by line
}

// A Block is what stands in a fence.
type Block struct {
	Lang string
	Text string // without the indentation of its fence
	Line int    // of its first line of text, from 1
	Says []Says // the comments right before the fence
}

// A Says is a comment of a block, such as <!-- given: reg *duvotool.Registry -->.
type Says struct{ Key, Value string }

// Said returns what the comments of a block say under a key.
func (b Block) Said(key string) (out []string) {
	for _, s := range b.Says {
		if s.Key == key {
			out = append(out, s.Value)
		}
	}
	return out
}

// ReadPage reads a page.
func ReadPage(root, path string) (Page, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		return Page{}, err
	}
	return parsePage(path, string(text)), nil
}

var (
	fence   = regexp.MustCompile("^( *)(```+)\\s*(\\S*)")
	comment = regexp.MustCompile(`^\s*<!--\s*(.*?)\s*-->\s*$`)
)

func parsePage(path, text string) Page {
	p := Page{Path: path}
	var says []Says
	var prose []string
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if m := comment.FindStringSubmatch(lines[i]); m != nil {
			key, value, ok := strings.Cut(m[1], ": ")
			if !ok {
				key, value = "file", m[1]
			}
			says = append(says, Says{key, strings.TrimSpace(value)})
			prose = append(prose, "")
			continue
		}
		m := fence.FindStringSubmatch(lines[i])
		if m == nil {
			says = nil
			prose = append(prose, lines[i])
			continue
		}
		b := Block{Lang: m[3], Line: i + 2, Says: says}
		var body []string
		prose = append(prose, "")
		for i++; i < len(lines) && !strings.HasPrefix(strings.TrimSpace(lines[i]), m[2]); i++ {
			body = append(body, strings.TrimPrefix(lines[i], m[1]))
			prose = append(prose, "")
		}
		prose = append(prose, "")
		b.Text = strings.Join(body, "\n") + "\n"
		p.Blocks = append(p.Blocks, b)
		says = nil
	}
	p.Prose = strings.Join(prose, "\n")
	return p
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// Codes returns the code that stands within the prose, each on one line.
func (p Page) Codes() (out []string) {
	for _, m := range codeSpan.FindAllStringSubmatch(p.Prose, -1) {
		out = append(out, strings.Join(strings.Fields(m[1]), " "))
	}
	return out
}

// lineOf tells the line of a place in the prose.
func (p Page) lineOf(at int) int { return 1 + strings.Count(p.Prose[:at], "\n") }

// Pages lists the Markdown files below the root that are the repository's own, in
// order: not what is hidden, generated or in a testdata.
func Pages(root string) (out []string, err error) {
	err = filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != root && (skipped(d.Name()) || strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case !d.IsDir() && strings.HasSuffix(name, ".md"):
			rel, err := filepath.Rel(root, name)
			out = append(out, filepath.ToSlash(rel))
			return err
		}
		return nil
	})
	slices.Sort(out)
	return out, err
}

func skipped(dir string) bool { return dir == "testdata" || dir == "node_modules" || dir == "dist" }
