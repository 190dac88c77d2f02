package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// The charts are drawn by hand: a page must need nothing from elsewhere, and no script. Colours are classes, so
// that the page's style can turn them for dark screens and for paper.

// A chart is a frame with axes that curves or bars are drawn into.
type chart struct {
	title, x, y   string // what the axes are, with units
	width, height float64
	xScale        scale
	yScale        scale
	body          strings.Builder
	legend        []string
}

// The room around the drawing area.
const (
	marginLeft   = 76.0
	marginRight  = 28.0
	marginTop    = 14.0
	marginBottom = 46.0
)

// A scale maps values to 0..1, and knows where its marks are.
type scale struct {
	low, high float64
	log       bool
	marks     []mark
}

type mark struct {
	at   float64
	text string
}

// linear makes a scale from 0 to a round number above high.
func linear(high float64, text func(float64) string) scale {
	if high <= 0 {
		high = 1
	}
	step := roundStep(high / 5)
	s := scale{high: math.Ceil(high/step) * step}
	for v := 0.0; v <= s.high*1.0001; v += step {
		s.marks = append(s.marks, mark{v, text(v)})
	}
	return s
}

// roundStep is the next of 1, 2, 5, 10, … times a power of ten.
func roundStep(least float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*power >= least {
			return m * power
		}
	}
	return 10 * power
}

// logarithmic makes a scale over whole decades.
func logarithmic(low, high float64, text func(float64) string) scale {
	low = math.Pow(10, math.Floor(math.Log10(max(low, 1e-9))))
	high = math.Pow(10, math.Ceil(math.Log10(max(high, low*1.01))))
	s := scale{low: low, high: high, log: true}
	for v := low; v <= high*1.001; v *= 10 {
		s.marks = append(s.marks, mark{v, text(v)})
	}
	return s
}

func (s *scale) of(value float64) float64 {
	if s.log {
		return math.Log(max(value, s.low)/s.low) / math.Log(s.high/s.low)
	}
	return (value - s.low) / (s.high - s.low)
}

func newChart(title, x, y string, xScale, yScale scale) *chart {
	return &chart{title: title, x: x, y: y, width: 640, height: 320, xScale: xScale, yScale: yScale}
}

func (c *chart) px(x float64) float64 {
	return marginLeft + c.xScale.of(x)*(c.width-marginLeft-marginRight)
}

func (c *chart) py(y float64) float64 {
	return c.height - marginBottom - min(max(c.yScale.of(y), 0), 1)*(c.height-marginTop-marginBottom)
}

// curve draws a line through points; series is the number of its colour.
func (c *chart) curve(name string, series int, points [][2]float64) {
	if len(points) == 0 {
		return
	}
	c.legend = append(c.legend, name)
	var path strings.Builder
	for i, p := range points {
		command := "L"
		if i == 0 {
			command = "M"
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", command, c.px(p[0]), c.py(p[1]))
	}
	fmt.Fprintf(&c.body, `<path class="curve s%d" d="%s"><title>%s</title></path>`, series%8, path.String(), html.EscapeString(name))
	if len(points) == 1 {
		fmt.Fprintf(&c.body, `<circle class="dot s%d" cx="%.1f" cy="%.1f" r="3"/>`, series%8, c.px(points[0][0]), c.py(points[0][1]))
	}
}

// steps draws a histogram: a bar from each low to each high bound.
func (c *chart) steps(name string, series int, bins [][3]float64) {
	c.legend = append(c.legend, name)
	for _, b := range bins {
		x, top := c.px(b[0]), c.py(b[2])
		fmt.Fprintf(&c.body, `<rect class="fill s%d" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, series%8, x, top,
			max(c.px(b[1])-x-0.5, 0.6), c.height-marginBottom-top)
	}
}

// svg gives the whole chart.
func (c *chart) svg() template.HTML {
	var b strings.Builder
	label := html.EscapeString(c.title)
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, c.width, c.height, label)
	bottom := c.height - marginBottom
	for _, m := range c.yScale.marks {
		fmt.Fprintf(&b, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text class="tick" text-anchor="end" x="%g" y="%.1f">%s</text>`,
			marginLeft, c.width-marginRight, c.py(m.at), c.py(m.at), marginLeft-6, c.py(m.at)+4, html.EscapeString(m.text))
	}
	for _, m := range c.xScale.marks {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%g" y2="%g"/><text class="tick" text-anchor="middle" x="%.1f" y="%g">%s</text>`,
			c.px(m.at), c.px(m.at), marginTop, bottom, c.px(m.at), bottom+16, html.EscapeString(m.text))
	}
	b.WriteString(c.body.String())
	fmt.Fprintf(&b, `<line class="axis" x1="%g" x2="%g" y1="%g" y2="%g"/><line class="axis" x1="%g" x2="%g" y1="%g" y2="%g"/>`,
		marginLeft, c.width-marginRight, bottom, bottom, marginLeft, marginLeft, marginTop, bottom)
	fmt.Fprintf(&b, `<text class="label" text-anchor="middle" x="%g" y="%g">%s</text>`, (marginLeft+c.width-marginRight)/2, c.height-8,
		html.EscapeString(c.x))
	middle := (marginTop + bottom) / 2
	fmt.Fprintf(&b, `<text class="label" text-anchor="middle" transform="rotate(-90 14 %g)" x="14" y="%g">%s</text></svg>`, middle, middle,
		html.EscapeString(c.y))
	if len(c.legend) > 0 {
		b.WriteString(`<ul class="legend">`)
		for i, name := range c.legend {
			fmt.Fprintf(&b, `<li><i class="s%d"></i>%s</li>`, i%8, html.EscapeString(name))
		}
		b.WriteString("</ul>")
	}
	return template.HTML(b.String())
}

