package record

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

const (
	wide, high = 9, 20 // of a character's cell
	margin     = 18
	top        = 44
	longest    = 2 * time.Second // that nothing happens in the picture
)

const styleSheet = `
.back{fill:#16191f}.bar{fill:#262b35}
text{font:15px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d7dce5;white-space:pre;animation:shown .01s both}
.bold{font-weight:700;fill:#fff}.faint{fill:#8b94a5}.red{fill:#ff8f88}.green{fill:#86d993}.yellow{fill:#eecb70}.blue{fill:#8ab8ff}.title{fill:#8b94a5;animation:none}
@keyframes shown{from{opacity:0}to{opacity:1}}
@media (prefers-reduced-motion:reduce){text{animation:none}}
`

// classes are the names of what programs choose by "m".
var classes = map[string]string{"1": "bold", "2": "faint", "31": "red", "32": "green", "33": "yellow", "34": "blue", "36": "blue", "35": "blue"}

// svg draws the screen: each piece appears when it was written, and stays. Who wants no
// motion sees all at once.
func (s *screen) svg(title string) string {
	rows := s.rows
	for len(rows) > 0 && text(rows[len(rows)-1]) == "" {
		rows = rows[:len(rows)-1]
	}
	when := calm(rows)
	var b strings.Builder
	width, height := s.columns*wide+2*margin, len(rows)*high+top+margin
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\">\n", width, height, width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n<style>%s</style>\n", escape(title), styleSheet)
	fmt.Fprintf(&b, "<rect class=\"back\" width=\"%d\" height=\"%d\" rx=\"8\"/><path class=\"bar\" d=\"M0 30V8a8 8 0 0 1 8-8h%da8 8 0 0 1 8 8v22z\"/>\n", width, height, width-16)
	fmt.Fprintf(&b, "<text class=\"title\" x=\"%d\" y=\"20\">$ %s</text>\n", margin, escape(title))
	for y, row := range rows {
		for from := 0; from < len(row); {
			to := from + 1
			for to < len(row) && row[to].style == row[from].style && when[row[to].at] == when[row[from].at] {
				to++
			}
			piece := cut(row[from:to])
			if strings.TrimSpace(piece) != "" {
				n := len([]rune(piece))
				fmt.Fprintf(&b, "<text%s x=\"%d\" y=\"%d\" textLength=\"%d\" style=\"animation-delay:%.1fs\">%s</text>\n",
					class(row[from].style, s.goesOn[y]), margin+from*wide, top+y*high+high/2, n*wide, when[row[from].at].Seconds(), escape(piece))
			}
			from = to
		}
	}
	return b.String() + "</svg>\n"
}

// cut returns cells as text without the spaces at the end.
func cut(cells []cell) string {
	var b strings.Builder
	for _, c := range cells {
		b.WriteRune(c.r)
	}
	return strings.TrimRight(b.String(), " ")
}

func class(style string, goesOn bool) string {
	var names []string
	if goesOn {
		names = append(names, "on")
	}
	for _, code := range strings.Split(style, ";") {
		if c := classes[code]; c != "" {
			names = append(names, c)
		}
	}
	if names == nil {
		return ""
	}
	return ` class="` + strings.Join(names, " ") + `"`
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}

// calm maps when cells were drawn to when the picture shows them: to a tenth of a second,
// with long pauses made shorter.
func calm(rows [][]cell) map[time.Duration]time.Duration {
	var times []time.Duration
	for _, row := range rows {
		for _, c := range row {
			times = append(times, c.at)
		}
	}
	slices.Sort(times)
	out := map[time.Duration]time.Duration{}
	var before, shown time.Duration
	for _, at := range slices.Compact(times) {
		shown += min(at-before, longest)
		before = at
		out[at] = shown.Round(100 * time.Millisecond)
	}
	return out
}

// read returns the lines that a picture shows.
func read(r io.Reader) ([]string, error) {
	var doc struct {
		Text []struct {
			X     int    `xml:"x,attr"`
			Y     int    `xml:"y,attr"`
			Class string `xml:"class,attr"`
			Text  string `xml:",chardata"`
		} `xml:"text"`
	}
	if err := xml.NewDecoder(r).Decode(&doc); err != nil {
		return nil, err
	}
	var rows []string
	goesOn := map[int]bool{}
	for _, t := range doc.Text {
		if t.Class == "title" {
			continue
		}
		y, x := (t.Y-top-high/2)/high, (t.X-margin)/wide
		for len(rows) <= y {
			rows = append(rows, "")
		}
		rows[y] += strings.Repeat(" ", max(0, x-len([]rune(rows[y])))) + t.Text
		goesOn[y] = goesOn[y] || slices.Contains(strings.Fields(t.Class), "on")
	}
	return join(rows, goesOn), nil
}
