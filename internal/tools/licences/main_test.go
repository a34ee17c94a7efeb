package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`

// mpl is the note with which a file is put under the Mozilla Public License.
const mpl = `This Source Code Form is subject to the terms of the Mozilla Public License, v. 2.0. If a copy of the MPL was not distributed with this file, You can obtain one at http://mozilla.org/MPL/2.0/.
`

const gpl = `This program is free software: you can redistribute it and/or modify it under the terms of the GNU General Public License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later version.

This program is distributed in the hope that it will be useful, but WITHOUT ANY WARRANTY; without even the implied warranty of MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE. See the GNU General Public License for more details.

You should have received a copy of the GNU General Public License along with this program. If not, see <https://www.gnu.org/licenses/>.
`

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		licence string // of the module that is used; empty: it has none
		user    string // the file that uses it
		says    string // empty: it is allowed
	}{
		"allowed":              {mit, "a.go", ""},
		"none":                 {"", "a.go", "example.com/dep has no file"},
		"not allowed":          {gpl, "a.go", "GPL"},
		"not allowed in tests": {gpl, "a_test.go", "GPL"},
		"for tests":            {mpl, "a_test.go", ""},
		"for tests, and built": {mpl, "a.go", "MPL-2.0"},
		"two":                  {mit + gpl, "a.go", "GPL"},
		"words of one's own":   {strings.Repeat("Whoever reads this may do as they like with one half of it. ", 40), "a.go", "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put := func(name, text string) {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			put("go.mod", "module example.com/own\n\ngo 1.25.0\n\nrequire example.com/dep v0.0.0\n\nreplace example.com/dep => ./dep\n")
			put("own.go", "package own\n")
			put(c.user, "package own\n\nimport _ \"example.com/dep\"\n")
			put("dep/go.mod", "module example.com/dep\n\ngo 1.25.0\n")
			put("dep/dep.go", "package dep\n")
			if c.licence != "" {
				put("dep/LICENSE.md", c.licence)
			}
			n, err := check(dir, io.Discard)
			switch {
			case c.says == "" && (err != nil || n != 1):
				t.Fatal(n, err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Fatal(n, err)
			}
		})
	}
}