// A bar is a value with its range.
type bar struct {
	name           string
	series         int
	value          float64
	low, high      float64
	text           string
	startsNewGroup bool
}

// bars draws values beside each other, lying down, for their names need room. unit stands at the axis.
func bars(title, unit string, values []bar) template.HTML {
	const rowHeight, names, room = 24.0, 250.0, 96.0
	width, height := 640.0, 40.0
	most := 0.0
	for _, v := range values {
		if !math.IsNaN(v.value) {
			most = max(most, v.value, v.high)
		}
		if v.startsNewGroup {
			height += rowHeight / 2
		}
		height += rowHeight
	}
	s := linear(most, plain)
	px := func(v float64) float64 { return names + s.of(v)*(width-names-room) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, width, height, html.EscapeString(title))
	for _, m := range s.marks {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="4" y2="%g"/><text class="tick" text-anchor="middle" x="%.1f" y="%g">%s</text>`,
			px(m.at), px(m.at), height-36, px(m.at), height-22, html.EscapeString(m.text))
	}
	y := 6.0
	for _, v := range values {
		if v.startsNewGroup {
			y += rowHeight / 2
		}
		fmt.Fprintf(&b, `<text class="tick" text-anchor="end" x="%g" y="%g">%s</text>`, names-6, y+rowHeight/2+2, html.EscapeString(v.name))
		end := names
		if !math.IsNaN(v.value) {
			fmt.Fprintf(&b, `<rect class="fill s%d" x="%g" y="%g" width="%.1f" height="%g"/>`, v.series%8, names, y+2, px(v.value)-names, rowHeight-6)
			end = px(v.value)
			if v.high > v.low {
				middle := y + rowHeight/2 - 1
				fmt.Fprintf(&b, `<path class="range" d="M%.1f %gV%gM%.1f %gH%.1fM%.1f %gV%g"/>`, px(v.low), middle-4, middle+4,
					px(v.low), middle, px(v.high), px(v.high), middle-4, middle+4)
				end = px(v.high)
			}
		}
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%g">%s</text>`, end+5, y+rowHeight/2+2, html.EscapeString(v.text))
		y += rowHeight
	}
	fmt.Fprintf(&b, `<text class="label" text-anchor="middle" x="%g" y="%g">%s</text></svg>`, (names+width-room)/2, height-6,
		html.EscapeString(unit))
	return template.HTML(b.String())
}

// plain writes a number of an axis: 1.5k, 20M, 0.3.
func plain(v float64) string {
	for _, p := range []struct {
		at   float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= p.at {
			return trimZero(v/p.at) + p.name
		}
	}
	return trimZero(v)
}

func trimZero(v float64) string { return fmt.Sprintf("%.4g", v) }

// span writes a latency given in ns.
func span(ns float64) string {
	switch {
	case ns >= 1e9:
		return trimZero(ns/1e9) + " s"
	case ns >= 1e6:
		return trimZero(ns/1e6) + " ms"
	case ns >= 1e3:
		return trimZero(ns/1e3) + " µs"
	}
	return trimZero(ns) + " ns"
}
