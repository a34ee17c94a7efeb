// Package wording has small helpers for the words of errors and rules.
package wording

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/duvotool/duvotool/internal/safetext"
)

// Quoted lists labels in quotation marks, the first twenty of them, safe to print.
func Quoted(labels []string) string {
	var out []string
	for i, l := range labels {
		if i == 20 {
			out = append(out, "…")
			break
		}
		out = append(out, fmt.Sprintf("%q", safetext.OneLine(l, 80)))
	}
	return strings.Join(out, ", ")
}

// WholePattern compiles a pattern that must match a whole text. The pattern is
// compiled alone first: "a)|(b" would else break out of the anchors.
func WholePattern(pattern string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(pattern); err != nil {
		return nil, err
	}
	return regexp.Compile(`\A(?:` + pattern + `)\z`)
}
