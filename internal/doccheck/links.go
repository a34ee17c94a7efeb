package doccheck

import (
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

var (
	link    = regexp.MustCompile(`(?s)!?\[(?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*\]\(([^()\s]+)\)`)
	image   = regexp.MustCompile(`!\[[^\]]*\]\(([^()\s]+)\)`)
	htmlRef = regexp.MustCompile(`(?:src|href)="([^"]+)"`)
	heading = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *#*$`)
)

// A Link is where a page leads.
type Link struct {
	Target string
	Line   int
}

// Links lists where a page leads, and the images that it shows.
func (p Page) Links() (out []Link) {
	for _, re := range []*regexp.Regexp{link, image, htmlRef} {
		for _, m := range re.FindAllStringSubmatchIndex(p.Prose, -1) {
			if l := (Link{p.Prose[m[2]:m[3]], p.lineOf(m[0])}); !slices.Contains(out, l) {
				out = append(out, l)
			}
		}
	}
	return out
}

// Anchors lists the places of a page that a link may name, as GitHub makes them of its
// headings.
func (p Page) Anchors() map[string]bool {
	out := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(p.Prose, -1) {
		words := link.ReplaceAllStringFunc(m[1], func(s string) string { return s[strings.Index(s, "[")+1 : strings.LastIndex(s, "](")] })
		slug := strings.Map(func(r rune) rune {
			switch {
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			case r == ' ':
				return '-'
			}
			return -1
		}, words)
		name := slug
		for n := 1; out[name]; n++ {
			name = fmt.Sprintf("%s-%d", slug, n)
		}
		out[name] = true
	}
	return out
}

// CheckLinks tells which of a page's links lead nowhere: files, folders, images and
// headings of this repository, and addresses that are none.
func CheckLinks(root string, p Page) (wrong []string) {
	for _, l := range p.Links() {
		if problem := checkLink(root, p, l.Target); problem != "" {
			wrong = append(wrong, fmt.Sprintf("%s:%d: the link to %s: %s", p.Path, l.Line, l.Target, problem))
		}
	}
	return wrong
}

func checkLink(root string, p Page, target string) string {
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return err.Error()
	case u.Scheme == "https" && u.Host != "" || u.Scheme == "mailto":
		return "" // others' pages are not asked for
	case u.Scheme != "" || u.Host != "" || strings.HasPrefix(u.Path, "/"):
		return "it is neither https nor relative"
	}
	to := p
	if u.Path != "" {
		name := path.Join(path.Dir(p.Path), u.Path)
		info, err := os.Stat(filepath.Join(root, filepath.FromSlash(name)))
		switch {
		case strings.HasPrefix(name, ".."):
			return "it leads out of the repository"
		case err != nil:
			return "there is no such file"
		case u.Fragment == "":
			return ""
		case info.IsDir() || !strings.HasSuffix(name, ".md"):
			return "a place in what is no page"
		}
		if to, err = ReadPage(root, name); err != nil {
			return err.Error()
		}
	}
	if u.Fragment != "" && !to.Anchors()[u.Fragment] {
		return "the page has no such heading"
	}
	return ""
}

// CheckReached tells which pages below a folder no other page links, directly or over
// others, from a first one.
func CheckReached(root, first, below string, pages []string) (wrong []string, err error) {
	reached := map[string]bool{}
	for todo := []string{first}; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		if reached[name] {
			continue
		}
		reached[name] = true
		p, err := ReadPage(root, name)
		if err != nil {
			return nil, err
		}
		for _, l := range p.Links() {
			if u, err := url.Parse(l.Target); err == nil && u.Scheme == "" && strings.HasSuffix(u.Path, ".md") {
				if to := path.Join(path.Dir(name), u.Path); checkLink(root, p, u.Path) == "" {
					todo = append(todo, to)
				}
			}
		}
	}
	for _, name := range pages {
		if strings.HasPrefix(name, below) && !reached[name] {
			wrong = append(wrong, fmt.Sprintf("%s: nothing that starts at %s leads there", name, first))
		}
	}
	return wrong, nil
}
